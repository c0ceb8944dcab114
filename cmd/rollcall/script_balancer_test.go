package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// haproxy NODE... starts HAProxy with these nodes in the backend www, and its health
// check on /health.html. HAPROXY is its socket, LB the port that it listens on.
func cmdHAProxy(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) > 0, "haproxy NODE...")
	program, err := exec.LookPath("haproxy")
	if err != nil {
		program = "/usr/sbin/haproxy"
	}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	port := front.Addr().(*net.TCPAddr).Port
	front.Close()
	// The path of a unix socket is short; a script's folder need not be.
	dir, err := os.MkdirTemp("", "rc")
	ts.Check(err)
	socket := dir + "/lb.sock"
	var config strings.Builder
	fmt.Fprintf(&config, "global\n  stats socket %s level admin mode 600\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 20s\n  timeout server 20s\n", socket)
	fmt.Fprintf(&config, "frontend public\n  bind 127.0.0.1:%d\n  default_backend www\nbackend www\n  option httpchk GET /health.html\n", port)
	for _, name := range args {
		fmt.Fprintf(&config, "  server %s 127.0.0.1:%d check inter 100ms rise 1 fall 2\n", name, w.node(ts, name).webPort())
	}
	file := dir + "/haproxy.cfg"
	ts.Check(os.WriteFile(file, []byte(config.String()), 0o600))
	c := exec.Command(program, "-db", "-f", file)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	ts.Check(c.Start())
	w.closers = append(w.closers, func() {
		c.Process.Kill()
		c.Wait()
		os.RemoveAll(dir)
	})
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := runtimeCommand(socket, "show info"); err == nil {
			break
		}
		if time.Now().After(late) {
			ts.Fatalf("haproxy did not start: %s", said.String())
		}
	}
	w.setenv(ts, "HAPROXY", socket)
	w.setenv(ts, "LB", fmt.Sprint(port))
}

func runtimeCommand(socket, command string) (string, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return "", err
	}
	b, err := io.ReadAll(conn)
	return string(b), err
}

// serving NODE UP|DRAIN|MAINT|DOWN waits until HAProxy says so of a node.
func cmdServing(ts *testscript.TestScript, _ *world, args []string) {
	want(ts, len(args) == 2, "serving NODE UP|DRAIN|MAINT|DOWN")
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text, err := runtimeCommand(ts.Getenv("HAPROXY"), "show stat")
		ts.Check(err)
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(strings.TrimSpace(text), "# "))).ReadAll()
		ts.Check(err)
		status := ""
		for _, row := range rows {
			if row[0] == "www" && row[1] == args[0] {
				status = row[17]
			}
		}
		if strings.HasPrefix(status, args[1]) {
			return
		}
		if time.Now().After(late) {
			ts.Fatalf("%s is %s, want %s", args[0], status, args[1])
		}
	}
}

// lb COMMAND tells HAProxy's runtime API something, as somebody with socat would.
func cmdLB(ts *testscript.TestScript, _ *world, args []string) {
	want(ts, len(args) > 0, "lb COMMAND")
	text, err := runtimeCommand(ts.Getenv("HAPROXY"), strings.Join(args, " "))
	ts.Check(err)
	if text = strings.TrimSpace(text); text != "" && !strings.HasPrefix(args[0], "show") {
		ts.Fatalf("haproxy says: %s", text)
	}
}
