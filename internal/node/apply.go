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
	"strconv"
	"strings"
	"time"

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

func (a *applier) newStage() error {
	if err := a.before("make the staging folder"); err != nil {
		return err
	}
	if err := a.f.target.root.Mkdir(stagingName, 0o700); err != nil {
		return fmt.Errorf("make the staging folder: %w", err)
	}
	fd, err := unix.Openat(int(a.dir.Fd()), stagingName, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the staging folder: %w", err)
	}
	a.stage = os.NewFile(uintptr(fd), stagingName)
	return nil
}

// stageAll writes what is to be put in place, and tells which changes wait for that.
func (a *applier) stageAll() (waiting []int, err error) {
	for i := range a.changes {
		change := &a.changes[i]
		if change.New == nil {
			continue
		}
		if right, err := a.right(change); err != nil {
			return nil, err
		} else if right {
			continue
		}
		if a.stage == nil { // only now: where nothing is to be done, nothing need be possible
			if err := a.newStage(); err != nil {
				return nil, err
			}
		}
		if err := a.before("stage " + change.Path); err != nil {
			return nil, err
		}
		if err := a.stageOne(i, change.New); err != nil {
			return nil, fmt.Errorf("write %s: %w", change.Path, err)
		}
		waiting = append(waiting, i)
	}
	return waiting, nil
}

// right tells whether a path is already as wanted.
func (a *applier) right(change *rollcall.FileChange) (bool, error) {
	there, blocked, err := a.find(change.Path)
	if err != nil || !there || blocked != "" || a.force {
		return false, err
	}
	if same, err := a.is(change.New); !same || err != nil {
		return false, err
	}
	_, found := a.standing.found[change.Path]
	return !change.New.IsFile() || found && change.Old == nil ||
		a.seen.Mtim.Sec == change.New.Mtime && a.seen.Mtim.Nsec == 0, nil
}

func (a *applier) stageOne(i int, e *rollcall.Entry) error {
	name := strconv.Itoa(i)
	switch e.Type {
	case rollcall.TypeFolder:
		return nil
	case rollcall.TypeLink:
		return unix.Symlinkat(e.Target, int(a.stage.Fd()), name)
	}
	fd, err := a.origin.enter(path.Dir(e.Path), false)
	if err != nil {
		return fmt.Errorf("open the release's folder: %w", err)
	}
	in, err := openRegular(fd, path.Base(e.Path))
	if err != nil {
		return fmt.Errorf("open the release's file: %w", err)
	}
	defer in.Close()
	return a.copyTo(in, int(a.stage.Fd()), name, e)
}

// copyTo makes a file that is like the release's in all but its owner.
func (a *applier) copyTo(in *os.File, folder int, name string, e *rollcall.Entry) error {
	var s unix.Stat_t
	if err := unix.Fstat(int(in.Fd()), &s); err != nil {
		return err
	}
	fd, err := unix.Openat(folder, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(fd), name)
	same, err := a.read.is(context.Background(), io.TeeReader(io.LimitReader(in, e.Size+1), out), e, func(int) {})
	if err == nil && !same {
		err = rollcall.Errorf(rollcall.KindBroken, "the file in %s is not what its manifest says", a.f.path(releases, string(a.to))).
			WithHint("make the release anew with rollcall audit ENV --repair, or roll another one")
	}
	if err == nil {
		err = giveLike(fd, &s, e)
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

func giveLike(fd int, like *unix.Stat_t, e *rollcall.Entry) error {
	if err := unix.Fchmod(fd, like.Mode&0o777); err != nil {
		return fmt.Errorf("set its mode: %w", err)
	}
	mtime := unix.NsecToTimespec(time.Unix(e.Mtime, 0).UnixNano())
	return unix.UtimesNanoAt(fd, "", []unix.Timespec{mtime, mtime}, unix.AT_EMPTY_PATH)
}

// group gives a staged file the group that was asked for, and otherwise the one that it
// would have, had it been made in its folder.
func (a *applier) group(i, folder int) error {
	var file, in unix.Stat_t
	if err := unix.Fstatat(int(a.stage.Fd()), strconv.Itoa(i), &file, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if err := unix.Fstat(folder, &in); err != nil {
		return err
	}
	gid := a.gid
	if gid < 0 {
		gid = os.Getegid()
		if in.Mode&unix.S_ISGID != 0 {
			gid = int(in.Gid)
		}
	}
	if int(file.Gid) == gid {
		return nil
	}
	err := unix.Fchownat(int(a.stage.Fd()), strconv.Itoa(i), -1, gid, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil && (a.gid >= 0 || !errors.Is(err, fs.ErrPermission)) {
		return fmt.Errorf("give it to the group: %w", err)
	}
	return nil
}

// madeFolder gives a new folder the mode and group that the release's folders have. That
// the folder above hands its group down stays.
func (a *applier) madeFolder(above int, name string) error {
	fd, err := unix.Openat(above, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var like, made unix.Stat_t
	if err := unix.Fstat(int(a.source.Fd()), &like); err != nil {
		return err
	}
	if err := unix.Fstat(fd, &made); err != nil {
		return err
	}
	if a.gid >= 0 && int(made.Gid) != a.gid {
		if err := unix.Fchown(fd, -1, a.gid); err != nil {
			return fmt.Errorf("give it to the group: %w", err)
		}
	}
	if err := unix.Fchmod(fd, like.Mode&0o777|made.Mode&unix.S_ISGID); err != nil {
		return fmt.Errorf("set its mode: %w", err)
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
