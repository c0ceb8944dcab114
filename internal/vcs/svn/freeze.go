package svn

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // Subversion's own name for a content
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// linkPrefix begins what Subversion stores for a symbolic link.
const linkPrefix = "link "

// freezing makes a listing of a working copy.
type freezing struct {
	*Repository
	wc     string // the working copy's root, absolute
	nodes  []*node
	props  map[string]properties
	worked map[string]bool // files whose working content counts
	// revision is what every node must be of; 0: whatever it is.
	revision int64
}

// freeze makes a tree of a working copy as it would be committed now: with what was
// changed, added and removed in it, as Subversion would store it. Its root must be wc.
// The mirror must be locked.
func (r *Repository) freeze(ctx context.Context, wc string) (tree string, err error) {
	f := &freezing{Repository: r, wc: wc, worked: map[string]bool{}}
	all, err := r.client.status(ctx, wc)
	if err != nil {
		return "", err
	}
	for _, one := range all {
		switch one.Status.Item {
		case "modified", "added", "replaced", "conflicted", "merged":
			f.worked[one.Path] = true
		case "missing", "incomplete", "obstructed":
			return "", rollcall.Errorf(rollcall.KindInternal, "the working copy of the candidate is damaged: %s is %s", rollcall.Printable(one.Path), one.Status.Item)
		}
	}
	return f.run(ctx)
}

// freezePristine makes a tree of a working copy as its revision has it, whatever the
// files in it look like: nothing but Subversion's own store is read. The mirror must be
// locked.
func (r *Repository) freezePristine(ctx context.Context, wc string, revision int64) (tree string, err error) {
	return (&freezing{Repository: r, wc: wc, revision: revision}).run(ctx)
}

func (f *freezing) run(ctx context.Context) (string, error) {
	err := complete(ctx, f.wc)
	if err != nil {
		return "", err
	}
	if f.nodes, err = f.client.info(ctx, f.wc, true, "."); err != nil {
		return "", err
	}
	if f.props, err = f.client.properties(ctx, f.wc, true, "."); err != nil {
		return "", err
	}
	var l listing
	for _, n := range f.nodes {
		if n.Schedule == "delete" {
			continue
		}
		if f.revision != 0 && int64(n.Revision) != f.revision {
			return "", fmt.Errorf("svn: %q is of r%d and not of r%d: %w", n.Path, n.Revision, f.revision, errNotOurs)
		}
		props := f.props[n.Path]
		switch n.Kind {
		case "dir":
			for _, place := range externals(n.Path, props[propExternals]) {
				l = append(l, rollcall.TreeEntry{Path: place, Module: true})
			}
		case "file":
			e, err := f.entry(ctx, n, props)
			if err != nil {
				return "", err
			}
			l = append(l, e)
		default:
			return "", fmt.Errorf("svn: %q is neither a file nor a folder but %q", n.Path, n.Kind)
		}
	}
	l.sort()
	// An external may stand where a file of the tree does too: it is refused as one.
	l = slices.CompactFunc(l, func(a, b rollcall.TreeEntry) bool { return a.Path == b.Path && a.Module == b.Module })
	return f.keep(l)
}

// entry keeps the content of one file and tells what it is.
func (f *freezing) entry(ctx context.Context, n *node, props properties) (rollcall.TreeEntry, error) {
	e := rollcall.TreeEntry{Path: n.Path, Type: rollcall.TypeFile, Blob: n.Checksum}
	if _, ok := props[propExecutable]; ok {
		e.Type = rollcall.TypeExecutable
	}
	_, special := props[propSpecial]
	var err error
	switch {
	case f.worked[n.Path]:
		err = f.keepWorked(ctx, &e, props)
	case len(n.Checksum) != 2*sha1.Size:
		err = fmt.Errorf("svn: no checksum is known of %q", n.Path)
	case special:
		err = f.keepSpecial(&e)
	default:
		err = f.keepPristine(n.Checksum)
	}
	return e, err
}

func (r *Repository) blobPath(blob string) string {
	return filepath.Join(r.dir, "blobs", blob[:2], blob)
}

func (f *freezing) pristine(checksum string) string {
	return filepath.Join(f.wc, ".svn", "pristine", checksum[:2], checksum+".svn-base")
}

