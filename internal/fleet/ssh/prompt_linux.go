package ssh

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// promptly makes a connection acknowledge at once whatever comes. sshd leaves Nagle's
// algorithm on: what it says in several short writes, as it does when a session begins,
// it holds back until the one before is acknowledged, for which the kernel takes 40 ms.
func promptly(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	return &prompt{TCPConn: tcp, raw: raw}
}

type prompt struct {
	*net.TCPConn
	raw syscall.RawConn
}

func (p *prompt) Read(b []byte) (int, error) {
	n, err := p.TCPConn.Read(b)
	if n > 0 { // the kernel goes back to its ways by itself
		_ = p.raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) // only slower without
		})
	}
	return n, err
}
