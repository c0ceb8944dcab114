package node

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"github.com/zeebo/blake3"
	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/pack"
)

// layout is a release on its way. Folders are opened once beneath the root; within
// one, names without a slash are enough, and no link can lead away.
type layout struct {
	f    *folder
	name string // beneath the folder
	own  *os.File
	root *os.Root
	to   ladder   // where files are being laid
	base *os.File // the release on which this one is based, or nil
	from ladder   // where in it they come from
	buf  []byte
	out  *bufio.Writer
	sum  *blake3.Hasher
	old  bytes.Buffer
	// edited are the paths in the base that are not what its manifest says.
	edited []string
	// distrust are paths of the base that are to be taken for edited, whatever they look like.
	distrust map[string]bool
	rights   rights
	seen     unix.Stat_t // of the file of the base that was looked at last
	adopted  bool        // the base is, and its files are as others made them
}

// wholeOld is up to which size an old file is read at once to apply a delta to it: its
// pieces are many and short.
const wholeOld = 8 << 20

func (f *folder) newLayout() *layout {
	return &layout{
		f: f, name: incoming + "/" + rand.Text(),
		buf: make([]byte, 128<<10), out: bufio.NewWriterSize(nil, 128<<10), sum: blake3.New(),
	}
}

// begin makes an empty layout, locked for as long as this process lives.
func (f *folder) begin() (*layout, error) {
	for {
		l := f.newLayout()
		if err := f.root.Mkdir(l.name, 0o755); err != nil {
			return nil, fmt.Errorf("make %s: %w", f.path(l.name), err)
		}
		err := l.claim()
		if err == nil {
			return l, nil
		}
		if l.own != nil {
			l.own.Close()
		}
		// A sweep that comes before the lock takes it for a dead process's: then another one.
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, err
		}
	}
}

func (l *layout) claim() error {
	var err error
	if l.own, err = l.f.root.Open(l.name); err != nil {
		return err
	}
	if err := syscall.Flock(int(l.own.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("lock %s: %w", l.f.path(l.name), err)
	}
	return l.openRoot()
}

func (l *layout) openRoot() (err error) {
	l.to.root = int(l.own.Fd())
	l.root, err = l.f.root.OpenRoot(l.name)
	return err
}

// close removes what did not become a release.
func (l *layout) close() {
	l.to.leave(0)
	l.from.leave(0)
	if l.base != nil {
		l.base.Close()
	}
	if l.root != nil {
		l.root.Close()
	}
	l.f.root.RemoveAll(l.name)
	l.own.Close()
}

func (l *layout) sync() error { return unix.Syncfs(int(l.own.Fd())) }

// openBase opens the release on which this one is based.
func (l *layout) openBase(base rollcall.ReleaseID) (err error) {
	if base == "" {
		return nil
	}
	if l.base, err = l.f.root.Open(releases + "/" + string(base)); err != nil {
		return fmt.Errorf("open the old release: %w", err)
	}
	l.from.root = int(l.base.Fd())
	return nil
}

// lay makes the wanted files; all are the facts of each, or nothing. It
// returns those whose content was not to be had here, because the base's file is not what
// its manifest says.
func (l *layout) lay(wants []pack.Want, all []facts, r *pack.Reader, writing func() error) (missing []pack.Want, err error) {
	var contents []*pack.Want // for what is the same as an earlier one
	told := false
	for i := range wants {
		want := &wants[i]
		var known facts
		if i < len(all) {
			known = all[i]
		}
		if known&isThere != 0 && want.How != pack.Content {
			// It need not be linked, but what somebody edited is still to be told.
			if want.How == pack.Link && known&baseWhole == 0 {
				ok, err := false, error(nil)
				if known&baseEdited == 0 {
					ok, err = l.look(want.From)
				}
				if err != nil {
					return nil, fmt.Errorf("look at %s: %w", want.From.Path, err)
				}
				if !ok {
					l.edited = append(l.edited, want.From.Path)
				}
			}
			continue
		}
		if err := l.enter(path.Dir(want.Entry.Path)); err != nil {
			return nil, err
		}
		var whole bool
		switch want.How {
		case pack.Link:
			whole, err = l.link(want)
		case pack.Copy:
			whole, err = l.copy(want)
		case pack.Content:
			if !told {
				told = true
				if err := writing(); err != nil {
					return nil, err
				}
			}
			contents = append(contents, want)
			whole, err = l.content(want, known, r, contents)
		}
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", want.Entry.Path, err)
		}
		if !whole {
			missing = append(missing, *want)
			if want.From != nil {
				l.edited = append(l.edited, want.From.Path)
			}
		}
	}
	return missing, nil
}

