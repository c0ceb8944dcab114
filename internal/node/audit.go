package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/zeebo/blake3"
	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// addedLimit is how many added paths an audit lists: an application that fills the
// release's folder must not fill the controller too.
const addedLimit = 1000

// audit compares the live release with its manifest. It takes no lock, because it may
// last: that another release became live meanwhile is asked at the end.
func (s *Server) audit(ctx context.Context, f *folder, q *wire.Request) (rollcall.Audit, error) {
	live, err := f.live()
	if err != nil || live == "" {
		return rollcall.Audit{}, err
	}
	a, err := f.newAuditor(live, q.Audit)
	if err != nil {
		return rollcall.Audit{}, err
	}
	defer a.close()
	if err := s.watch(ctx, &a.bytes, a.total, a.run); err != nil {
		return rollcall.Audit{}, err
	}
	if now, err := f.live(); err != nil || now != live || f.unsettled() {
		return rollcall.Audit{}, rollcall.Errorf(rollcall.KindConflict, "another release became live while %s was read, or began to", live.Short()).
			WithHint("ask again when the roll is over")
	}
	slices.SortFunc(a.drift, func(a, b rollcall.Drift) int { return strings.Compare(a.Path, b.Path) })
	return rollcall.Audit{Release: live, Files: int(a.files.Load()), Bytes: a.bytes.Load(), Drift: a.drift, More: a.more}, nil
}

// watch runs what takes long and tells how far it is.
func (s *Server) watch(ctx context.Context, done *atomic.Int64, total int64, run func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	var wait sync.WaitGroup
	wait.Go(func() { ended <- run(ctx) })
	defer wait.Wait()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return err
			}
			return s.conn.Send(wire.KindDone, wire.Done{Done: total, Total: total})
		case <-tick.C:
			if err := s.conn.Send(wire.KindDone, wire.Done{Done: done.Load(), Total: total}); err != nil {
				cancel() // nobody listens any more
				return err
			}
		}
	}
}

// auditor compares a folder with a manifest. What it reads may change under its hands and
// be hostile: every path is opened beneath its folder, and no link is followed.
type auditor struct {
	manifest *rollcall.Manifest
	rights   rights
	total    int64

	dir     *os.File        // the folder; nil where it is gone
	mixed   bool            // other files beside the release's are nobody's business
	anyMode bool            // as it was found
	found   map[string]bool // files that stood there already, and keep the modes that they had
	// known are paths that are there besides the manifest; what is a link leads there.
	known map[string]string

	way   ladder
	wrong map[string]bool // folders that are none, as told already
	files atomic.Int64
	bytes atomic.Int64

	mu    sync.Mutex
	drift []rollcall.Drift
	added int
	more  int
}

// aFile in auditor.known is a file that may be there or not.
const aFile = "\x00"

func (f *folder) newAuditor(live rollcall.ReleaseID, request *wire.Audit) (*auditor, error) {
	a := &auditor{known: map[string]string{}, wrong: map[string]bool{}}
	var err error
	if a.manifest, err = f.manifest(live); err != nil || nameOf(a.manifest) != live {
		return nil, rollcall.Errorf(rollcall.KindBroken, "the manifest of %s is damaged there, and nothing can be compared with it", live.Short()).
			WithHint("roll another release, or this one anew")
	}
	a.total = a.manifest.Size()
	if a.rights, err = f.rights(request.Permissions); err != nil {
		return nil, err
	}
	old, err := f.kept(live)
	if err != nil {
		return nil, err
	}
	for name := range old {
		a.known[name] = aFile
	}
	for _, share := range request.Link {
		name := path.Clean(share)
		a.known[name] = shareTarget(name)
	}
	if err := a.adopted(f, live); err != nil {
		return nil, err
	}
	if f.target != nil {
		err = a.inPlace(f)
	} else {
		a.dir, err = f.openRelease(live)
	}
	if err != nil {
		return nil, err
	}
	if a.dir != nil {
		a.way.root = int(a.dir.Fd())
	}
	return a, nil
}

// shareTarget is where a link to the node's own leads, over the release's folder and releases/.
func shareTarget(name string) string {
	return strings.Repeat("../", strings.Count(name, "/")+2) + shared + "/" + name
}

func (a *auditor) close() {
	a.way.leave(0)
	if a.dir != nil {
		a.dir.Close()
	}
}

