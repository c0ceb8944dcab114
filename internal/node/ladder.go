package node

import (
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// ladder holds the open folders on the way from a root to the folder at hand. Paths
// come in their order, so that from one to the next little of the way changes: about
// one folder is opened for every one that there is, however deep they lie. No link is
// followed on the way: a release has none there, and what somebody put in a folder's
// place leads elsewhere.
type ladder struct {
	root  int // not its own
	names []string
	fds   []int
	made  func(above int, name string) error // told of every folder that was made, or nil
}

// enter goes to a folder, "." being the root, and makes what is missing of it if asked to.
func (l *ladder) enter(dir string, missing bool) (fd int, err error) {
	depth := 0
	if dir != "." {
		for part := range strings.SplitSeq(dir, "/") {
			if depth < len(l.names) && l.names[depth] == part {
				depth++
				continue
			}
			l.leave(depth)
			fd, err := l.step(part, missing)
			if err != nil {
				return -1, err
			}
			l.names, l.fds = append(l.names, part), append(l.fds, fd)
			depth++
		}
	}
	l.leave(depth)
	return l.fd(), nil
}

func (l *ladder) step(name string, missing bool) (int, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(l.fd(), name, flags, 0)
	if err == nil || !missing || !errors.Is(err, fs.ErrNotExist) {
		return fd, err
	}
	if err := unix.Mkdirat(l.fd(), name, 0o755); err != nil {
		return -1, err
	}
	if l.made != nil {
		if err := l.made(l.fd(), name); err != nil {
			return -1, err
		}
	}
	return unix.Openat(l.fd(), name, flags, 0)
}

// fd is the folder that was entered last.
func (l *ladder) fd() int {
	if len(l.fds) == 0 {
		return l.root
	}
	return l.fds[len(l.fds)-1]
}

// leave goes back up to a depth.
func (l *ladder) leave(depth int) {
	for len(l.fds) > depth {
		last := len(l.fds) - 1
		_ = unix.Close(l.fds[last])
		l.names, l.fds = l.names[:last], l.fds[:last]
	}
}
