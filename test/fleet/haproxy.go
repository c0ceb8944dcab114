package fleet

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// HAProxy is a real one before the world's nodes. Its backends are called after tiers.
type HAProxy struct {
	Socket string         // of its runtime API
	Ports  map[string]int // where it listens, by tier
}

const haproxyConfig = `global
    log stderr local0 warning
    stats socket %s mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout check 5s
    option redispatch
    retries 3
    default-server inter 50ms fastinter 20ms downinter 50ms fall 2 rise 1 check
`

// startHAProxy starts it. The listening sockets are inherited, so that no port is lost
// to another test.
func (w *World) startHAProxy(cdn bool) *HAProxy {
	w.t.Helper()
	h := &HAProxy{Socket: w.Path("haproxy.sock"), Ports: map[string]int{}}
	var config strings.Builder
	fmt.Fprintf(&config, haproxyConfig, h.Socket)
	var files []*os.File
	for _, tier := range []string{"app", "cdn"} {
		if tier == "cdn" && !cdn {
			continue
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		w.check(err)
		defer listener.Close()
		file, err := listener.(*net.TCPListener).File()
		w.check(err)
		defer file.Close()
		h.Ports[tier] = listener.Addr().(*net.TCPAddr).Port
		fmt.Fprintf(&config, "frontend %[1]s\n    bind fd@%[2]d\n    default_backend %[1]s\nbackend %[1]s\n    option httpchk GET /health\n    http-check expect status 200\n", tier, 3+len(files))
		for _, n := range w.Nodes {
			if n.Tier == tier {
				fmt.Fprintf(&config, "    server %s 127.0.0.1:%d\n", n.Name, n.WebPort)
			}
		}
		files = append(files, file)
	}
	path := w.Path("haproxy.cfg")
	w.check(os.WriteFile(path, []byte(config.String()), 0o600))
	program := "haproxy"
	if _, err := exec.LookPath(program); err != nil {
		program = "/usr/sbin/haproxy" // not on the PATH of everybody
	}
	c := exec.Command(program, "-db", "-f", path)
	var log bytes.Buffer
	c.Stdout, c.Stderr, c.ExtraFiles = &log, &log, files
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		w.t.Fatalf("%v: scripts/test-packages installs what is missing", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait() // it is killed
	}()
	w.t.Cleanup(func() {
		c.Process.Kill()
		<-ended
	})
	w.Eventually("haproxy", func() bool {
		select {
		case <-ended:
			w.t.Fatalf("haproxy ended: %s", log.String())
		default:
		}
		conn, err := net.Dial("unix", h.Socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return h
}

// Ask sends a line to the runtime API, as an operator does.
func (h *HAProxy) Ask(line string) (string, error) {
	conn, err := net.Dial("unix", h.Socket)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		return "", err
	}
	fmt.Fprintln(conn, line)
	b, err := io.ReadAll(conn)
	return strings.TrimSpace(string(b)), err
}

// Servers tells how each server stands: "app/app1": "UP", "DRAIN", "MAINT", "DOWN".
func (h *HAProxy) Servers() (map[string]string, error) {
	said, err := h.Ask("show stat -1 4 -1")
	if err != nil {
		return nil, err
	}
	lines := strings.Split(said, "\n")
	columns := strings.Split(strings.TrimPrefix(lines[0], "# "), ",")
	states := map[string]string{}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, value := range strings.Split(line, ",") {
			if i < len(columns) {
				row[columns[i]] = value
			}
		}
		if row["svname"] == "" {
			continue
		}
		state, _, _ := strings.Cut(row["status"], " ") // UP 1/3 is up
		states[row["pxname"]+"/"+row["svname"]] = state
	}
	return states, nil
}

// Ready waits until every server is up.
func (w *World) Ready() {
	w.t.Helper()
	w.Eventually("all servers to be up", func() bool {
		states, err := w.HAProxy.Servers()
		w.check(err)
		for _, state := range states {
			if state != "UP" && state != "OPEN" {
				return false
			}
		}
		return true
	})
}