func (a *auditor) tell(p string, kind rollcall.DriftKind) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if kind == rollcall.DriftAdded {
		if a.added++; a.added > addedLimit {
			a.more++
			return
		}
	}
	a.drift = append(a.drift, rollcall.Drift{Path: p, Kind: kind})
}

// opened is a file whose content is to be read.
type opened struct {
	*os.File
	entry *rollcall.Entry
}

// run looks at every path in its order, and reads the files beside that with as many
// hands as there are cores.
func (a *auditor) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan opened)
	var wait sync.WaitGroup
	for range max(runtime.GOMAXPROCS(0), 1) {
		wait.Go(func() {
			r := contentReader{sum: blake3.New(), buf: make([]byte, 256<<10)}
			for file := range work {
				same, err := a.read(ctx, &r, file)
				file.Close()
				if err != nil {
					cancel(fmt.Errorf("read %s: %w", file.entry.Path, err))
				} else if !same {
					a.tell(file.entry.Path, rollcall.DriftChanged)
				}
			}
		})
	}
	err := a.look(ctx, work)
	close(work)
	wait.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err == nil && !a.mixed && a.dir != nil {
		err = a.extras(ctx)
	}
	return err
}

// contentReader hashes files one after the other.
type contentReader struct {
	sum *blake3.Hasher
	buf []byte
}

// is tells whether a file has the content that an entry says. It reads no further than
// it must, and tells of every part.
func (r *contentReader) is(ctx context.Context, file io.Reader, e *rollcall.Entry, part func(int)) (bool, error) {
	r.sum.Reset()
	var size int64
	for size <= e.Size {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		n, err := file.Read(r.buf)
		_, _ = r.sum.Write(r.buf[:n]) // a hash takes everything
		size += int64(n)
		part(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
	}
	var sum rollcall.Hash
	r.sum.Sum(sum[:0])
	return size == e.Size && sum == e.Hash, nil
}

func (a *auditor) read(ctx context.Context, r *contentReader, file opened) (bool, error) {
	a.files.Add(1)
	return r.is(ctx, file, file.entry, func(n int) { a.bytes.Add(int64(n)) })
}

// look finds every path of the manifest and every known link.
func (a *auditor) look(ctx context.Context, work chan<- opened) error {
	for i := range a.manifest.Entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e := &a.manifest.Entries[i]
		file, err := a.entry(e)
		if err != nil {
			return fmt.Errorf("look at %s: %w", e.Path, err)
		}
		if file == nil {
			continue
		}
		select {
		case work <- opened{file, e}:
		case <-ctx.Done():
			file.Close()
		}
	}
	for name, target := range a.known {
		if target == aFile {
			continue
		}
		if _, err := a.entry(&rollcall.Entry{Path: name, Type: rollcall.TypeLink, Target: target}); err != nil {
			return fmt.Errorf("look at %s: %w", name, err)
		}
	}
	return nil
}

// entry compares all of a path but its content, and opens it where that is to be read.
func (a *auditor) entry(e *rollcall.Entry) (*os.File, error) {
	if a.dir == nil {
		a.tell(e.Path, rollcall.DriftMissing)
		return nil, nil
	}
	if _, err := a.way.enter(path.Dir(e.Path), false); err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !noFolder(err) {
			return nil, err
		}
		if noFolder(err) {
			a.notFolder(path.Dir(e.Path))
		}
		a.tell(e.Path, rollcall.DriftMissing)
		return nil, nil
	}
	name := path.Base(e.Path)
	var s unix.Stat_t
	if err := unix.Fstatat(a.way.fd(), name, &s, unix.AT_SYMLINK_NOFOLLOW); errors.Is(err, fs.ErrNotExist) {
		a.tell(e.Path, rollcall.DriftMissing)
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if s.Mode&unix.S_IFMT != formatOf(e) {
		a.tell(e.Path, rollcall.DriftType)
		return nil, nil
	}
	switch e.Type {
	case rollcall.TypeLink:
		if target, err := readlinkat(a.way.fd(), name); err != nil || target != e.Target {
			a.tell(e.Path, rollcall.DriftTarget)
		}
		return nil, nil
	case rollcall.TypeFolder: // extras sees its mode
		return nil, nil
	}
	moded := a.anyMode || a.found[e.Path] || a.rights.fit(&s, e)
	if !moded {
		a.tell(e.Path, rollcall.DriftMode)
	}
	if s.Size != e.Size {
		a.tell(e.Path, rollcall.DriftChanged)
		a.files.Add(1)
		return nil, nil
	}
	file, err := openRegular(a.way.fd(), name)
	switch {
	case err == nil:
		return file, nil
	case errors.Is(err, errNotRegular):
		a.tell(e.Path, rollcall.DriftType)
	case errors.Is(err, fs.ErrNotExist):
		a.tell(e.Path, rollcall.DriftMissing)
	case errors.Is(err, fs.ErrPermission):
		if moded { // and yet it can't be read
			a.tell(e.Path, rollcall.DriftMode)
		}
	default:
		return nil, err
	}
	return nil, nil
}

