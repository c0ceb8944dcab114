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
	Tier    string // TierCDN, TierApp or TierStaging
	Home    string // where commands run
	WWW     string // the folder that rolls: current, releases, shared lie in it
	DB      string // stands for a database server: a folder for each of its databases
	SSHPort int    // on 127.0.0.1
	WebPort int    // on 127.0.0.1
}

// newNode makes the folders of a node in dir.
func newNode(dir, name, tier string, databases ...string) (*Node, error) {
	n := &Node{
		Name: name,
		Tier: tier,
		Home: filepath.Join(dir, "home"),
		WWW:  filepath.Join(dir, "srv", "www"),
		DB:   filepath.Join(dir, "db"),
	}
	folders := []string{n.Home, n.WWW}
	for _, database := range databases {
		folders = append(folders, filepath.Join(n.DB, database))
	}
	for _, folder := range folders {
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
