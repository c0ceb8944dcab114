package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/zeebo/blake3"
	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall"
)

// adopter copies a folder that others made into a layout, and lists what it is made of.
// No link is followed on the way, and nothing of the old folder is changed.
type adopter struct {
	l        *layout
	old      oldFolder
	dir      *os.File
	manifest *rollcall.Manifest
	adoption adoption
	sum      *blake3.Hasher
	buf      []byte
	bytes    atomic.Int64
}

func (l *layout) newAdopter(old oldFolder) (*adopter, error) {
	dir, err := l.f.root.Open(old.dir)
	if err != nil {
		return nil, fmt.Errorf("open the old release: %w", err)
	}
	return &adopter{l: l, old: old, dir: dir, manifest: &rollcall.Manifest{}, sum: blake3.New(), buf: make([]byte, 256<<10)}, nil
}

func (a *adopter) close() { a.dir.Close() }

// whole tells whether the folder itself is taken over: then its files are copied, because
// an application may go on writing into the old ones.
func (a *adopter) whole() bool { return a.old.dir == "." }

func (a *adopter) run(ctx context.Context) error {
	fd, err := unix.Openat(int(a.dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := a.folder(ctx, os.NewFile(uintptr(fd), "."), ""); err != nil {
		return err
	}
	slices.SortFunc(a.manifest.Entries, func(a, b rollcall.Entry) int { return strings.Compare(a.Path, b.Path) })
	if err := a.manifest.Check(); err != nil {
		return rollcall.Errorf(rollcall.KindRefused, "%s can't become a release: %w", a.l.f.path(a.old.dir), err).
			WithHint("look at that path on the node")
	}
	return nil
}

// folder does one folder and those below it.
func (a *adopter) folder(ctx context.Context, dir *os.File, prefix string) error {
	defer dir.Close()
	listed := len(a.manifest.Entries)
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list %s: %w", path.Join(a.old.dir, prefix), err)
	}
	slices.Sort(names)
	for _, name := range names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if prefix == "" && a.whole() && besideFiles(name) {
			continue
		}
		p := prefix + name
		if err := rollcall.CheckPath(p); err != nil {
			return rollcall.Errorf(rollcall.KindRefused, "%s can't become a release: %w", a.l.f.path(a.old.dir), err).
				WithHint("rename it on the node")
		}
		if err := a.l.enter(path.Dir(p)); err != nil {
			return err
		}
		if err := a.one(ctx, dir, name, p); err != nil {
			return fmt.Errorf("take over %s: %w", p, err)
		}
	}
	var s unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &s); err != nil {
		return err
	}
	if prefix == "" {
		return a.like(int(a.l.own.Fd()), &s)
	}
	p := strings.TrimSuffix(prefix, "/")
	if len(a.manifest.Entries) == listed {
		a.manifest.Entries = append(a.manifest.Entries, rollcall.Entry{Path: p, Type: rollcall.TypeFolder, Mtime: s.Mtim.Sec})
	}
	if err := a.l.enter(p); err != nil {
		return err
	}
	fd, err := unix.Openat(a.l.to.fd(), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return a.like(fd, &s)
}

// one does one path. What is neither a file, nor a folder, nor a link is nothing that a
// release can hold, and stays where it is.
func (a *adopter) one(ctx context.Context, dir *os.File, name, p string) error {
	var s unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &s, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if err := a.l.enter(p); err != nil {
			return err
		}
		fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return a.folder(ctx, os.NewFile(uintptr(fd), p), p+"/")
	case unix.S_IFLNK:
		target, err := readlinkat(int(dir.Fd()), name)
		if err != nil {
			return err
		}
		return a.link(p, target, s.Mtim.Sec)
	case unix.S_IFREG:
		return a.file(ctx, dir, name, p)
	}
	return nil
}

