package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/google/renameio/v2"
	"github.com/zeebo/blake3"
	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// A repair makes the live release anew beside itself, out of those of its files that are
// still to be trusted, and exchanges the two in one step.

// repairs tells whether a request makes the live release anew, and which base its files
// can be linked from: none where the damaged one is gone altogether.
func (f *folder) repairs(q *wire.Request) (repair bool, from rollcall.ReleaseID, err error) {
	live, err := f.live()
	if err != nil {
		return false, "", err
	}
	from = q.Receive.Base
	if from != "" && from == live {
		if info, err := f.root.Lstat(releases + "/" + string(from)); err != nil || !info.IsDir() {
			from = ""
		}
	}
	return live == q.Release, from, nil
}

// mend puts a release in the place of the live one that has its name. The caller holds
// the lock, and what was laid out is on disk.
func (f *folder) mend(l *layout, to *rollcall.Manifest, stored []byte) error {
	id := nameOf(to)
	l.mark(id, to)
	// The same release has the same manifest, unless that was damaged too.
	if err := renameio.WriteFile(f.path(manifests, string(id)), stored, 0o600); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	if _, err := f.root.Lstat(releases + "/" + string(id)); errors.Is(err, fs.ErrNotExist) {
		if err := f.root.Rename(l.name, releases+"/"+string(id)); err != nil {
			return fmt.Errorf("name the release: %w", err)
		}
		if err := f.syncDir(releases); err != nil {
			return err
		}
		return f.reapply(id, to, l.distrust)
	}
	if err := f.exchange(l.name, releases+"/"+string(id)); err != nil {
		return err
	}
	if err := f.syncDir(releases); err != nil {
		return err
	}
	if err := f.discard(l.name); err != nil {
		return err
	}
	return f.reapply(id, to, l.distrust)
}

// exchange gives each of two things the other's name, without a moment in which there is
// none.
func (f *folder) exchange(a, b string) error {
	one, err := f.root.Open(path.Dir(a))
	if err != nil {
		return err
	}
	defer one.Close()
	other, err := f.root.Open(path.Dir(b))
	if err != nil {
		return err
	}
	defer other.Close()
	err = unix.Renameat2(int(one.Fd()), path.Base(a), int(other.Fd()), path.Base(b), unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return rollcall.Errorf(rollcall.KindBroken, "the file system of %s can't exchange two folders in one step: %w", f.dir, err).
			WithHint("roll another release and then this one again")
	}
	if err != nil {
		return fmt.Errorf("exchange the release: %w", err)
	}
	return nil
}

// openRelease opens a release's folder, or gives nil where none stands there.
func (f *folder) openRelease(id rollcall.ReleaseID) (*os.File, error) {
	all, err := f.root.Open(releases)
	if err != nil {
		return nil, fmt.Errorf("open the releases: %w", err)
	}
	defer all.Close()
	fd, err := unix.Openat(int(all.Fd()), string(id), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) || noFolder(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the release: %w", err)
	}
	return os.NewFile(uintptr(fd), string(id)), nil
}

// carry links what the live release holds besides its manifest: files of earlier ones
// whose time is not over.
func (l *layout) carry(live rollcall.ReleaseID) error {
	if err := l.carryLinks(live); err != nil {
		return err
	}
	old, err := l.f.kept(live)
	if err != nil || len(old) == 0 {
		return err
	}
	damaged, err := l.f.openRelease(live)
	if damaged == nil || err != nil {
		return err
	}
	defer damaged.Close()
	from := ladder{root: int(damaged.Fd())}
	defer from.leave(0)
	for name := range old {
		fd, err := from.enter(path.Dir(name), false)
		if err != nil {
			continue // gone by hand
		}
		var s unix.Stat_t
		if err := unix.Fstatat(fd, path.Base(name), &s, unix.AT_SYMLINK_NOFOLLOW); err != nil || s.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		if err := l.enter(path.Dir(name)); err != nil {
			return err
		}
		if err := unix.Linkat(fd, path.Base(name), l.to.fd(), path.Base(name), 0); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("keep %s: %w", name, err)
		}
	}
	return nil
}

// mark gives a new time to the files that were edited although their time says
// otherwise. They are the same on disk in other releases, and no later release is to be
// linked from these. What can't be marked is no reason not to repair.
func (l *layout) mark(live rollcall.ReleaseID, m *rollcall.Manifest) {
	damaged, err := l.f.openRelease(live)
	if damaged == nil || err != nil {
		return
	}
	defer damaged.Close()
	from := ladder{root: int(damaged.Fd())}
	defer from.leave(0)
	r := contentReader{sum: blake3.New(), buf: l.buf}
	var s unix.Stat_t
	for i := range m.Entries {
		e := &m.Entries[i]
		if !e.IsFile() || !l.distrust[e.Path] {
			continue
		}
		fd, err := from.enter(path.Dir(e.Path), false)
		if err != nil || !looksLike(fd, e, &s) {
			continue
		}
		file, err := openRegular(fd, path.Base(e.Path))
		if err != nil {
			continue
		}
		if same, err := r.is(context.Background(), file, e, func(int) {}); err == nil && !same {
			touch(file)
		}
		file.Close()
	}
}

func touch(file *os.File) {
	_ = unix.UtimesNanoAt(int(file.Fd()), "", nil, unix.AT_EMPTY_PATH) // see mark
}

func textSet(texts [][]byte) map[string]bool {
	set := make(map[string]bool, len(texts))
	for _, text := range texts {
		set[string(text)] = true
	}
	return set
}
