package demo

import (
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// config is that of a client who trusts the fleet's known_hosts.
func config(t *testing.T, f *Fleet, user string, key gossh.Signer) *gossh.ClientConfig {
	t.Helper()
	hostKeys, err := knownhosts.New(f.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	return &gossh.ClientConfig{
		User:            user,
		Auth:            []gossh.AuthMethod{gossh.PublicKeys(key)},
		HostKeyCallback: hostKeys,
		Timeout:         10 * time.Second,
	}
}

func sshAddress(n *Node) string { return net.JoinHostPort(host, strconv.Itoa(n.SSHPort)) }

func deployKey(t *testing.T, f *Fleet) gossh.Signer {
	t.Helper()
	text, err := os.ReadFile(f.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := gossh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func dial(t *testing.T, f *Fleet, n *Node) *gossh.Client {
	t.Helper()
	client, err := gossh.Dial("tcp", sshAddress(n), config(t, f, User, deployKey(t, f)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func session(t *testing.T, client *gossh.Client) *gossh.Session {
	t.Helper()
	s, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
