package ssh

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// A node whose sshd dies once it has let us in can't be reached: nothing is wrong with its
// disk or its permissions.
func TestASSHDThatDiesAfterLogin(t *testing.T) {
	s := serve(t)
	dir := filepath.Join(filepath.Dir(s.config.SSH.KeyFile), "sshd")
	in := filepath.Join(dir, "in")
	if err := os.WriteFile(filepath.Join(dir, "enter"), fmt.Appendf(nil, "touch %s; exec sleep 60\n", in), 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	transport := New(s.config)
	defer transport.Close()
	go func() {
		_, err := transport.Connect(t.Context(), s.node)
		ended <- err
	}()
	for late := time.After(20 * time.Second); ; {
		if _, err := os.Stat(in); err == nil {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("Connect = %v", err)
		case <-late:
			t.Fatal("nobody comes")
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.KillSessions()
	if err := <-ended; rollcall.KindOf(err) != rollcall.KindUnreachable || rollcall.HintOf(err) == "" {
		t.Errorf("Connect = %v, which is %v", err, rollcall.KindOf(err))
	}
}
