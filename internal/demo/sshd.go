package demo

import (
	"bytes"
	"net"
	"sync"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// sshServer is the ssh server of a node. It runs commands and nothing else: no terminal,
// no forwarding, no subsystem.
type sshServer struct {
	home     string
	port     int
	hostKey  gossh.Signer
	listener net.Listener
	server   *ssh.Server

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
	active sync.WaitGroup // the accepting, the connections and the sessions
}

// startSSHServer lets User in with key, and with no other, to run commands in home.
func startSSHServer(home string, key gossh.PublicKey) (*sshServer, error) {
	hostKey, err := newHostKey()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", host+":0")
	if err != nil {
		return nil, err
	}
	s := &sshServer{
		home:     home,
		port:     listener.Addr().(*net.TCPAddr).Port,
		hostKey:  hostKey,
		listener: listener,
		conns:    map[net.Conn]struct{}{},
	}
	s.server = &ssh.Server{
		Version:     "rollcall-demo",
		HostSigners: []ssh.Signer{hostKey},
		PublicKeyHandler: func(ctx ssh.Context, offered ssh.PublicKey) bool {
			return ctx.User() == User && bytes.Equal(offered.Marshal(), key.Marshal())
		},
		// The library's own session handler does not tell when a client closes a session
		// but keeps the connection, and the command would run on.
		ChannelHandlers: map[string]ssh.ChannelHandler{"session": s.session},
	}
	s.active.Go(s.accept)
	return s, nil
}

// accept stands in for the library's Serve, whose connections can't be waited for while
// they still shake hands.
func (s *sshServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		if !s.begin(conn) {
			_ = conn.Close()
			return
		}
		s.active.Go(func() {
			defer s.end(conn)
			s.server.HandleConn(conn)
		})
	}
}

func (s *sshServer) begin(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.conns[conn] = struct{}{}
	}
	return !s.closed
}

func (s *sshServer) end(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// beginSession tells whether a session may start, and counts it if so.
func (s *sshServer) beginSession() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.active.Add(1)
	}
	return !s.closed
}

// session serves one session from its opening until the client or the connection ends it.
func (s *sshServer) session(_ *ssh.Server, _ *gossh.ServerConn, opening gossh.NewChannel, _ ssh.Context) {
	if !s.beginSession() {
		_ = opening.Reject(gossh.ConnectionFailed, "the server is closing")
		return
	}
	defer s.active.Done()
	channel, requests, err := opening.Accept()
	if err != nil {
		return // the connection is gone
	}
	var running *command
	for request := range requests {
		ok := false
		switch request.Type {
		case "exec":
			var asked struct{ Command string }
			if running == nil && gossh.Unmarshal(request.Payload, &asked) == nil {
				running, err = startCommand(s.home, asked.Command, channel)
				ok = err == nil
			}
		case "signal":
			var asked struct{ Signal string }
			if running != nil && gossh.Unmarshal(request.Payload, &asked) == nil {
				ok = running.signal(asked.Signal)
			}
		}
		_ = request.Reply(ok, nil)
		if ok && request.Type == "exec" {
			running.stream() // after the reply, which has to come before the output
		}
	}
	if running != nil {
		running.kill()
		running.wait()
	}
	_ = channel.Close()
}

// knownHost is the server's line of a known_hosts file.
func (s *sshServer) knownHost() string {
	address := knownhosts.Normalize(s.listener.Addr().String())
	return knownhosts.Line([]string{address}, s.hostKey.PublicKey()) + "\n"
}

// Close cuts every connection, kills what they run, and waits for all of it.
func (s *sshServer) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.active.Wait()
	return err
}
