package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"

	"github.com/zeebo/blake3"
	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall"
)

// applier makes a target folder from what one manifest says to what another says. It
// looks at every path that differs and does what is still to be done, so that it can be
// stopped at any instant, and be asked again for the same or for the way back.
type applier struct {
	f        *folder
	from, to rollcall.ReleaseID
	old, new *rollcall.Manifest
	changes  []rollcall.FileChange
	standing standing
	force    bool // what is asked for is made anew even where it looks right

	dir    *os.File // the target; nil where it does not exist
	way    ladder   // in it
	source *os.File // the release that is wanted; nil for none
	gid    int      // that was asked for when it was received, or -1
	origin ladder   // in that
	stage  *os.File
	read   contentReader
	seen   unix.Stat_t
}

func (f *folder) newApplier(from, to rollcall.ReleaseID) (*applier, error) {
	a, err := f.newLooker(from, to)
	if err != nil || to == "" {
		return a, err
	}
	if a.source, err = f.openRelease(to); err == nil && a.source == nil {
		err = rollcall.Errorf(rollcall.KindBroken, "the release %s is not there", to.Short())
	}
	if err != nil {
		a.close()
		return nil, err
	}
	a.origin.root = int(a.source.Fd())
	if err := a.askedGroup(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// askedGroup finds out from the release whether it was received with a group.
func (a *applier) askedGroup() error {
	var s unix.Stat_t
	if err := unix.Fstat(int(a.source.Fd()), &s); err != nil {
		return fmt.Errorf("look at the release: %w", err)
	}
	usual, err := a.f.rights(rollcall.Permissions{})
	if err != nil {
		return err
	}
	a.gid = -1
	if !usual.fitGroup(&s) {
		a.gid = int(s.Gid)
	}
	return nil
}

// newLooker makes an applier that can look, and do nothing.
func (f *folder) newLooker(from, to rollcall.ReleaseID) (*applier, error) {
	a := &applier{f: f, from: from, to: to, read: contentReader{sum: blake3.New(), buf: make([]byte, 128<<10)}}
	var err error
	if a.old, err = f.manifest(from); err != nil {
		return nil, err
	}
	if a.new, err = f.manifest(to); err != nil {
		return nil, err
	}
	if a.standing, err = f.standing(); err != nil {
		return nil, err
	}
	a.changes = rollcall.CompareManifests(a.old, a.new)
	return a, a.openTarget()
}

func (a *applier) openTarget() (err error) {
	if a.f.target.root == nil {
		return nil
	}
	if a.dir, err = a.f.target.root.Open("."); err != nil {
		return fmt.Errorf("open the folder: %w", err)
	}
	a.way.root = int(a.dir.Fd())
	return nil
}

func (a *applier) close() {
	a.way.leave(0)
	a.origin.leave(0)
	for _, file := range []*os.File{a.dir, a.source, a.stage} {
		if file != nil {
			file.Close()
		}
	}
}

func (a *applier) before(what string) error {
	if a.f.target.before == nil {
		return nil
	}
	return a.f.target.before(what)
}

// find looks for a path and leaves in seen what it is. blocked names what stands on the
// way where a folder should be.
func (a *applier) find(p string) (there bool, blocked string, err error) {
	if a.dir == nil {
		return false, "", nil
	}
	if _, err := a.way.enter(path.Dir(p), false); errors.Is(err, fs.ErrNotExist) {
		return false, "", nil
	} else if noFolder(err) {
		return false, a.blocks(path.Dir(p)), nil
	} else if err != nil {
		return false, "", fmt.Errorf("look at %s: %w", p, err)
	}
	err = unix.Fstatat(a.way.fd(), path.Base(p), &a.seen, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, fs.ErrNotExist) {
		return false, "", nil
	}
	if err != nil {
		return false, "", fmt.Errorf("look at %s: %w", p, err)
	}
	return true, "", nil
}

// blocks is the first part of a way that is no folder.
func (a *applier) blocks(dir string) string {
	for i := range dir {
		if dir[i] == '/' {
			if _, err := a.way.enter(dir[:i], false); err != nil {
				return dir[:i]
			}
		}
	}
	return dir
}

// is tells whether what find has seen is what an entry says, but for its time.
func (a *applier) is(e *rollcall.Entry) (bool, error) {
	if e == nil || a.seen.Mode&unix.S_IFMT != formatOf(e) {
		return false, nil
	}
	name := path.Base(e.Path)
	switch e.Type {
	case rollcall.TypeFolder:
		return true, nil
	case rollcall.TypeLink:
		to, err := readlinkat(a.way.fd(), name)
		return to == e.Target, err
	}
	if a.seen.Size != e.Size || (a.seen.Mode&0o111 != 0) != (e.Type == rollcall.TypeExecutable) {
		return false, nil
	}
	file, err := openRegular(a.way.fd(), name)
	if errors.Is(err, errNotRegular) || errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", e.Path, err)
	}
	defer file.Close()
	same, err := a.read.is(context.Background(), file, e, func(int) {})
	if err != nil {
		return false, fmt.Errorf("read %s: %w", e.Path, err)
	}
	return same, nil
}

// survey learns what stands there before a release comes: which folders will be made,
// and, unless that was asked before, which files it will find.
func (a *applier) survey(again bool) error {
	if !again {
		for name := range a.standing.found {
			if a.old.Find(name) == nil {
				delete(a.standing.found, name)
			}
		}
	}
	for i := range a.changes {
		change := &a.changes[i]
		if change.New == nil {
			continue
		}
		folder := path.Dir(change.Path)
		if change.New.Type == rollcall.TypeFolder {
			folder = change.Path
		}
		for ; folder != "."; folder = path.Dir(folder) {
			there, _, err := a.find(folder)
			if err != nil {
				return err
			}
			if there && a.seen.Mode&unix.S_IFMT == unix.S_IFDIR {
				break
			}
			a.standing.made[folder] = true
		}
		if change.Old != nil || again {
			continue
		}
		there, _, err := a.find(change.Path)
		if err != nil {
			return err
		}
		if !there || change.New.Type == rollcall.TypeFolder {
			continue
		}
		if same, err := a.is(change.New); err != nil {
			return err
		} else if same {
			a.standing.found[change.Path] = a.from
		}
	}
	return nil
}

// run does what is to be done: everything that takes room is staged and on disk before
// the first path changes; then come the renames, then what goes, then what had no place
// until that was gone.
func (a *applier) run() error {
	if a.dir == nil {
		if a.to == "" {
			return nil
		}
		if err := os.MkdirAll(a.f.target.dir, 0o755); err != nil {
			return fmt.Errorf("make the folder: %w", err)
		}
		if err := a.f.target.open(); err != nil {
			return err
		}
		if err := a.openTarget(); err != nil {
			return err
		}
	}
	if err := a.f.target.root.RemoveAll(stagingName); err != nil {
		return fmt.Errorf("remove the staging folder: %w", err)
	}
	waiting, err := a.stageAll()
	if err != nil {
		return err
	}
	if err := a.syncTarget(); err != nil {
		return err
	}
	a.way.made = a.madeFolder
	var late []int
	for _, i := range waiting {
		switch err := a.place(i); {
		case errors.Is(err, errNoPlace):
			late = append(late, i)
		case err != nil:
			return err
		}
	}
	if err := a.remove(); err != nil {
		return err
	}
	a.way.leave(0) // folders may have become files
	for _, i := range late {
		if err := a.place(i); err != nil {
			return err
		}
	}
	a.way.made = nil
	if err := a.f.target.root.RemoveAll(stagingName); err != nil {
		return fmt.Errorf("remove the staging folder: %w", err)
	}
	return a.syncTarget()
}

// settle ends what run did: nothing of it is to be asked again.
func (a *applier) settle() error {
	// What was found stays written down: killed before the journal ends, this is asked
	// again, and must not take for ours what it has just left to others.
	for name := range a.standing.made {
		if !hasBelow(a.new, name) {
			delete(a.standing.made, name)
		}
	}
	if err := a.f.storeStanding(a.standing); err != nil {
		return err
	}
	if err := a.before("end the journal"); err != nil {
		return err
	}
	return a.f.endApplying()
}

func (a *applier) syncTarget() error {
	if err := a.before("sync"); err != nil {
		return err
	}
	if err := unix.Syncfs(int(a.dir.Fd())); err != nil {
		return fmt.Errorf("sync to disk: %w", err)
	}
	return nil
}

// errNoPlace means that something of the old release still stands in the place.
var errNoPlace = errors.New("something else stands there")

// place puts a staged path where it belongs.
func (a *applier) place(i int) error {
	e := a.changes[i].New
	if err := a.before("place " + e.Path); err != nil {
		return err
	}
	dir := path.Dir(e.Path)
	if e.Type == rollcall.TypeFolder {
		dir = e.Path
	}
	fd, err := a.way.enter(dir, true)
	if noFolder(err) || errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make %s: %w", dir, errNoPlace)
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	if e.Type == rollcall.TypeFolder {
		return nil
	}
	if e.IsFile() {
		if err := a.group(i, fd); err != nil {
			return fmt.Errorf("put %s in place: %w", e.Path, err)
		}
	}
	err = unix.Renameat(int(a.stage.Fd()), strconv.Itoa(i), fd, path.Base(e.Path))
	if errors.Is(err, unix.EXDEV) {
		err = a.placeAcross(i, fd, e)
	}
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("put %s in place: %w", e.Path, errNoPlace)
	}
	if err != nil {
		return fmt.Errorf("put %s in place: %w", e.Path, err)
	}
	return nil
}

