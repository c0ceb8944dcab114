package ssh

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
)

const nodeName = "rollcall-node-test"

// nodeBinary is rollcall-node, built once.
var nodeBinary = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "rollcall-node-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "rollcall-node")
	c := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", file, "../../../cmd/rollcall-node")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(file)
})

// server is a real sshd, and the site's settings that reach it.
type server struct {
	*fleettest.SSHD
	config Config
	node   rollcall.Node
}

func serve(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	sshd, err := fleettest.NewSSHD(filepath.Join(dir, "sshd"), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sshd.Close)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{
		SSHD: sshd,
		config: Config{
			SSH:     &rollcall.SSH{User: me.Username, KeyFile: filepath.Join(dir, "key"), KnownHosts: filepath.Join(dir, "known_hosts")},
			Name:    func(context.Context) (string, error) { return nodeName, nil },
			Content: func(context.Context, string) ([]byte, error) { return nodeBinary() },
		},
		node: rollcall.Node{Name: "n", Address: "127.0.0.1", Port: sshd.Port(), Folder: filepath.Join(dir, "srv")},
	}
	if err := os.WriteFile(s.config.SSH.KeyFile, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	line := knownhosts.Line([]string{knownhosts.Normalize(s.node.HostPort())}, sshd.HostKey())
	if err := os.WriteFile(s.config.SSH.KnownHosts, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSuite(t *testing.T) {
	fleettest.Run(t, func(t *testing.T) (rollcall.Transport, rollcall.Node) {
		s := serve(t)
		b, err := nodeBinary() // put there beforehand: TestADamagedBinaryIsPutThereAgain does without
		if err != nil {
			t.Fatal(err)
		}
		bin := filepath.Join(s.Home(), binFolder)
		if err := os.MkdirAll(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bin, nodeName), b, 0o755); err != nil {
			t.Fatal(err)
		}
		return New(s.config), s.node
	})
}

func TestADamagedBinaryIsPutThereAgain(t *testing.T) {
	s := serve(t)
	transport := New(s.config)
	defer transport.Close()
	connect := func() {
		t.Helper()
		conn, err := transport.Connect(t.Context(), s.node)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	connect()
	file := filepath.Join(s.Home(), binFolder, "rollcall-node-test")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Fatalf("%v, %v", info, err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	connect()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	connect()
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 {
		t.Errorf("there are %v, %v", entries, err)
	}
}

func TestNothingIsSentToAHostWithAnotherKey(t *testing.T) {
	s := serve(t)
	if err := s.NewHostKey(); err != nil {
		t.Fatal(err)
	}
	transport := New(s.config)
	defer transport.Close()
	_, err := transport.Connect(t.Context(), s.node)
	if rollcall.KindOf(err) != rollcall.KindUnreachable || !strings.Contains(err.Error(), "n: ") || !strings.Contains(err.Error(), "host key has changed") {
		t.Errorf("Connect = %v", err)
	}
	if !strings.Contains(rollcall.HintOf(err), string(ssh.MarshalAuthorizedKey(s.HostKey())[:40])) {
		t.Errorf("the hint is %s", rollcall.HintOf(err))
	}
	if _, err := os.Stat(filepath.Join(s.Home(), ".rollcall")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was sent: %v", err)
	}
}

func TestNamesThatCouldBeOptionsGoNowhere(t *testing.T) {
	transport := New(Config{Name: func(context.Context) (string, error) { return nodeName, nil }})
	defer transport.Close()
	for _, node := range []rollcall.Node{
		{Name: "n", Address: "-oProxyCommand=touch pwned"},
		{Name: "n", Address: "a b"},
		{Name: "n", Address: "a;touch pwned"},
		{Name: "n", Address: "localhost", User: "-lroot"},
		{Name: "n", Address: "localhost", User: "a b"},
		{Name: "n", Address: "$(id)"},
	} {
		if _, err := transport.Connect(t.Context(), node); rollcall.KindOf(err) != rollcall.KindInvalid {
			t.Errorf("%+v: %v", node, err)
		}
	}
	if _, err := os.Stat("pwned"); err == nil {
		t.Error("a command ran")
	}
}

func TestPersonalSettings(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "/run/agent")
	s, err := parsePersonal("user ada\nhostname app.example.com\nport 2222\nhostkeyalias app\nidentityfile ~/.ssh/work\n" +
		"identitiesonly yes\nuserknownhostsfile ~/.ssh/a ~/.ssh/b\nproxyjump gate,inner\nproxycommand none\n")
	if err != nil {
		t.Fatal(err)
	}
	if s.user != "ada" || s.hostPort() != "app.example.com:2222" || s.knownAs() != "app:22" || !s.onlyKeys || s.agent != "/run/agent" ||
		len(s.knownHosts) != 2 || strings.Join(s.jump, " ") != "gate inner" || len(s.keyFiles) != 1 || strings.HasPrefix(s.keyFiles[0], "~") {
		t.Errorf("settings are %+v", s)
	}
	if _, err := parsePersonal("user ada\nhostname a\nproxycommand nc %h %p\n"); rollcall.KindOf(err) != rollcall.KindInvalid {
		t.Errorf("a ProxyCommand: %v", err)
	}
}
