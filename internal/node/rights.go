package node

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall"
)

// rights are the modes and the group that what is laid out gets.
type rights struct {
	file uint32
	gid  int  // that was asked for, or -1
	set  bool // something else than the default was asked for
	// usual are the groups that a file may have where none was asked for: a new one's.
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
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, rollcall.Errorf(rollcall.KindBroken, "the group %s does not exist here", rollcall.Printable(name)).
			WithHint("make it on the node: sudo groupadd %s", rollcall.Printable(name))
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return 0, rollcall.Errorf(rollcall.KindBroken, "the group %s has the number %s", rollcall.Printable(name), rollcall.Printable(g.Gid))
	}
	groups, err := os.Getgroups()
	if os.Geteuid() != 0 && gid != os.Getegid() && (err != nil || !slices.Contains(groups, gid)) {
		return 0, rollcall.Errorf(rollcall.KindBroken, "%s is not in the group %s, and may give it no files", userName(), name).
			WithHint("add it on the node: sudo usermod -a -G %s %s", name, userName())
	}
	return gid, nil
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
	return slices.Contains(r.usual, int(s.Gid))
}
