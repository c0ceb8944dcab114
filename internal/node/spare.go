package node

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

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