// enter goes to a folder of the layout and makes it where it is not there yet.
func (l *layout) enter(dir string) error {
	if _, err := l.to.enter(dir, true); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	return nil
}

// look finds out whether a file of the base is what its manifest says, as far as its
// size and time tell.
func (l *layout) look(e *rollcall.Entry) (bool, error) {
	if l.base == nil || l.distrust[e.Path] {
		return false, nil
	}
	if _, err := l.from.enter(path.Dir(e.Path), false); err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
			return false, nil
		}
		return false, err
	}
	return looksLike(l.from.fd(), e, &l.seen) || l.adopted && looksAdopted(&l.seen, e), nil
}

// looksLike tells whether a file in an open folder is what its entry says, as far as
// its size, time and executable bit tell. s is what was found.
func looksLike(folder int, e *rollcall.Entry, s *unix.Stat_t) bool {
	if err := unix.Fstatat(folder, path.Base(e.Path), s, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		*s = unix.Stat_t{}
		return false
	}
	return s.Mode&unix.S_IFMT == unix.S_IFREG && s.Size == e.Size && s.Mtim.Sec == e.Mtime && s.Mtim.Nsec == 0 &&
		(s.Mode&0o111 != 0) == (e.Type == rollcall.TypeExecutable)
}

func (l *layout) link(want *pack.Want) (bool, error) {
	if ok, err := l.look(want.From); !ok || err != nil {
		return false, err
	}
	if !l.rights.fit(&l.seen, want.Entry) || l.adopted && !usual(&l.seen) {
		return l.copy(want) // one file on disk has one mode and one group
	}
	err := unix.Linkat(l.from.fd(), path.Base(want.From.Path), l.to.fd(), path.Base(want.Entry.Path), 0)
	if errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EXDEV) {
		return l.copy(want) // as many links as the file system can, or none at all
	}
	return err == nil, err
}

func (l *layout) copy(want *pack.Want) (bool, error) {
	if ok, err := l.look(want.From); !ok || err != nil {
		return false, err
	}
	old, err := l.openFrom(want.From)
	if err != nil {
		return false, err
	}
	defer old.Close()
	return l.write(want.Entry, func(w io.Writer) error {
		_, err := io.CopyBuffer(w, io.LimitReader(old, want.Entry.Size), l.buf)
		return err
	})
}

func (l *layout) openFrom(e *rollcall.Entry) (*os.File, error) {
	fd, err := unix.Openat(l.from.fd(), path.Base(e.Path), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), e.Path), nil
}

