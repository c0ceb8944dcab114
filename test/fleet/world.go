package fleet

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Patience is how long is waited for what must come. It is not how long it takes.
const Patience = 60 * time.Second

// Environment is the one that every world has.
const Environment = "production"

// Options say what a world is made of.
type Options struct {
	CDN, App int // how many nodes
	// Site is the text of rollcall.yaml beneath `environments: production:`, with
	// {{haproxy}} for the path of HAProxy's socket.
	Site string
	// Web starts a node's web server over the folder that is rolled to. nil: Go's.
	Web func(t testing.TB, n *Node)
	// BalanceCDN puts HAProxy before the CDN nodes too.
	BalanceCDN bool
	// Programs is the folder with other programs than those that are shipped.
	Programs string
}

// World is a site with all that it rolls to.
type World struct {
	Dir     string // beneath it site/, www/, and a folder a node
	Nodes   []*Node
	HAProxy *HAProxy
	Repo    *Repo
	t       testing.TB
	key     ssh.PublicKey
	program string
	netns   string // where rollcall runs; "": here
	early   string // a folder whose programs come before the machine's
	env     []string
}

// New makes a world, which ends with the test.
func New(t testing.TB, o Options) *World {
	t.Helper()
	if o.Programs == "" {
		o.Programs = Programs(t)
	}
	w := newWorld(t, o.Programs)
	for i := range o.CDN {
		w.addNode("cdn", fmt.Sprintf("cdn%d", i+1), o.Web)
	}
	for i := range o.App {
		w.addNode("app", fmt.Sprintf("app%d", i+1), o.Web)
	}
	w.HAProxy = w.startHAProxy(o.BalanceCDN)
	w.Repo = w.newRepo()
	w.WriteSite(o.Site)
	return w
}

// newWorld makes its folder and the key of its site.
func newWorld(t testing.TB, programs string) *World {
	t.Helper()
	dir, err := os.MkdirTemp("", "rc-fleet") // short: unix sockets have no room for t.TempDir's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() && os.Getenv("ROLLCALL_KEEP") != "" {
			t.Logf("the world is kept in %s", dir)
			return
		}
		os.RemoveAll(dir)
	})
	w := &World{Dir: dir, t: t, program: filepath.Join(programs, "rollcall")}
	w.check(os.MkdirAll(w.Path("home"), 0o755))
	w.check(os.MkdirAll(w.Path("site", "nodes"), 0o755))
	w.check(os.WriteFile(w.Path("home", ".gitconfig"), []byte(gitConfig), 0o600))
	w.newKey()
	return w
}

// Path is a path in the world's folder.
func (w *World) Path(parts ...string) string {
	return filepath.Join(append([]string{w.Dir}, parts...)...)
}

func (w *World) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// WriteSite writes rollcall.yaml, the nodes file and known_hosts.
func (w *World) WriteSite(site string) {
	w.t.Helper()
	me, err := user.Current()
	w.check(err)
	var nodes, known strings.Builder
	tier := ""
	for _, n := range w.Nodes {
		if n.Tier != tier {
			tier = n.Tier
			fmt.Fprintf(&nodes, "[%s]\n", tier)
		}
		fmt.Fprintf(&nodes, "%s ansible_host=127.0.0.1 ansible_port=%d ansible_user=%s dir=%s web=%d\n",
			n.Name, n.SSHD.Port(), me.Username, strings.TrimPrefix(n.Dir, "/"), n.WebPort)
		fmt.Fprintln(&known, knownhosts.Line([]string{fmt.Sprintf("[127.0.0.1]:%d", n.SSHD.Port())}, n.SSHD.HostKey()))
	}
	w.writeFiles(strings.ReplaceAll(site, "{{haproxy}}", w.HAProxy.Socket), nodes.String(), known.String())
}

func (w *World) writeFiles(site, nodes, known string) {
	w.t.Helper()
	text := "code:\n  www: {git: ../www, production: production}\nenvironments:\n  production:\n    to: /{dir}/srv\n" +
		indent(site, 4) +
		"ssh: {key_file: keys/deploy, known_hosts: known_hosts}\n"
	w.check(os.WriteFile(w.Path("site", "rollcall.yaml"), []byte(text), 0o644))
	w.check(os.WriteFile(w.Path("site", "nodes", Environment), []byte(nodes), 0o644))
	w.check(os.WriteFile(w.Path("site", "known_hosts"), []byte(known), 0o644))
}

func indent(text string, by int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			b.WriteString(strings.Repeat(" ", by))
		}
		b.WriteString(line)
	}
	return b.String()
}

// newKey makes the key with which nodes are reached.
func (w *World) newKey() {
	w.t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	w.check(err)
	block, err := ssh.MarshalPrivateKey(private, "")
	w.check(err)
	file := w.Path("site", "keys", "deploy")
	w.check(os.MkdirAll(filepath.Dir(file), 0o755))
	w.check(os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	w.key, err = ssh.NewPublicKey(public)
	w.check(err)
}

// Node gives a node by its name.
func (w *World) Node(name string) *Node {
	for _, n := range w.Nodes {
		if n.Name == name {
			return n
		}
	}
	w.t.Fatalf("there is no node %s", name)
	return nil
}

// Eventually waits until something is so.
func (w *World) Eventually(what string, is func() bool) {
	w.t.Helper()
	late := time.After(Patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-late:
			w.t.Fatalf("waited too long for %s", what)
		case <-tick.C:
		}
	}
}

// For is the same world, whose failures are another test's.
func (w *World) For(t testing.TB) *World {
	other := *w
	other.t = t
	return &other
}
