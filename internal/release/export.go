package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/zeebo/blake3"

	"github.com/rollcall-dev/rollcall"
)

// build runs the code's build command in a clean export of the tree, and makes a
// manifest of what stands there then. The contents are kept by their hash: a build need
// not come out the same again.
func (s *Store) build(ctx context.Context, code *rollcall.Code, repo rollcall.Repository, revision rollcall.Revision, note func(string)) (*rollcall.Manifest, error) {
	dir, err := os.MkdirTemp(filepath.Join(s.dir, "objects"), ".build-")
	if err != nil {
		return nil, fmt.Errorf("export the tree: %w", err)
	}
	defer os.RemoveAll(dir)
	tree := filepath.Join(dir, "tree")
	note("exporting the tree for the build")
	if err := export(ctx, code, repo, revision, tree); err != nil {
		return nil, fmt.Errorf("export the tree: %w", err)
	}
	note("building: " + code.Build.String())
	if err := runBuild(ctx, code, revision, tree, dir); err != nil {
		return nil, err
	}
	return s.gather(code, revision, tree)
}

func export(ctx context.Context, code *rollcall.Code, repo rollcall.Repository, revision rollcall.Revision, tree string) error {
	changes, err := repo.Changes(ctx, "", revision.Tree)
	if err != nil {
		return err
	}
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(tree)
	if err != nil {
		return err
	}
	defer root.Close()
	refused := refusals{revision: revision}
	var blobs []string
	var entries []*rollcall.TreeEntry
	for _, c := range changes {
		if err := code.CheckEntry(c.New); err != nil {
			refused.add(c.Path, err.Error())
			continue
		}
		if c.New.Module {
			continue
		}
		blobs = append(blobs, c.New.Blob)
		entries = append(entries, c.New)
	}
	if err := refused.err(); err != nil {
		return err
	}
	return repo.Blobs(ctx, blobs, func(i int, _ int64, content io.Reader) error {
		e := entries[i]
		if dir := filepath.Dir(e.Path); dir != "." {
			if err := root.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		if e.Type == rollcall.TypeLink {
			target, err := io.ReadAll(io.LimitReader(content, 4096))
			if err != nil {
				return err
			}
			return root.Symlink(string(target), e.Path)
		}
		mode := os.FileMode(0o644)
		if e.Type == rollcall.TypeExecutable {
			mode = 0o755
		}
		file, err := root.OpenFile(e.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		return errors.Join(err, file.Close())
	})
}

func runBuild(ctx context.Context, code *rollcall.Code, revision rollcall.Revision, tree, dir string) error {
	limit := code.Build.Timeout
	if limit <= 0 {
		limit = 10 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	args := code.Build.Args
	if code.Build.Shell != "" {
		args = []string{"/bin/sh", "-e", "-c", code.Build.Shell}
	}
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir = tree
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	c.Env = []string{
		"LC_ALL=C.UTF-8", "TMPDIR=" + tmp, "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
		"ROLLCALL_CODE=" + code.Name, "ROLLCALL_REVISION=" + revision.ID, fmt.Sprintf("SOURCE_DATE_EPOCH=%d", revision.Time.Unix()),
	}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 2 * time.Second
	out, err := c.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("it did not end within %v", limit)
	}
	e := rollcall.Errorf(rollcall.KindFailed, "the build of %s at %s failed: %w", code.Name, rollcall.ShortRevision(revision.ID), err)
	e.Hint = fmt.Sprintf("it ran %s in a clean export", code.Build)
	if said := bytes.TrimSpace(out); len(said) > 0 {
		e.Hint = "it said:\n" + rollcall.PrintableLines(string(said[max(0, len(said)-4096):]))
	}
	return e
}

// gather makes a manifest of a folder and moves its contents to the objects.
func (s *Store) gather(code *rollcall.Code, revision rollcall.Revision, tree string) (*rollcall.Manifest, error) {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	m := &rollcall.Manifest{}
	refused := refusals{revision: revision}
	err = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == "." {
			return err
		}
		if rollcall.MatchAny(code.Exclude, p) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if err := rollcall.CheckPath(p); err != nil {
			refused.add(p, err.Error())
			return nil
		}
		e := rollcall.Entry{Path: p}
		switch d.Type() {
		case fs.ModeDir:
			children, err := fs.ReadDir(root.FS(), p)
			if err != nil || len(children) > 0 {
				return err
			}
			e.Type = rollcall.TypeFolder
		case fs.ModeSymlink:
			e.Type = rollcall.TypeLink
			if e.Target, err = root.Readlink(p); err != nil {
				return err
			}
			if err := rollcall.CheckLink(p, e.Target); err != nil {
				refused.add(p, err.Error())
			}
		case 0:
			if err := s.takeObject(root, tree, &e); err != nil {
				return err
			}
		default:
			refused.add(p, "is a "+d.Type().String()+" and not a file")
			return nil
		}
		m.Entries = append(m.Entries, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("gather what the build made: %w", err)
	}
	if err := refused.err(); err != nil {
		return nil, err
	}
	slices.SortFunc(m.Entries, func(a, b rollcall.Entry) int { return strings.Compare(a.Path, b.Path) })
	return m, nil
}

func (s *Store) takeObject(root *os.Root, tree string, e *rollcall.Entry) error {
	file, err := root.Open(e.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	e.Type, e.Size = rollcall.TypeFile, info.Size()
	if info.Mode()&0o111 != 0 {
		e.Type = rollcall.TypeExecutable
	}
	h := blake3.New()
	if _, err := io.Copy(h, file); err != nil {
		return err
	}
	h.Sum(e.Hash[:0])
	object := s.object(e.Hash)
	if _, err := os.Stat(object); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(object), 0o700); err != nil {
		return err
	}
	return os.Rename(filepath.Join(tree, e.Path), object)
}

func (s *Store) object(hash rollcall.Hash) string {
	name := hash.String()
	return filepath.Join(s.dir, "objects", name[:2], name[2:])
}
