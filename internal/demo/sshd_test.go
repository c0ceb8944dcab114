package demo

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

func TestSSHCarriesBinaryDataBothWays(t *testing.T) {
	f := startFleet(t)
	sent := make([]byte, 32<<20)
	if _, err := rand.Read(sent); err != nil {
		t.Fatal(err)
	}
	s := session(t, dial(t, f, f.Node("app1")))
	s.Stdin = bytes.NewReader(sent)
	began := time.Now()
	got, err := s.Output("/bin/cat")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Fatalf("got %d bytes that differ from the %d sent", len(got), len(sent))
	}
	t.Logf("%.0f MB/s there and back", float64(len(sent))/1e6/time.Since(began).Seconds())
}

func TestSSHTellsHowACommandEnded(t *testing.T) {
	f := startFleet(t)
	client := dial(t, f, f.Node("app1"))
	for _, test := range []struct {
		command string
		status  int
		signal  string
	}{
		{"true", 0, ""},
		{"exit 3", 3, ""},
		{"no-such-command", 127, ""},
		{"kill -TERM $$", 0, "TERM"},
	} {
		err := session(t, client).Run(test.command)
		var exit *gossh.ExitError
		if test.status == 0 && test.signal == "" {
			if err != nil {
				t.Errorf("%s: %v", test.command, err)
			}
			continue
		}
		if !errors.As(err, &exit) {
			t.Errorf("%s: error is %v, want one that tells the end", test.command, err)
			continue
		}
		if test.signal != exit.Signal() || test.signal == "" && test.status != exit.ExitStatus() {
			t.Errorf("%s: status %d signal %q, want %d %q",
				test.command, exit.ExitStatus(), exit.Signal(), test.status, test.signal)
		}
	}
}

func TestSSHRunsInTheNodesHomeWithLittleEnvironment(t *testing.T) {
	t.Setenv("DEMO_SECRET", "from the demo")
	f := startFleet(t)
	s := session(t, dial(t, f, f.Node("app2")))
	if err := s.Setenv("CLIENT_SECRET", "from the client"); err == nil {
		t.Error("the server takes variables from the client")
	}
	out, err := s.Output("/bin/pwd; env; echo complaint >&2")
	if err != nil {
		t.Fatal(err)
	}
	if home := f.Node("app2").Home; !strings.HasPrefix(string(out), home+"\n") || !strings.Contains(string(out), "\nHOME="+home+"\n") {
		t.Errorf("does not run in %s:\n%s", home, out)
	}
	if strings.Contains(string(out), "SECRET") || strings.Contains(string(out), "complaint") {
		t.Errorf("a variable was handed on, or the outputs are mixed:\n%s", out)
	}
}

func TestSSHPassesTheEndOfInput(t *testing.T) {
	f := startFleet(t)
	s := session(t, dial(t, f, f.Node("cdn1")))
	stdin, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("cat; echo and after"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stdin, "before, "); err != nil {
		t.Fatal(err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := io.ReadAll(stdout); err != nil || string(out) != "before, and after\n" {
		t.Errorf("got %q, %v", out, err)
	}
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
}

func TestSSHEndsThoughTheClientKeepsItsInputOpen(t *testing.T) {
	f := startFleet(t)
	s := session(t, dial(t, f, f.Node("cdn1")))
	if _, err := s.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.Run("true"); err != nil {
		t.Error(err)
	}
}

func TestSSHRefuses(t *testing.T) {
	f := startFleet(t)
	other, err := newHostKey()
	if err != nil {
		t.Fatal(err)
	}
	if client, err := gossh.Dial("tcp", sshAddress(f.Node("app1")), config(t, f, User, other)); err == nil {
		_ = client.Close()
		t.Error("another key opens the node")
	}
	if client, err := gossh.Dial("tcp", sshAddress(f.Node("app1")), config(t, f, "root", deployKey(t, f))); err == nil {
		_ = client.Close()
		t.Error("the key opens the node for another user")
	}
	client := dial(t, f, f.Node("app1"))
	if session(t, client).Shell() == nil {
		t.Error("a login shell is given")
	}
	if session(t, client).RequestPty("xterm", 24, 80, nil) == nil {
		t.Error("a terminal is given")
	}
	if session(t, client).RequestSubsystem("sftp") == nil {
		t.Error("sftp is given")
	}
	if conn, err := client.Dial("tcp", sshAddress(f.Node("app2"))); err == nil {
		_ = conn.Close()
		t.Error("a connection is forwarded")
	}
	if listener, err := client.Listen("tcp", host+":0"); err == nil {
		_ = listener.Close()
		t.Error("a port is forwarded")
	}
}