// content writes a file whose content is in the pack.
func (l *layout) content(want *pack.Want, known facts, r *pack.Reader, contents []*pack.Want) (bool, error) {
	whole := true
	var opened []*os.File
	defer func() {
		for _, f := range opened {
			f.Close()
		}
	}()
	places := pack.Places{
		Old: func() (io.ReaderAt, int64, error) {
			if want.From == nil || l.base == nil {
				return nil, 0, fmt.Errorf("a delta without an old file")
			}
			ok, err := l.look(want.From)
			if err != nil {
				return nil, 0, err
			}
			if !ok { // read on, to where the next content begins
				whole = false
				return zeros{}, want.From.Size, nil
			}
			old, err := l.openFrom(want.From)
			if err != nil {
				return nil, 0, err
			}
			opened = append(opened, old)
			if want.From.Size > wholeOld {
				return old, want.From.Size, nil
			}
			l.old.Reset()
			if _, err := l.old.ReadFrom(io.LimitReader(old, want.From.Size+1)); err != nil {
				return nil, 0, err
			}
			return bytes.NewReader(l.old.Bytes()), int64(l.old.Len()), nil
		},
		Same: func(i int) (io.Reader, error) {
			if i < 0 || i >= len(contents)-1 {
				return nil, fmt.Errorf("the same as content %d, which is not there", i)
			}
			earlier, err := l.root.Open(contents[i].Entry.Path)
			if errors.Is(err, fs.ErrNotExist) {
				whole = false
				return zeros{}, nil
			}
			if err != nil {
				return nil, err
			}
			opened = append(opened, earlier)
			return earlier, nil
		},
	}
	if known&isThere != 0 { // read on, to where the next content begins
		return true, r.Next(io.Discard, want.Entry.Size, places)
	}
	good, err := l.write(want.Entry, func(w io.Writer) error { return r.Next(w, want.Entry.Size, places) })
	return good && whole, err
}

// write makes a file out of what fill gives and checks its hash on the way. A file
// with another content is removed again.
func (l *layout) write(e *rollcall.Entry, fill func(io.Writer) error) (bool, error) {
	mode := uint32(0o644)
	if e.Type == rollcall.TypeExecutable {
		mode = 0o755
	}
	name := path.Base(e.Path)
	fd, err := unix.Openat(l.to.fd(), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return false, err
	}
	file := os.NewFile(uintptr(fd), e.Path)
	h := hasher{file: file, sum: l.sum}
	l.sum.Reset()
	l.out.Reset(&h) // a delta is made of many short pieces
	err = fill(l.out)
	if flushed := l.out.Flush(); err == nil {
		err = flushed
	}
	if err == nil && l.rights.set {
		err = l.rights.give(fd, l.rights.of(e))
	}
	if err == nil {
		// By the descriptor: the name could be changed meanwhile, the file can't.
		mtime := unix.NsecToTimespec(time.Unix(e.Mtime, 0).UnixNano())
		err = unix.UtimesNanoAt(fd, "", []unix.Timespec{mtime, mtime}, unix.AT_EMPTY_PATH)
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return false, err
	}
	var sum rollcall.Hash
	h.sum.Sum(sum[:0])
	if sum == e.Hash && h.size == e.Size {
		return true, nil
	}
	return false, unix.Unlinkat(l.to.fd(), name, 0)
}

// hasher writes and hashes.
type hasher struct {
	file *os.File
	sum  *blake3.Hasher
	size int64
}

func (h *hasher) Write(b []byte) (int, error) {
	n, err := h.file.Write(b)
	_, _ = h.sum.Write(b[:n]) // a hash takes everything
	h.size += int64(n)
	return n, err
}

// zeros stands for a file that is not what it should be.
type zeros struct{}

func (zeros) Read(b []byte) (int, error)            { clear(b); return len(b), nil }
func (zeros) ReadAt(b []byte, _ int64) (int, error) { clear(b); return len(b), nil }

// rest makes the links and the empty folders of a release, and the links to the node's
// own files.
func (l *layout) rest(to *rollcall.Manifest, shares []string) error {
	for i := range to.Entries {
		e := &to.Entries[i]
		switch e.Type {
		case rollcall.TypeLink:
			if err := l.enter(path.Dir(e.Path)); err != nil {
				return err
			}
			if err := unix.Symlinkat(e.Target, l.to.fd(), path.Base(e.Path)); err != nil {
				return fmt.Errorf("link %s: %w", e.Path, err)
			}
		case rollcall.TypeFolder:
			if err := l.enter(e.Path); err != nil {
				return err
			}
		}
	}
	shares = slices.Clone(shares)
	slices.Sort(shares)
	for _, share := range shares {
		name := path.Clean(share)
		if err := l.enter(path.Dir(name)); err != nil {
			return err
		}
		if err := unix.Symlinkat(shareTarget(name), l.to.fd(), path.Base(name)); err != nil {
			return fmt.Errorf("link %s to the node's own: %w", name, err)
		}
	}
	return nil
}
