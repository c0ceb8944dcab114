package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// rollcall is what this is about.
type rollcall struct{ batch string }

func (r rollcall) name() string { return "rollcall" }

// site writes the site's files, once for a fleet.
func (f *fleet) site(batch string) error {
	if err := os.MkdirAll(f.path("disk", "site", "nodes"), 0o755); err != nil {
		return err
	}
	var nodes strings.Builder
	nodes.WriteString("[app]\n")
	for _, n := range f.nodes {
		fmt.Fprintf(&nodes, "%s address=%s port=%d user=%s dir=%s\n", n.name, n.address, sshPort, n.user, n.rollcall)
	}
	if err := os.WriteFile(f.path("disk", "site", "nodes", "production"), []byte(nodes.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(f.path("disk", "site", "rollcall.yaml"), fmt.Appendf(nil, `code:
  www: {git: %[2]s, production: production}
environments:
  production:
    to: "{dir}"
    tiers:
      app: {batch: %[1]s}
ssh: {key_file: %[3]s/deploy, known_hosts: %[3]s/known_hosts}
`, batch, f.path("www.git"), f.path("keys")), 0o644)
}

// reset brings the nodes and the controller back to a snapshot, or to nothing.
func (r rollcall) reset(ctx context.Context, f *fleet, c *benchCase) error {
	if err := f.produce(ctx, c.target()); err != nil {
		return err
	}
	if err := f.site(r.batch); err != nil {
		return err
	}
	if c.snapshot == "" {
		return f.wipe(true)
	}
	return f.restore(ctx, c.snapshot)
}

// produce makes a tree the tip of the production branch.
func (f *fleet) produce(ctx context.Context, tree string) error {
	_, err := command(ctx, f.path("www.git"), "git", "update-ref", "refs/heads/production", f.Commits[tree])
	return err
}

func (r rollcall) lines(f *fleet, c *benchCase) []line {
	verb := "roll"
	if c.rollback {
		verb = "rollback"
	}
	return []line{{{f.path("bin", "rollcall"), "--site", f.path("disk", "site"), verb, "production", "--yes", "--json"}}}
}

func (r rollcall) result(n *node) string { return filepath.Join(n.rollcall, "current") }

func (f *fleet) state() string { return f.path("disk", "site", ".rollcall") }

// wipe empties the nodes; of the controller and of rollcall-node too where all is to go.
func (f *fleet) wipe(all bool) error {
	if all {
		if err := os.RemoveAll(f.state()); err != nil {
			return err
		}
	}
	return f.each(func(n *node) error {
		if all {
			if err := os.RemoveAll(filepath.Join(n.home, ".rollcall")); err != nil {
				return err
			}
		}
		return os.RemoveAll(n.rollcall)
	})
}