// placeAcross puts a path into a folder that is another file system.
func (a *applier) placeAcross(i, folder int, e *rollcall.Entry) error {
	sum := blake3.Sum256([]byte(e.Path))
	name := fmt.Sprintf("%s-%x", stagingName, sum[:8])
	if err := unix.Unlinkat(folder, name, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var err error
	if e.Type == rollcall.TypeLink {
		err = unix.Symlinkat(e.Target, folder, name)
	} else {
		var in *os.File
		if in, err = openRegular(int(a.stage.Fd()), strconv.Itoa(i)); err != nil {
			return err
		}
		defer in.Close()
		err = a.copyTo(in, folder, name, e)
		if err == nil && a.gid >= 0 {
			err = unix.Fchownat(folder, name, -1, a.gid, unix.AT_SYMLINK_NOFOLLOW)
		}
		if err == nil {
			err = syncFile(folder, name)
		}
	}
	if err == nil {
		err = unix.Renameat(folder, name, folder, path.Base(e.Path))
	}
	if err != nil {
		_ = unix.Unlinkat(folder, name, 0)
		return err
	}
	return syncFolder(folder) // the sync at the end is of the target's own file system
}

func syncFolder(folder int) error {
	fd, err := unix.Openat(folder, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fsync(fd)
}

func syncFile(folder int, name string) error {
	file, err := openRegular(folder, name)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}

// remove takes away what the wanted release does not have, and then the folders that we
// made and that nothing is in any more.
func (a *applier) remove() error {
	for i := range a.changes {
		change := &a.changes[i]
		if change.Old == nil || change.Old.Type == rollcall.TypeFolder {
			continue
		}
		if change.New != nil && change.New.Type != rollcall.TypeFolder {
			continue // it was replaced
		}
		if before, found := a.standing.found[change.Path]; found && change.New == nil && before == a.to {
			continue // it stood there before the release that goes
		}
		there, _, err := a.find(change.Path)
		if err != nil {
			return err
		}
		if !there || a.seen.Mode&unix.S_IFMT == unix.S_IFDIR {
			continue
		}
		if err := a.before("remove " + change.Path); err != nil {
			return err
		}
		if err := unix.Unlinkat(a.way.fd(), path.Base(change.Path), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", change.Path, err)
		}
	}
	made := make([]string, 0, len(a.standing.made))
	for name := range a.standing.made {
		if !hasBelow(a.new, name) {
			made = append(made, name)
		}
	}
	slices.Sort(made)
	slices.Reverse(made) // what is below comes first
	for _, name := range made {
		if there, _, err := a.find(name); err != nil {
			return err
		} else if !there {
			continue
		}
		if err := a.before("remove " + name + "/"); err != nil {
			return err
		}
		err := unix.Unlinkat(a.way.fd(), path.Base(name), unix.AT_REMOVEDIR)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENOTDIR) {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	return nil
}

// stillThere tells whether a file of the live release stands in the target as it was put
// there, as another has it, or, where a switch was interrupted, not at all.
func (a *applier) stillThere(e, next, other *rollcall.Entry, began bool) (bool, error) {
	there, blocked, err := a.find(e.Path)
	if err != nil {
		return false, err
	}
	if !there {
		return began && blocked == "" || e.Type == rollcall.TypeFolder, nil
	}
	if e.IsFile() && looksLike(a.way.fd(), e, &a.seen) {
		return true, nil
	}
	for _, e := range []*rollcall.Entry{e, next, other} {
		if same, err := a.is(e); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

// reapply puts into the target what a repair made anew. It needs no journal: each path is
// right or is found by the next audit.
func (f *folder) reapply(live rollcall.ReleaseID, m *rollcall.Manifest, paths map[string]bool) error {
	if f.target == nil || len(paths) == 0 {
		return nil
	}
	if f.unsettled() {
		return rollcall.Errorf(rollcall.KindConflict, "a switch was interrupted in %s", f.target.dir).
			WithHint("finish it with rollcall resume, or undo it with rollcall abort")
	}
	a, err := f.newApplier(live, live)
	if err != nil {
		return err
	}
	defer a.close()
	a.force = true
	for i := range m.Entries {
		if e := &m.Entries[i]; paths[e.Path] {
			a.changes = append(a.changes, rollcall.FileChange{Path: e.Path, Old: e, New: e})
		}
	}
	err = a.run()
	if errors.Is(err, errNoPlace) {
		return rollcall.Errorf(rollcall.KindRefused, "in %s: %w", f.target.dir, err).
			WithHint("look at what stands there, and move it away")
	}
	return err
}
