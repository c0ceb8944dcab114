package git

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// widen lets a pipe hold more than the usual 64 kB, so that git does not wait for us.
func widen(pipe io.Reader) {
	file, ok := pipe.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) // only slower without
		})
	}
}
