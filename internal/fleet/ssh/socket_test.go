package ssh

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// A socket on another host is reached over ssh, and again when that connection has died.
func TestDialSocket(t *testing.T) {
	s := serve(t)
	dir, err := os.MkdirTemp("", "rc") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "hello")
			conn.Close()
		}
	}()
	transport := New(s.config)
	defer transport.Close()
	for range 2 {
		conn, err := transport.DialSocket(t.Context(), s.node, filepath.Join(dir, "s"))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(conn); err != nil || string(b) != "hello" {
			t.Fatalf("%q, %v", b, err)
		}
		conn.Close()
		s.KillSessions()
	}
	if _, err := transport.DialSocket(t.Context(), s.node, filepath.Join(dir, "none")); err == nil {
		t.Error("a socket that is not there was opened")
	}
}