// keepPristine links a content out of the working copy's store. It is read through once,
// when it comes: what a crash or a disk made of it must not roll.
func (f *freezing) keepPristine(checksum string) error {
	place := f.blobPath(checksum)
	if _, err := os.Lstat(place); err == nil {
		return nil
	}
	from := f.pristine(checksum)
	file, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("read what svn stored: %w", err)
	}
	defer file.Close()
	h := sha1.New() //nolint:gosec // as above
	if _, err := io.Copy(h, file); err != nil {
		return fmt.Errorf("read what svn stored: %w", err)
	}
	if hex.EncodeToString(h.Sum(nil)) != checksum {
		return &damaged{from}
	}
	if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
		return fmt.Errorf("keep a content: %w", err)
	}
	err = os.Link(from, place)
	if err == nil || errors.Is(err, os.ErrExist) {
		return nil
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = f.keepContent(file)
	return err
}

// damaged is a content in a working copy's store that is not what it is named for.
type damaged struct{ file string }

func (d *damaged) Error() string { return fmt.Sprintf("%s is not what it was", d.file) }

// keepContent stores a content of our own and gives its name.
func (r *Repository) keepContent(content io.Reader) (blob string, err error) {
	dir := filepath.Join(r.dir, "blobs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("keep a content: %w", err)
	}
	file, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return "", fmt.Errorf("keep a content: %w", err)
	}
	defer os.Remove(file.Name())
	h := sha1.New() //nolint:gosec // as above
	_, err = io.Copy(io.MultiWriter(file, h), content)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("keep a content: %w", err)
	}
	blob = hex.EncodeToString(h.Sum(nil))
	place := r.blobPath(blob)
	if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
		return "", fmt.Errorf("keep a content: %w", err)
	}
	if err := os.Rename(file.Name(), place); err != nil {
		return "", fmt.Errorf("keep a content: %w", err)
	}
	return blob, nil
}

// keepSpecial keeps a link's target. What is special and no link is a file to Unix.
func (f *freezing) keepSpecial(e *rollcall.TreeEntry) error {
	b, err := os.ReadFile(f.pristine(e.Blob))
	if err != nil {
		return fmt.Errorf("read what svn stored: %w", err)
	}
	target, ok := strings.CutPrefix(string(b), linkPrefix)
	if !ok {
		return f.keepPristine(e.Blob)
	}
	e.Type = rollcall.TypeLink
	e.Blob, err = f.keepContent(strings.NewReader(target))
	return err
}

// keepWorked keeps what a commit would store of a file: keywords without what they stand
// for, line ends as the repository has them.
func (f *freezing) keepWorked(ctx context.Context, e *rollcall.TreeEntry, props properties) error {
	file := filepath.Join(f.wc, filepath.FromSlash(e.Path))
	info, err := os.Lstat(file)
	if err != nil {
		return fmt.Errorf("read the candidate: %w", err)
	}
	_, special := props[propSpecial]
	switch {
	case special && info.Mode()&os.ModeSymlink != 0:
		target, err := os.Readlink(file)
		if err != nil {
			return fmt.Errorf("read the candidate: %w", err)
		}
		e.Type = rollcall.TypeLink
		e.Blob, err = f.keepContent(strings.NewReader(target))
		return err
	case !info.Mode().IsRegular():
		return rollcall.Errorf(rollcall.KindInternal, "%s is no file any more, and no link that svn knows of", rollcall.Printable(e.Path))
	}
	_, keywords := props[propKeywords]
	_, eol := props[propEOL]
	if keywords || eol {
		return f.keepTranslated(ctx, e)
	}
	content, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read the candidate: %w", err)
	}
	defer content.Close()
	e.Blob, err = f.keepContent(content)
	return err
}

// keepTranslated lets svn itself put a content into the form that it stores.
func (f *freezing) keepTranslated(ctx context.Context, e *rollcall.TreeEntry) error {
	dir, err := os.MkdirTemp(filepath.Join(f.dir, "blobs"), ".export-")
	if err != nil {
		return fmt.Errorf("keep a content: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "content")
	if _, err := f.client.svnIn(ctx, f.wc, "export", []string{"-q", "--ignore-keywords", "--native-eol", "LF"}, at(e.Path, 0), file); err != nil {
		return err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("keep a content: %w", err)
	}
	e.Blob, err = f.keepContent(bytes.NewReader(b))
	return err
}
