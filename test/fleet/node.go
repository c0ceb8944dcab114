package fleet

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
)

// Node is one server: an sshd, a web server, and the folder that is rolled to.
type Node struct {
	Name, Tier string
	Dir        string // beneath it srv, which Rollcall makes
	SSHD       *fleettest.SSHD
	WebPort    int
}

func (w *World) addNode(tier, name string, web func(testing.TB, *Node)) {
	w.t.Helper()
	n := &Node{Name: name, Tier: tier, Dir: w.Path(name)}
	w.check(os.MkdirAll(n.Dir, 0o755))
	var err error
	n.SSHD, err = fleettest.NewSSHD(w.Path("sshd", name), w.key)
	w.check(err)
	w.t.Cleanup(n.SSHD.Close)
	if web == nil {
		web = serve
	}
	web(w.t, n)
	w.Nodes = append(w.Nodes, n)
}

// Srv is a path beneath the folder that is rolled to.
func (n *Node) Srv(parts ...string) string {
	return filepath.Join(append([]string{n.Dir, "srv"}, parts...)...)
}

// Live is the name of the release that is live, or "".
func (n *Node) Live() string {
	target, err := os.Readlink(n.Srv("current"))
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

// serve is a web server that asks `current` anew at every request. /health says what
// the release's file of that name says: anything but "ok" is sick.
func serve(t testing.TB, n *Node) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.WebPort = listener.Addr().(*net.TCPAddr).Port
	files := http.FileServer(http.Dir(n.Srv("current")))
	server := &http.Server{Handler: http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			files.ServeHTTP(answer, r)
			return
		}
		said, err := os.ReadFile(n.Srv("current", "health"))
		if err == nil && strings.TrimSpace(string(said)) != "ok" {
			answer.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = answer.Write(said)
	})}
	t.Cleanup(func() { server.Close() })
	go func() { _ = server.Serve(listener) }() // it ends with Close
}
