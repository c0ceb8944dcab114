package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
)

// world is what a script has started; all of it ends with the script.
type world struct {
	dir     string
	nodes   map[string]*worldNode
	running map[string]*background
	shots   map[string]string // what unchanged compares with
	key     ssh.PublicKey
	hook    *webhook
	env     []string // names of the variables that commands see
	closers []func()
}

type worldKey struct{}

// worldNode is one server: an sshd, a web server, and the folder that is rolled to.
type worldNode struct {
	name string
	sshd *fleettest.SSHD
	dir  string // beneath it srv, which Rollcall makes
	web  net.Listener
}

func newWorld(dir string) *world {
	return &world{dir: dir, nodes: map[string]*worldNode{}, running: map[string]*background{}, shots: map[string]string{}}
}

func (w *world) close() {
	for _, b := range w.running {
		b.cmd.Process.Kill()
		<-b.done
	}
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
	for _, n := range w.nodes {
		n.web.Close()
		n.sshd.Close()
	}
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

// deployKey makes the key of the site where there is none yet.
func (w *world) deployKey() (ssh.PublicKey, error) {
	if w.key != nil {
		return w.key, nil
	}
	key, err := newKey(w.path("site", "keys", "deploy"))
	w.key = key
	return key, err
}

func newKey(file string) (ssh.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(public)
}

func (w *world) addNode(name string) (*worldNode, error) {
	key, err := w.deployKey()
	if err != nil {
		return nil, err
	}
	n := &worldNode{name: name, dir: w.path(name)}
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return nil, err
	}
	if n.sshd, err = fleettest.NewSSHD(w.path("sshd", name), key); err != nil {
		return nil, err
	}
	if n.web, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		n.sshd.Close()
		return nil, err
	}
	// What a web server does: every request goes through `current` anew.
	files := http.FileServer(http.Dir(filepath.Join(n.dir, "srv", "current")))
	go http.Serve(n.web, files) //nolint:errcheck // ends with its listener
	w.nodes[name] = n
	return n, nil
}

func (n *worldNode) webPort() int { return n.web.Addr().(*net.TCPAddr).Port }

// background is a command that runs beside the script.
type background struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu       sync.Mutex
	out, err bytes.Buffer
	more     chan struct{} // closed and replaced with every write
	exit     int
}

func (b *background) text(of *bytes.Buffer) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return of.String()
}

type lockedWriter struct {
	b  *background
	to *bytes.Buffer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	close(l.b.more)
	l.b.more = make(chan struct{})
	return l.to.Write(p)
}

func (w *world) start(name, dir string, env []string, args []string) error {
	if w.running[name] != nil {
		return fmt.Errorf("%s runs already", name)
	}
	b := &background{cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{}), more: make(chan struct{})}
	b.cmd.Dir, b.cmd.Env = dir, env
	b.cmd.Stdout, b.cmd.Stderr = lockedWriter{b, &b.out}, lockedWriter{b, &b.err}
	if err := b.cmd.Start(); err != nil {
		return err
	}
	go func() {
		b.cmd.Wait()
		b.mu.Lock()
		b.exit = b.cmd.ProcessState.ExitCode()
		close(b.more)
		b.more = make(chan struct{})
		b.mu.Unlock()
		close(b.done)
	}()
	w.running[name] = b
	return nil
}
