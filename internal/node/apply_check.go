package node

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall"
)

// check refuses what would touch anything that neither of the two releases put there.
func (a *applier) check() error {
	var c clashes
	for i := range a.changes {
		if err := a.checkOne(&a.changes[i], &c); err != nil {
			return err
		}
	}
	return c.refusal(a.f.target.dir)
}

func (a *applier) checkOne(change *rollcall.FileChange, c *clashes) error {
	if change.Path == stagingName || strings.HasPrefix(change.Path, stagingName+"/") {
		c.foreign = append(c.foreign, change.Path)
		return nil
	}
	there, blocked, err := a.find(change.Path)
	if err != nil {
		return err
	}
	if blocked != "" {
		// One of the two releases may have a file where the other has a folder.
		if a.old.Find(blocked) == nil && a.new.Find(blocked) == nil {
			c.block(blocked)
		}
		return nil
	}
	if !there {
		return nil
	}
	folder := a.seen.Mode&unix.S_IFMT == unix.S_IFDIR && (hasBelow(a.old, change.Path) || hasBelow(a.new, change.Path))
	if folder && change.New != nil && change.New.Type != rollcall.TypeFolder {
		return a.onlyOurs(change.Path, c) // it has to make room
	}
	for _, e := range []*rollcall.Entry{change.New, change.Old} {
		if same, err := a.is(e); same || err != nil {
			return err
		}
	}
	if folder {
		return nil // the way back: the file is not there yet
	}
	if change.Old == nil {
		c.foreign = append(c.foreign, change.Path)
	} else {
		c.edited = append(c.edited, change.Path)
	}
	return nil
}

// onlyOurs finds what else is in a folder that has to make room for a file.
func (a *applier) onlyOurs(p string, c *clashes) error {
	fd, err := a.way.enter(p, false)
	if err != nil {
		return err
	}
	fd, err = unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), p)
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, d := range entries {
		name := p + "/" + d.Name()
		switch ours := hasBelow(a.old, name) || hasBelow(a.new, name); {
		case d.IsDir() && ours:
			if err := a.onlyOurs(name, c); err != nil {
				return err
			}
		case a.old.Find(name) == nil && a.new.Find(name) == nil:
			c.foreign = append(c.foreign, name)
		}
	}
	return nil
}

// clashes are paths that are not as they should be before anything is done.
type clashes struct{ foreign, edited, blocked []string }

func (c *clashes) block(p string) {
	if !slices.Contains(c.blocked, p) {
		c.blocked = append(c.blocked, p)
	}
}

func (c *clashes) refusal(dir string) error {
	list := func(paths []string) string {
		slices.Sort(paths)
		more := ""
		if len(paths) > 10 {
			more = fmt.Sprintf(" and %d more", len(paths)-10)
			paths = paths[:10]
		}
		return strings.Join(paths, ", ") + more
	}
	var said, hints []string
	if len(c.edited) > 0 {
		said = append(said, "edited by hand: "+list(c.edited))
		hints = append(hints, "look at it, then make it anew with rollcall audit ENV --repair")
	}
	if len(c.foreign) > 0 {
		said = append(said, "not Rollcall's: "+list(c.foreign))
		hints = append(hints, "move away what stands there, or make it equal to what the release has")
	}
	if len(c.blocked) > 0 {
		said = append(said, "no folder, or reached over a link: "+list(c.blocked))
		hints = append(hints, "links are not followed: put a folder there, or leave that path out of the release")
	}
	if said == nil {
		return nil
	}
	return rollcall.Errorf(rollcall.KindRefused, "in %s: %s", dir, strings.Join(said, "; ")).WithHint("%s", strings.Join(hints, "; "))
}

// fits finds out, before anything is written, whether a release could be applied: what
// the live one put into the target stands there still, and nothing else is in the way.
// What a repair names is expected to differ.
func (f *folder) fits(to *rollcall.Manifest, distrust map[string]bool) error {
	if f.target == nil {
		return nil
	}
	live, err := f.live()
	if err != nil {
		return err
	}
	began, err := f.applying()
	if err != nil {
		return err
	}
	a, err := f.newLooker("", live)
	if err != nil {
		return err
	}
	defer a.close()
	other := &rollcall.Manifest{}
	if began != nil {
		id := began.To
		if id == live {
			id = began.From
		}
		if other, err = f.manifest(id); err != nil {
			return err
		}
	}
	a.old, a.new = a.new, to
	var c clashes
	for i := range a.old.Entries {
		e := &a.old.Entries[i]
		if distrust[e.Path] {
			continue
		}
		if good, err := a.stillThere(e, to.Find(e.Path), other.Find(e.Path), began != nil); err != nil {
			return err
		} else if !good {
			c.edited = append(c.edited, e.Path)
		}
	}
	changes := rollcall.CompareManifests(a.old, to)
	for _, change := range changes {
		if change.Old != nil || distrust[change.Path] {
			continue
		}
		change.Old = other.Find(change.Path)
		if err := a.checkOne(&change, &c); err != nil {
			return err
		}
	}
	if err := c.refusal(f.target.dir); err != nil {
		return err
	}
	// The folder is made now, for the same reason that it is looked at: who can't write
	// there is to know it before anything is switched.
	if a.dir == nil {
		if err := os.MkdirAll(f.target.dir, 0o755); err != nil {
			return fmt.Errorf("make the folder: %w", err)
		}
		return nil
	}
	return a.writable(changes)
}

// writable finds out whether the folders of what changes can be written into.
func (a *applier) writable(changes []rollcall.FileChange) error {
	last := ""
	for _, change := range changes {
		dir := path.Dir(change.Path)
		if dir == last {
			continue
		}
		last = dir
		fd, err := a.way.enter(dir, false)
		if err != nil {
			continue // not there yet
		}
		if err := unix.Faccessat(fd, ".", unix.W_OK|unix.X_OK, 0); err != nil {
			return fmt.Errorf("write into %s: %w", path.Join(a.f.target.dir, dir), err)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	if err := unix.Faccessat(a.way.root, ".", unix.W_OK|unix.X_OK, 0); err != nil {
		return fmt.Errorf("write into %s: %w", a.f.target.dir, err)
	}
	return nil
}
