package fleet

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A page is put together by nginx from three files, as an application puts it together
// from its own: each part is looked up when its turn comes, through whatever `current`
// leads to then. That is how one page could be made of two releases.
const nginxConfig = `daemon off;
master_process off;
%[1]s
error_log stderr warn;
pid %[2]s/nginx.pid;
events { worker_connections 512; }
http {
    access_log off;
    types { text/html html; text/css css; text/javascript js; image/png png; }
    default_type text/plain;
    client_body_temp_path %[2]s/body;
    proxy_temp_path %[2]s/proxy;
    fastcgi_temp_path %[2]s/fastcgi;
    uwsgi_temp_path %[2]s/uwsgi;
    scgi_temp_path %[2]s/scgi;
    server {
        listen 127.0.0.1:%[3]d;
        root %[4]s;
        ssi on;
        disable_symlinks off;
    }
}
`

// Nginx is Debian's, an instance for each node, over what is live there.
func Nginx(t testing.TB, n *Node) {
	n.WebPort = freePort(t)
	dir := filepath.Join(n.Dir, "nginx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // the world's folder is nobody else's
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, user, dir, n.WebPort, n.Srv("current")), 0o600); err != nil {
		t.Fatal(err)
	}
	program := "nginx"
	if _, err := exec.LookPath(program); err != nil {
		program = "/usr/sbin/nginx" // not on the PATH of everybody
	}
	c := exec.Command(program, "-p", dir, "-c", config, "-e", "stderr")
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatalf("%v: scripts/test-packages installs what is missing", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait() // it is killed
	}()
	t.Cleanup(func() {
		c.Process.Kill()
		<-ended
	})
	for late := time.Now().Add(Patience); ; time.Sleep(10 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("nginx ended: %s", log.String())
		default:
		}
		answer, err := (&http.Client{Timeout: time.Second}).Get(fmt.Sprintf("http://127.0.0.1:%d/", n.WebPort))
		if err == nil {
			answer.Body.Close()
			return
		}
		if time.Now().After(late) {
			t.Fatalf("nginx does not answer: %v", err)
		}
	}
}

// freePort is one that nobody listens on now.
func freePort(t testing.TB) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
