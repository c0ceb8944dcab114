package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall"
)

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