// notFolder tells once what stands where a folder should be.
func (a *auditor) notFolder(dir string) {
	for i := 0; i <= len(dir); i++ {
		if i < len(dir) && dir[i] != '/' {
			continue
		}
		if _, err := a.way.enter(dir[:i], false); err != nil {
			if !a.wrong[dir[:i]] {
				a.wrong[dir[:i]] = true
				a.tell(dir[:i], rollcall.DriftType)
			}
			return
		}
	}
}

// extras walks the folders for what the manifest does not name, and looks at their modes.
func (a *auditor) extras(ctx context.Context) error {
	folders := map[string]bool{} // whether the release itself has it
	above := func(name string, own bool) {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, told := folders[dir]; told {
				return
			}
			folders[dir] = own
		}
	}
	for i := range a.manifest.Entries {
		e := &a.manifest.Entries[i]
		if e.Type == rollcall.TypeFolder {
			folders[e.Path] = true
		}
		above(e.Path, true)
	}
	for name, target := range a.known {
		above(name, target != aFile)
	}
	fd, err := unix.Openat(int(a.dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	folders["."] = true
	return a.extrasIn(ctx, os.NewFile(uintptr(fd), "."), "", folders)
}

func (a *auditor) extrasIn(ctx context.Context, dir *os.File, prefix string, folders map[string]bool) error {
	defer dir.Close()
	var s unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &s); err != nil {
		return err
	}
	if name := path.Clean(prefix); folders[name] && !a.anyMode && !a.rights.fitFolder(&s) {
		a.tell(name, rollcall.DriftMode)
	}
	for {
		entries, err := dir.ReadDir(1000)
		for _, d := range entries {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			name := prefix + d.Name()
			_, known := a.known[name]
			_, folder := folders[name]
			switch {
			case folder:
				if err := a.below(ctx, dir, d.Name(), name, folders); err != nil {
					return err
				}
			case !known && a.manifest.Find(name) == nil:
				a.tell(name, rollcall.DriftAdded)
			}
		}
		if errors.Is(err, io.EOF) || len(entries) == 0 && err == nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", path.Clean(prefix), err)
		}
	}
}

func (a *auditor) below(ctx context.Context, dir *os.File, base, name string, folders map[string]bool) error {
	fd, err := unix.Openat(int(dir.Fd()), base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // just now
	case noFolder(err):
		// What the manifest has in it was missed, and the reason told; not so what it has as an empty folder.
		return nil
	case err != nil:
		return fmt.Errorf("open %s: %w", name, err)
	}
	return a.extrasIn(ctx, os.NewFile(uintptr(fd), name), name+"/", folders)
}

var errNotRegular = errors.New("no regular file")

// openRegular opens a file for reading without following a link and without waiting for
// who writes into a pipe that somebody put there.
func openRegular(folder int, name string) (*os.File, error) {
	fd, err := unix.Openat(folder, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
		return nil, errNotRegular
	}
	if err != nil {
		return nil, err
	}
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil || s.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = unix.Close(fd)
		return nil, errNotRegular
	}
	return os.NewFile(uintptr(fd), name), nil
}

// noFolder tells whether a way ended at something that is no folder, or a link.
func noFolder(err error) bool {
	return errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}

func formatOf(e *rollcall.Entry) uint32 {
	switch e.Type {
	case rollcall.TypeLink:
		return unix.S_IFLNK
	case rollcall.TypeFolder:
		return unix.S_IFDIR
	}
	return unix.S_IFREG
}

func readlinkat(folder int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(folder, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}
