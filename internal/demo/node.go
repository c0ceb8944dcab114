package demo

import (
	"fmt"
	"os"
	"path/filepath"
)

// host is the only address that anything of the demo listens on.
const host = "127.0.0.1"

// Node is one server of the demo's fleet: a folder, an ssh server and a web server.
type Node struct {
	Name    string // app1
	Tier    string // TierCDN or TierApp
	Home    string // where commands run
	WWW     string // the folder that rolls: current, releases, shared lie in it
	SSHPort int    // on 127.0.0.1
	WebPort int    // on 127.0.0.1
}

// newNode makes the folders of a node in dir.
func newNode(dir, name, tier string) (*Node, error) {
	n := &Node{
		Name: name,
		Tier: tier,
		Home: filepath.Join(dir, "home"),
		WWW:  filepath.Join(dir, "srv", "www"),
	}
	for _, folder := range []string{n.Home, n.WWW} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, fmt.Errorf("cannot make the folders of %s: %w", name, err)
		}
	}
	return n, nil
}

// Current is what the web server serves: a link to a release.
func (n *Node) Current() string { return filepath.Join(n.WWW, "current") }

// WebURL is the node's own web server, past the balancer, without a slash at its end.
func (n *Node) WebURL() string { return webURL(n.WebPort) }

func webURL(port int) string { return fmt.Sprintf("http://%s:%d", host, port) }
