package demo

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// TestSSHKillsWhatASessionLeaves starts processes that hold a pipe open, some of which write
// to a client who does not read, and waits for the end of the pipe, which comes when all of
// them are gone.
func TestSSHKillsWhatASessionLeaves(t *testing.T) {
	for name, end := range map[string]func(*Fleet, *gossh.Client, *gossh.Session) error{
		"client gone":   func(_ *Fleet, c *gossh.Client, _ *gossh.Session) error { return c.Close() },
		"session ended": func(_ *Fleet, _ *gossh.Client, s *gossh.Session) error { return s.Close() },
		"signal":        func(_ *Fleet, _ *gossh.Client, s *gossh.Session) error { return s.Signal(gossh.SIGTERM) },
		"fleet closed":  func(f *Fleet, _ *gossh.Client, _ *gossh.Session) error { return f.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			f := startFleet(t)
			node := f.Node("app3")
			fifo := filepath.Join(node.Home, "held")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			client := dial(t, f, node)
			s := session(t, client)
			if _, err := s.StdoutPipe(); err != nil {
				t.Fatal(err)
			}
			if err := s.Start("exec 3>held; sleep 1000 & yes & echo ready >&3; wait"); err != nil {
				t.Fatal(err)
			}
			held, err := os.Open(fifo) // returns when the command has opened it
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = held.Close() }()
			if err := held.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(held)
			if _, err := lines.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			if err := end(f, client, s); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(lines); err != nil {
				t.Errorf("what the session ran is still there: %v", err)
			}
		})
	}
}

func TestOpenSSHGetsIn(t *testing.T) {
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		t.Skip("no ssh on this machine")
	}
	f := startFleet(t)
	node := f.Node("app4")
	out, err := exec.CommandContext(within(t, 20*time.Second), ssh, "-F", "/dev/null", "-i", f.KeyFile,
		"-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes",
		"-o", "UserKnownHostsFile="+f.KnownHosts, "-p", strconv.Itoa(node.SSHPort),
		User+"@"+host, "pwd; exit 7").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 || !strings.Contains(string(out), node.Home) {
		t.Errorf("ssh: %v\n%s", err, out)
	}
}
