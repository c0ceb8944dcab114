package node

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall"
)

// rights are the modes and the group that what is laid out gets.
type rights struct {
	file uint32
	gid  int  // that was asked for, or -1
	set  bool // something else than the default was asked for
	// usual are the groups that a file may have where none was asked for: a new one's. Nil: any.
	usual []int
}

// defaultMode is a plain file's where nothing is said.
const defaultMode = 0o644

// rights finds out what an environment's words mean on this node.
func (f *folder) rights(p rollcall.Permissions) (rights, error) {
	r := rights{file: defaultMode, gid: -1, set: p != rollcall.Permissions{}}
	if p.Mode != 0 {
		if p.Mode&^0o666 != 0 || p.Mode&0o400 == 0 {
			return r, rollcall.Errorf(rollcall.KindInvalid, "%#o is no mode for plain files", p.Mode).
				WithHint("say who may read and write them, as in 0640, and the user that rolls must be one who reads; " +
					"executables and folders may be run and entered by whoever may read them")
		}
		r.file = p.Mode
	}
	if p.Group != "" {
		var err error
		if r.gid, err = groupID(p.Group); err != nil {
			return r, err
		}
		return r, nil
	}
	r.usual = []int{os.Getegid()}
	if f.root != nil {
		// Where a folder hands its group down, or a server sets it, incoming shows which.
		if info, err := f.root.Stat(incoming); err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				r.usual = append(r.usual, int(s.Gid))
			}
		}
	}
	return r, nil
}

// groupID is the number of a group that this process may give files to.
func groupID(name string) (int, error) {
	number, err := lookupGroup(name)
	if err != nil {
		return 0, rollcall.Errorf(rollcall.KindBroken, "the group %s does not exist here", rollcall.Printable(name)).
			WithHint("make it on the node: sudo groupadd %s", rollcall.Printable(name))
	}
	gid, err := strconv.Atoi(number)
	if err != nil || gid < 0 {
		return 0, rollcall.Errorf(rollcall.KindBroken, "the group %s has the number %q", rollcall.Printable(name), number)
	}
	groups, err := os.Getgroups()
	if os.Geteuid() != 0 && gid != os.Getegid() && (err != nil || !slices.Contains(groups, gid)) {
		return 0, rollcall.Errorf(rollcall.KindBroken, "%s is not in the group %s, and may give it no files", userName(), name).
			WithHint("add it on the node: sudo usermod -a -G %s %s", name, userName())
	}
	return gid, nil
}

// lookupGroup reads /etc/group, and asks the name service where that does not list it: a
// static binary knows nothing of directories.
func lookupGroup(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err == nil {
		return g.Gid, nil
	}
	if strings.HasPrefix(name, "-") {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, asked := exec.CommandContext(ctx, "getent", "group", name).Output()
	if fields := strings.Split(string(out), ":"); asked == nil && len(fields) >= 3 && fields[0] == name {
		return fields[2], nil
	}
	return "", err
}

// folder is the mode of folders.
func (r *rights) folder() uint32 { return withX(r.file) }

// of is the mode of a file.
func (r *rights) of(e *rollcall.Entry) uint32 {
	if e.Type == rollcall.TypeExecutable {
		return withX(r.file)
	}
	return r.file
}

// withX lets those run or enter who may read.
func withX(mode uint32) uint32 { return mode | mode&0o444>>2 }

// fit tells whether a file has the mode and the group that an entry should have.
func (r *rights) fit(s *unix.Stat_t, e *rollcall.Entry) bool {
	return s.Mode&0o7777 == r.of(e) && r.fitGroup(s)
}

// fitFolder does the same for a folder. That one hands its group down is the business of
// who set it up.
func (r *rights) fitFolder(s *unix.Stat_t) bool {
	return s.Mode&0o7777&^unix.S_ISGID == r.folder() && r.fitGroup(s)
}

func (r *rights) fitGroup(s *unix.Stat_t) bool {
	if r.gid >= 0 {
		return int(s.Gid) == r.gid
	}
	return r.usual == nil || slices.Contains(r.usual, int(s.Gid))
}

// give gives an open file its mode and its group: never more than those who may read,
// write and run it.
func (r *rights) give(fd int, mode uint32) error {
	if r.gid >= 0 {
		if err := unix.Fchown(fd, -1, r.gid); err != nil {
			return fmt.Errorf("give it to the group: %w", err)
		}
	}
	if err := unix.Fchmod(fd, mode); err != nil {
		return fmt.Errorf("set its mode: %w", err)
	}
	return nil
}

// mend gives an open folder what it should have, where it differs.
func (r *rights) mend(fd int) error {
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil || r.fitFolder(&s) {
		return err
	}
	if r.gid < 0 && !r.fitGroup(&s) { // another group was asked for once
		if err := unix.Fchown(fd, -1, r.usual[0]); err != nil {
			return fmt.Errorf("give it to the usual group: %w", err)
		}
	}
	return r.give(fd, r.folder())
}

// made does so for a folder that was just made. What somebody might have put in its
// place meanwhile is not followed.
func (r *rights) made(above int, name string) error {
	fd, err := unix.Openat(above, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return r.give(fd, r.folder())
}

// give sets what all that is laid out gets from now on.
func (l *layout) give(r rights) error {
	l.rights = r
	if !r.set {
		return nil
	}
	l.to.made = l.rights.made
	return l.rights.mend(int(l.own.Fd()))
}
