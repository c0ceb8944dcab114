package haproxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/balancer/haproxy"
)

const patience = 30 * time.Second

// web is a node's web server. A request of /hang hangs until the test lets it go.
type web struct {
	*httptest.Server
	sick    atomic.Bool // its health check fails
	release chan struct{}
	hanging atomic.Int32
}

func newWeb(t *testing.T, name string) *web {
	t.Helper()
	w := &web{release: make(chan struct{})}
	w.Server = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/health" && w.sick.Load():
			answer.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/hang":
			w.hanging.Add(1)
			defer w.hanging.Add(-1)
			select {
			case <-w.release:
			case <-r.Context().Done():
			}
		}
		fmt.Fprint(answer, name)
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *web) addr() string { return w.Listener.Addr().String() }

// haproxyd is a real HAProxy, with its sockets in a folder of its own.
type haproxyd struct {
	t     *testing.T
	dir   string
	tcp   *os.File // a listening socket that it inherits as 3, so that no port is lost to another test
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
	log   bytes.Buffer  // read once it has
}

const globals = `
global
    log stderr local0 warning
    stats socket %[1]s/admin.sock mode 600 level admin
    stats socket %[1]s/operator.sock mode 600 level operator
    stats socket %[1]s/user.sock mode 600 level user
    stats socket fd@3 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout check 5s
    default-server inter 50ms
frontend web
    bind unix@%[1]s/web.sock
    default_backend www
`

// start runs HAProxy with backends, and ends it with the test.
func start(t *testing.T, config string) *haproxyd {
	t.Helper()
	dir, err := os.MkdirTemp("", "rc-hap") // a short path: sockets have no room for t.TempDir's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &haproxyd{t: t, dir: dir}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if h.tcp, err = listener.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.tcp.Close() })
	if err := os.WriteFile(h.path("cfg"), []byte(fmt.Sprintf(globals, dir)+config), 0o600); err != nil {
		t.Fatal(err)
	}
	h.run()
	t.Cleanup(h.stop)
	return h
}

func (h *haproxyd) path(name string) string { return filepath.Join(h.dir, name) }
func (h *haproxyd) socket() string          { return h.path("admin.sock") }

func (h *haproxyd) tcpSocket() string {
	l, err := net.FileListener(h.tcp)
	if err != nil {
		h.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (h *haproxyd) run() {
	h.t.Helper()
	h.log.Reset()
	h.cmd = exec.Command(program(), "-db", "-f", h.path("cfg"))
	h.cmd.Stdout, h.cmd.Stderr = &h.log, &h.log
	h.cmd.ExtraFiles = []*os.File{h.tcp}
	if err := h.cmd.Start(); err != nil {
		h.t.Fatalf("%v: scripts/test-packages installs what is missing", err)
	}
	h.ended = make(chan struct{})
	go func() {
		defer close(h.ended)
		h.cmd.Wait()
	}()
	eventually(h.t, "haproxy to listen", func() bool {
		select {
		case <-h.ended:
			h.t.Fatalf("haproxy ended: %s", h.log.String())
		default:
		}
		conn, err := net.Dial("unix", h.path("web.sock"))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func (h *haproxyd) stop() {
	h.cmd.Process.Kill()
	<-h.ended
}

func program() string {
	if _, err := exec.LookPath("haproxy"); err != nil {
		return "/usr/sbin/haproxy" // not on the PATH of everybody
	}
	return "haproxy"
}

// ask sends a line to the runtime API, as an operator does.
func (h *haproxyd) ask(line string) string {
	h.t.Helper()
	conn, err := net.Dial("unix", h.socket())
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(conn, line)
	b, err := io.ReadAll(conn)
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// get asks for a page through HAProxy.
func (h *haproxyd) get(ctx context.Context, path string, header ...string) (string, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", h.path("web.sock"))
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://www"+path, nil)
	if err != nil {
		return "", err
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return string(b), err
}

func point(server string, sockets []string, backends ...string) rollcall.DrainPoint {
	return rollcall.DrainPoint{Node: server, Drain: rollcall.Drain{HAProxy: sockets, Backend: backends, Server: server}}
}

func look(t *testing.T, p rollcall.DrainPoint) rollcall.ServiceState {
	t.Helper()
	states, err := haproxy.New(haproxy.Dial).Look(t.Context(), []rollcall.DrainPoint{p})
	if err != nil {
		t.Fatalf("%v (hint: %s)", err, rollcall.HintOf(err))
	}
	return states[0]
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		case <-tick.C:
		}
	}
}
