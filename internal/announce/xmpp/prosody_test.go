package xmpp

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"
)

const (
	domain = "chat.test"
	rooms  = "rooms.chat.test"
)

// prosody is a real server, of its own process, data and port.
type prosody struct {
	Folder     string
	Host       string // an address of this process's own on loopback: no other's port is taken
	Port       string
	Locking    bool // new rooms, as Prosody does
	Persistent bool // rooms that live without anybody in them
	NoTLS      bool

	command *exec.Cmd
	read    sync.WaitGroup
	mu      sync.Mutex
	log     []string
}

var config = template.Must(template.New("").Parse(`
run_as_root = true
pidfile = "{{.Folder}}/prosody.pid"
data_path = "{{.Folder}}"
log = { { levels = { min = "info" }, to = "console" } }
modules_enabled = { "roster", "saslauth", {{if not .NoTLS}}"tls",{{end}} "disco", "ping" }
modules_disabled = { "s2s", "http", "http_errors" }
interfaces = { "{{.Host}}" }
c2s_ports = { {{.Port}} }
c2s_require_encryption = {{if .NoTLS}}false{{else}}true{{end}}
authentication = "internal_hashed"
ssl = { certificate = "{{.Folder}}/cert.pem", key = "{{.Folder}}/key.pem" }
VirtualHost "chat.test"
Component "rooms.chat.test" "muc"
	muc_room_locking = {{.Locking}}
	muc_room_default_persistent = {{.Persistent}}
`))

// start makes the folder and runs the server in it.
func (p *prosody) start(t *testing.T) *prosody {
	t.Helper()
	if _, err := exec.LookPath("prosody"); err != nil {
		t.Fatal("prosody is missing: scripts/test-packages installs it")
	}
	p.Folder, p.Host = t.TempDir(), fmt.Sprintf("127.83.%d.%d", os.Getpid()>>8&255, os.Getpid()&255)
	p.Port = freePort(t, p.Host)
	certificate(t, p.Folder)
	f, err := os.Create(filepath.Join(p.Folder, "prosody.cfg.lua"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := config.Execute(f, p); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(p.Folder, "certs"), 0o700); err != nil { // it complains of a missing one
		t.Fatal(err)
	}
	accounts := filepath.Join(p.Folder, "chat%2etest", "accounts")
	if err := os.MkdirAll(accounts, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rollcall", "witness"} {
		// The server hashes it at the first login.
		data := fmt.Sprintf("return { [\"password\"] = %q };\n", passwordOf(name))
		if err := os.WriteFile(filepath.Join(accounts, name+".dat"), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		p.down(t)
		if t.Failed() {
			t.Log("prosody said:\n" + p.said())
		}
	})
	p.up(t)
	return p
}

func (p *prosody) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log, "\n")
}

func passwordOf(name string) string { return "secret of " + name }

func (p *prosody) address() string { return net.JoinHostPort(p.Host, p.Port) }

// up returns when the server listens.
func (p *prosody) up(t *testing.T) {
	t.Helper()
	p.command = exec.Command("prosody", "-F", "--config", filepath.Join(p.Folder, "prosody.cfg.lua"))
	p.command.Env = append(os.Environ(), "HOME="+p.Folder)
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // also when the tests are killed
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.command.Stdout, p.command.Stderr = w, w
	err = p.command.Start()
	w.Close()
	if err != nil {
		r.Close()
		t.Fatal(err)
	}
	listens := make(chan bool, 1)
	p.read.Go(func() {
		defer r.Close()
		said := false
		for lines := bufio.NewScanner(r); lines.Scan(); {
			p.mu.Lock()
			p.log = append(p.log, lines.Text())
			p.mu.Unlock()
			if !said && strings.Contains(lines.Text(), "Activated service 'c2s' on ["+p.Host+"]:"+p.Port) {
				said = true
				listens <- true
			}
		}
		if !said {
			listens <- false
		}
	})
	select {
	case ok := <-listens:
		if !ok {
			t.Fatal("prosody ended")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("prosody does not listen")
	}
}

// down returns when the server has ended.
func (p *prosody) down(t *testing.T) {
	t.Helper()
	if p.command == nil {
		return
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	patience := time.AfterFunc(20*time.Second, func() {
		t.Error("prosody does not end")
		p.command.Process.Kill()
	})
	p.command.Wait()
	patience.Stop()
	p.read.Wait()
	p.command = nil
}

func freePort(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// certificate makes a key and a certificate that it signs itself.
func certificate(t *testing.T, folder string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: domain}, DNSNames: []string{domain, rooms},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: signed}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
