package ssh

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"github.com/rollcall-dev/rollcall"
)

// A node that lets us in and says nothing more must not be waited for for ever.
func TestANodeThatFreezesAfterLogin(t *testing.T) {
	s := serve(t)
	block, err := os.ReadFile(s.config.SSH.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(block)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }}
		config.AddHostKey(key)
		server, _, _, err := ssh.NewServerConn(conn, config)
		if err != nil {
			t.Error(err)
			return
		}
		server.Wait() // nobody answers what is asked
	}()
	address := listener.Addr().(*net.TCPAddr)
	known := filepath.Join(t.TempDir(), "known_hosts")
	line := knownhosts.Line([]string{address.String()}, key.PublicKey()) + "\n"
	if err := os.WriteFile(known, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	config := s.config
	config.SSH = &rollcall.SSH{KeyFile: s.config.SSH.KeyFile, KnownHosts: known}
	transport := New(config)
	transport.startLimit = 50 * time.Millisecond
	n := s.node
	n.Address, n.Port = "127.0.0.1", address.Port
	_, err = transport.Connect(t.Context(), n)
	var e *rollcall.Error
	if !errors.As(err, &e) || e.Kind != rollcall.KindUnreachable || e.Hint == "" {
		t.Fatalf("Connect = %v", err)
	}
	<-ended
}
