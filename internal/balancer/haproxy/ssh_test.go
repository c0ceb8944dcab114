package haproxy_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"os/user"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/balancer/balancertest"
	"github.com/rollcall-dev/rollcall/internal/balancer/haproxy"
	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
)

// overSSH dials as the app does: a channel of sshd to a unix socket there, which knows
// no deadlines.
func overSSH(t *testing.T) func(context.Context, string) (net.Conn, error) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	sshd, err := fleettest.NewSSHD(filepath.Join(t.TempDir(), "sshd"), signer.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sshd.Close)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", sshd.Port()), &ssh.ClientConfig{
		User: me.Username, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(sshd.HostKey()),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return func(ctx context.Context, socket string) (net.Conn, error) {
		s, err := haproxy.ParseSocket(socket)
		if err != nil || s.Host != "lb1" || s.User != "ops" {
			t.Errorf("asked to dial %q: %+v, %v", socket, s, err)
		}
		return client.DialContext(ctx, "unix", s.Path)
	}
}

func TestSuiteOverSSH(t *testing.T) {
	balancertest.Run(t, func(t *testing.T) balancertest.Fixture {
		webs := threeWebs(t)
		h := start(t, backend("www", "", webs...))
		at := []string{"ops@lb1:" + h.socket()}
		return balancertest.Fixture{
			Balancer: haproxy.New(overSSH(t)),
			Points:   []rollcall.DrainPoint{point("app1", at, "www"), point("app2", at, "www"), point("app3", at, "www")},
			Unknown:  []rollcall.DrainPoint{point("app4", at, "www")},
			Cut:      []rollcall.DrainPoint{point("app1", []string{"ops@lb1:" + h.path("none.sock")}, "www")},
		}
	})
}