// file links a file of an old release, or copies it where that can't be.
func (a *adopter) file(ctx context.Context, dir *os.File, name, p string) error {
	in, err := openRegular(int(dir.Fd()), name)
	if err != nil {
		return err
	}
	defer in.Close()
	var s unix.Stat_t
	if err := unix.Fstat(int(in.Fd()), &s); err != nil {
		return err
	}
	e := rollcall.Entry{Path: p, Type: rollcall.TypeFile, Mtime: s.Mtim.Sec}
	if s.Mode&0o111 != 0 {
		e.Type = rollcall.TypeExecutable
	}
	var out *os.File
	if a.whole() || s.Mode&(unix.S_ISUID|unix.S_ISGID|unix.S_ISVTX) != 0 || !a.linked(dir, name, &s) {
		fd, err := unix.Openat(a.l.to.fd(), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		out = os.NewFile(uintptr(fd), p)
		defer out.Close()
	}
	if err := a.read(ctx, in, out, &e); err != nil {
		return err
	}
	a.manifest.Entries = append(a.manifest.Entries, e)
	if out == nil {
		return nil
	}
	if err := a.like(int(out.Fd()), &s); err != nil {
		return err
	}
	at := unix.Timespec{Sec: e.Mtime}
	if err := unix.UtimesNanoAt(int(out.Fd()), "", []unix.Timespec{at, at}, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	return out.Close()
}

// linked makes the very file that was opened one of the layout's. Another file system,
// too many links or another owner are reasons to copy it.
func (a *adopter) linked(dir *os.File, name string, s *unix.Stat_t) bool {
	if unix.Linkat(int(dir.Fd()), name, a.l.to.fd(), name, 0) != nil {
		return false
	}
	var made unix.Stat_t
	if err := unix.Fstatat(a.l.to.fd(), name, &made, unix.AT_SYMLINK_NOFOLLOW); err == nil && made.Ino == s.Ino && made.Dev == s.Dev {
		return true
	}
	_ = unix.Unlinkat(a.l.to.fd(), name, 0) // replaced just now
	return false
}

// read learns the size and the hash of a file, and copies it where out is one.
func (a *adopter) read(ctx context.Context, in io.Reader, out *os.File, e *rollcall.Entry) error {
	a.sum.Reset()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := in.Read(a.buf)
		_, _ = a.sum.Write(a.buf[:n]) // a hash takes everything
		e.Size += int64(n)
		a.bytes.Add(int64(n))
		if out != nil {
			if _, err := out.Write(a.buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	a.sum.Sum(e.Hash[:0])
	return nil
}

// like gives what is copied the mode of what it was copied from, and, as far as may be,
// its owner and group. Never setuid, setgid or sticky.
func (a *adopter) like(fd int, s *unix.Stat_t) error {
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil {
		return err
	}
	mode := s.Mode & 0o777
	if now.Uid != s.Uid || now.Gid != s.Gid {
		if err := unix.Fchown(fd, int(s.Uid), int(s.Gid)); err != nil {
			if err := unix.Fchown(fd, -1, int(s.Gid)); err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
		}
	}
	return unix.Fchmod(fd, mode)
}

// link copies a link. One that leads out of what is taken over, as to a shared folder,
// leads to the same place afterwards, and is listed apart.
func (a *adopter) link(p, target string, mtime int64) error {
	out := a.outer(p, target)
	if out == "" && rollcall.CheckLink(p, target) == nil {
		a.manifest.Entries = append(a.manifest.Entries, rollcall.Entry{Path: p, Type: rollcall.TypeLink, Target: target, Mtime: mtime})
		return unix.Symlinkat(target, a.l.to.fd(), path.Base(p))
	}
	if out == "" {
		out = target // oddly written, but it leads to the same copy
	}
	a.adoption.Links = append(a.adoption.Links, outerLink{Path: []byte(p), Target: []byte(out)})
	return unix.Symlinkat(out, a.l.to.fd(), path.Base(p))
}

// outer is what a link that leads out has to be in the new place, and empty for one that
// stays within.
func (a *adopter) outer(p, target string) string {
	if path.IsAbs(target) {
		return target
	}
	leads := path.Join(path.Dir(p), target) // from the top of what is taken over
	first, _, _ := strings.Cut(leads, "/")
	within := first != ".."
	if a.whole() && besideFiles(first) {
		within = false
	}
	if within {
		return ""
	}
	if strings.Count(a.old.dir, "/") == 1 {
		return target // as deep as the new place
	}
	return strings.Repeat("../", strings.Count(p, "/")+2) + path.Join(a.old.dir, leads)
}
