package node

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sort"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall"
)

// spare holds one release that was let go, with its manifest beside it. The next
// release is made out of it: only what differs is touched, where linking a new folder
// and removing an old one would cost two operations for every file that there is.
const spare = private + "/spare"

const manifestSuffix = ".manifest"

// letGo takes a release out of those that are kept. The first becomes the spare, if
// there is none yet; the rest goes. The manifest is moved first: without it the folder
// is no release any more.
func (f *folder) letGo(id rollcall.ReleaseID) error {
	name := string(id)
	to := trash + "/" + rand.Text()
	if ids, err := f.spares(); err == nil && len(ids) == 0 {
		to = spare + "/" + name
	}
	if err := f.root.Rename(manifests+"/"+name, to+manifestSuffix); err != nil {
		return fmt.Errorf("let a manifest go: %w", err)
	}
	if err := f.root.Remove(kept + "/" + name + ".json"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("let a list go: %w", err)
	}
	if err := f.root.Rename(releases+"/"+name, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("let a release go: %w", err)
	}
	return nil
}

// spares lists what can be made into a new release.
func (f *folder) spares() ([]rollcall.ReleaseID, error) {
	if err := f.root.MkdirAll(spare, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(f.path(spare))
	if err != nil {
		return nil, err
	}
	var ids []rollcall.ReleaseID
	for _, e := range entries {
		if id := rollcall.ReleaseID(e.Name()); id.Valid() && e.IsDir() {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// dropSpare removes the spare where its room is needed.
func (f *folder) dropSpare() {
	ids, err := f.spares()
	if err != nil {
		return
	}
	for _, id := range ids {
		f.root.RemoveAll(spare + "/" + string(id))
		f.root.Remove(spare + "/" + string(id) + manifestSuffix)
	}
}

// takeSpare makes the spare into a layout, with the manifest of what it was. It is
// locked before it moves to the incoming ones, where sweeps come by. Any fault means
// only that there is no spare.
func (f *folder) takeSpare() (*layout, *rollcall.Manifest) {
	ids, err := f.spares()
	if err != nil {
		return nil, nil
	}
	for _, id := range ids {
		name := spare + "/" + string(id)
		b, err := f.root.ReadFile(name + manifestSuffix)
		if err != nil {
			continue
		}
		m, err := rollcall.ParseManifest(b)
		if err != nil || nameOf(m) != id {
			continue
		}
		l := f.newLayout()
		if l.claimSpare(name) == nil {
			f.root.Remove(name + manifestSuffix)
			return l, m
		}
		if l.own != nil {
			l.own.Close()
		}
	}
	return nil, nil
}

func (l *layout) claimSpare(name string) error {
	own, err := l.f.root.Open(name)
	if err != nil {
		return err
	}
	l.own = own
	if err := syscall.Flock(int(own.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return err
	}
	if err := l.f.root.Rename(name, l.name); err != nil {
		return err
	}
	return l.openRoot()
}

// reuse leaves in a spare only what the new release has too, looks at each of those
// files as it would before linking it, and tells which are there. What else stands in
// its folders goes: also what somebody or something wrote there meanwhile.
func (l *layout) reuse(was, to *rollcall.Manifest) (map[*rollcall.Entry]bool, error) {
	own, err := unix.Openat(int(l.own.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	r := &reuser{
		l: l, to: to, same: unchanged(was, to),
		there: make(map[*rollcall.Entry]bool, len(to.Entries)), slots: make(chan struct{}, reuseAtOnce),
	}
	r.folder(os.NewFile(uintptr(own), "."), "")
	r.wait.Wait()
	return r.there, r.err
}

// reuseAtOnce is how many folders are looked at together. An old release is seldom in
// the node's memory, and disks answer many questions as soon as one.
const reuseAtOnce = 16

type reuser struct {
	l     *layout
	to    *rollcall.Manifest
	same  map[string]*rollcall.Entry // files that were in the spare as they shall be
	slots chan struct{}
	wait  sync.WaitGroup

	mu    sync.Mutex
	there map[*rollcall.Entry]bool
	err   error
}

func (r *reuser) folder(dir *os.File, prefix string) {
	there, err := r.look(dir, prefix)
	dir.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range there {
		r.there[e] = true
	}
	if r.err == nil {
		r.err = err
	}
}

// look does one folder, and those below it beside or after it.
func (r *reuser) look(dir *os.File, prefix string) (there []*rollcall.Entry, err error) {
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	fd := int(dir.Fd())
	if err := r.l.rights.mend(fd); err != nil {
		return nil, err
	}
	var s unix.Stat_t
	for _, d := range entries {
		name := prefix + d.Name()
		if d.IsDir() && hasBelow(r.to, name) {
			sub, err := unix.Openat(fd, d.Name(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			if err != nil {
				return nil, err
			}
			r.below(os.NewFile(uintptr(sub), name), name+"/")
			continue
		}
		if e := r.same[name]; d.Type().IsRegular() && e != nil && looksLike(fd, e, &s) && r.l.rights.fit(&s, e) {
			there = append(there, e)
			continue
		}
		if d.IsDir() {
			err = r.l.root.RemoveAll(name)
		} else {
			err = unix.Unlinkat(fd, d.Name(), 0)
		}
		if err != nil {
			return nil, err
		}
	}
	return there, nil
}

func (r *reuser) below(dir *os.File, prefix string) {
	select {
	case r.slots <- struct{}{}:
		r.wait.Go(func() {
			defer func() { <-r.slots }()
			r.folder(dir, prefix)
		})
	default:
		r.folder(dir, prefix)
	}
}

// hasBelow tells whether a manifest has anything in a folder, or the folder itself.
func hasBelow(m *rollcall.Manifest, dir string) bool {
	i := sort.Search(len(m.Entries), func(i int) bool { return m.Entries[i].Path >= dir+"/" })
	if i < len(m.Entries) && strings.HasPrefix(m.Entries[i].Path, dir+"/") {
		return true
	}
	e := m.Find(dir)
	return e != nil && e.Type == rollcall.TypeFolder
}

// unchanged finds the files that two manifests hold alike, their times included.
func unchanged(was, to *rollcall.Manifest) map[string]*rollcall.Entry {
	same := make(map[string]*rollcall.Entry, len(to.Entries))
	i := 0
	for j := range to.Entries {
		e := &to.Entries[j]
		for i < len(was.Entries) && was.Entries[i].Path < e.Path {
			i++
		}
		if i < len(was.Entries) && was.Entries[i].Path == e.Path && e.IsFile() && was.Entries[i].Same(e) && was.Entries[i].Mtime == e.Mtime {
			same[e.Path] = e
		}
	}
	return same
}
