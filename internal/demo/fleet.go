package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// User is who the nodes let in.
const User = "deploy"

// Tiers of the demo's fleet, in the order in which they roll: what pages name must be
// on the CDN before the pages are.
const (
	TierCDN     = "cdn"
	TierApp     = "app"
	TierStaging = "web" // of the staging environment, in a nodes file of its own
)

// Fleet is six nodes on 127.0.0.1 with two balancers before them, and a staging node
// beside them that no visitor sees. Nothing of it lies outside Dir, and nothing of it runs after Close.
type Fleet struct {
	Dir        string
	Nodes      []*Node // cdn1 cdn2 app1 app2 app3 app4
	Staging    *Node   // stage1
	KeyFile    string  // the private key of User, as OpenSSH writes it
	KnownHosts string  // a line for each node's ssh server
	PagesURL   string  // the balancer before the app nodes, without a slash at its end
	CDNURL     string  // the balancer before the CDN nodes, likewise

	pages, cdn *balancer
	closers    []func() error // run from last to first
	close      func() error
	unwatch    func() bool
}

// Start starts a fleet in dir, which must exist. The fleet lives until Close or until
// ctx is done; Close has to be called in both cases, and removes no file. Until a first
// release stands on the nodes they answer 503.
func Start(ctx context.Context, dir string) (*Fleet, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot tell where the demo's folder is: %w", err)
	}
	f := &Fleet{
		Dir:        dir,
		KeyFile:    filepath.Join(dir, "site", "keys", "deploy"),
		KnownHosts: filepath.Join(dir, "site", "known_hosts"),
	}
	f.close = sync.OnceValue(f.closeAll)
	if err := f.start(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	// Whoever ends first, the context or Close, the other waits for the same end.
	f.unwatch = context.AfterFunc(ctx, func() { _ = f.close() })
	return f, nil
}

// start brings up the CDN before the app nodes, because pages name its address.
func (f *Fleet) start() error {
	for _, one := range []struct{ name, tier string }{
		{"cdn1", TierCDN},
		{"cdn2", TierCDN},
		{"app1", TierApp},
		{"app2", TierApp},
		{"app3", TierApp},
		{"app4", TierApp},
	} {
		node, err := newNode(filepath.Join(f.Dir, "nodes", one.name), one.name, one.tier, firstDatabase)
		if err != nil {
			return err
		}
		f.Nodes = append(f.Nodes, node)
	}
	if err := f.startStaging(); err != nil {
		return err
	}
	var err error
	if f.cdn, f.CDNURL, err = f.startTier(TierCDN, (*Node).assets); err != nil {
		return err
	}
	pages := func(n *Node) http.Handler { return n.pages(f.CDNURL) }
	if f.pages, f.PagesURL, err = f.startTier(TierApp, pages); err != nil {
		return err
	}
	return f.startSSH()
}

// startTier starts the web servers of a tier and the balancer before them.
func (f *Fleet) startTier(tier string, content func(*Node) http.Handler) (*balancer, string, error) {
	nodes := f.Tier(tier)
	for _, node := range nodes {
		web, err := serveHTTP(content(node))
		if err != nil {
			return nil, "", fmt.Errorf("cannot start the web server of %s: %w", node.Name, err)
		}
		f.closers = append(f.closers, web.Close)
		node.WebPort = web.port
	}
	b := newBalancer(nodes)
	f.closers = append(f.closers, b.Close)
	web, err := serveHTTP(b)
	if err != nil {
		return nil, "", fmt.Errorf("cannot start the balancer of tier %s: %w", tier, err)
	}
	f.closers = append(f.closers, web.Close)
	return b, webURL(web.port), nil
}

// startStaging starts the web server of the staging node, on which somebody has made a
// database and told nobody.
func (f *Fleet) startStaging() (err error) {
	const name = "stage1"
	f.Staging, err = newNode(filepath.Join(f.Dir, "nodes", name), name, TierStaging, firstDatabase, Database)
	if err != nil {
		return err
	}
	web, err := serveHTTP(f.Staging.both())
	if err != nil {
		return fmt.Errorf("cannot start the web server of %s: %w", name, err)
	}
	f.closers = append(f.closers, web.Close)
	f.Staging.WebPort = web.port
	return nil
}

// startSSH makes the keys and starts an ssh server on each node.
func (f *Fleet) startSSH() error {
	if err := os.MkdirAll(filepath.Dir(f.KeyFile), 0o700); err != nil {
		return fmt.Errorf("cannot make the folder of the demo's key: %w", err)
	}
	key, err := newClientKey(f.KeyFile)
	if err != nil {
		return err
	}
	var lines []byte
	for _, node := range slices.Concat(f.Nodes, []*Node{f.Staging}) {
		server, err := startSSHServer(node.Home, key)
		if err != nil {
			return fmt.Errorf("cannot start the ssh server of %s: %w", node.Name, err)
		}
		f.closers = append(f.closers, server.Close)
		node.SSHPort = server.port
		lines = append(lines, server.knownHost()...)
	}
	if err := os.WriteFile(f.KnownHosts, lines, 0o644); err != nil {
		return fmt.Errorf("cannot write the demo's known_hosts: %w", err)
	}
	return nil
}

// Node returns the node of that name, or nil.
func (f *Fleet) Node(name string) *Node {
	for _, node := range f.Nodes {
		if node.Name == name {
			return node
		}
	}
	return nil
}

// Tier returns the nodes of a tier in the order of their names.
func (f *Fleet) Tier(tier string) []*Node {
	var nodes []*Node
	for _, node := range f.Nodes {
		if node.Tier == tier {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// WaitInService returns when both balancers send requests to every node of theirs: after
// a first roll, before visitors are let in.
func (f *Fleet) WaitInService(ctx context.Context) error {
	return errors.Join(f.cdn.waitInService(ctx), f.pages.waitInService(ctx))
}

// Close ends the fleet: servers, connections, and whatever runs on the nodes for one. It
// returns when all of it has ended, and may be called again.
func (f *Fleet) Close() error {
	if f.unwatch != nil {
		f.unwatch()
	}
	return f.close()
}

func (f *Fleet) closeAll() error {
	var errs []error
	for i := len(f.closers) - 1; i >= 0; i-- {
		errs = append(errs, f.closers[i]())
	}
	return errors.Join(errs...)
}
