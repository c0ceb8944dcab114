package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// ssh is how rsync's users reach a node.
func (f *fleet) ssh(n *node) []string {
	return []string{
		"ssh", "-F", "none", "-i", f.path("keys", "deploy"), "-p", fmt.Sprint(sshPort), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + f.path("keys", "known_hosts"), "-o", "GlobalKnownHostsFile=/dev/null",
	}
}

func (f *fleet) remote(n *node, script string) []string {
	return append(f.ssh(n), n.user+"@"+n.address, script)
}

func (f *fleet) rsync(n *node, flags []string, tree, to string) []string {
	shell := ""
	for _, word := range f.ssh(n) { // no word of it holds a space
		shell += word + " "
	}
	args := append([]string{"rsync", "--delete", "-e", shell}, flags...)
	return append(args, f.path("trees", tree)+"/", n.user+"@"+n.address+":"+to+"/")
}

// inPlace is rsync over what is there.
type inPlace struct{ flags string }

func (p inPlace) name() string { return "rsync " + p.flags }

func (p inPlace) reset(ctx context.Context, f *fleet, c *benchCase) error {
	return f.each(func(n *node) error { return f.lay(ctx, n, c.from, n.inplace) })
}

func (p inPlace) lines(f *fleet, c *benchCase) []line {
	var all []line
	for _, n := range f.nodes {
		all = append(all, line{f.rsync(n, []string{p.flags}, c.to, n.inplace)})
	}
	return all
}

func (p inPlace) result(n *node) string { return n.inplace }

// linkDest is rsync into a new folder that shares what did not change with the one
// before, and then a switch by symlink.
type linkDest struct{}

func (linkDest) name() string { return "rsync --link-dest" }

func (linkDest) reset(ctx context.Context, f *fleet, c *benchCase) error {
	return f.each(func(n *node) error {
		for _, name := range []string{"next", "current"} {
			if err := os.RemoveAll(filepath.Join(n.linked, name)); err != nil {
				return err
			}
		}
		if err := f.lay(ctx, n, c.from, filepath.Join(n.linked, "before")); err != nil {
			return err
		}
		return os.Symlink("before", filepath.Join(n.linked, "current"))
	})
}

func (linkDest) lines(f *fleet, c *benchCase) []line {
	var all []line
	for _, n := range f.nodes {
		all = append(all, line{
			f.rsync(n, []string{"-a", "--link-dest=../before"}, c.to, n.linked+"/next"),
			f.remote(n, pointTo(n, "next")),
		})
	}
	return all
}

func (linkDest) result(n *node) string { return filepath.Join(n.linked, "current") }

func pointTo(n *node, release string) string {
	return fmt.Sprintf("ln -sfn %s %[2]s/current.new && mv -T %[2]s/current.new %[2]s/current", release, n.linked)
}

// symlink is a rollback by hand: ssh to all nodes at once.
type symlink struct{}

func (symlink) name() string { return "ssh + symlink" }

func (symlink) reset(_ context.Context, f *fleet, _ *benchCase) error {
	return f.each(func(n *node) error {
		link := filepath.Join(n.linked, "current")
		if err := os.RemoveAll(link); err != nil {
			return err
		}
		if err := os.Symlink("next", link); err != nil {
			return err
		}
		return os.Lchown(link, n.id, n.id)
	})
}

func (symlink) lines(f *fleet, _ *benchCase) []line {
	var all []line
	for _, n := range f.nodes {
		all = append(all, line{f.remote(n, pointTo(n, "before"))})
	}
	return all
}

func (symlink) result(*node) string { return "" }

// lay brings a folder of a node to a tree, or empties it, by local means.
func (f *fleet) lay(ctx context.Context, n *node, tree, to string) error {
	if tree == "" {
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	if err := os.Chown(to, n.id, n.id); err != nil || tree == "" {
		return err
	}
	c := exec.CommandContext(ctx, "rsync", "-a", "--delete", f.path("trees", tree)+"/", to+"/")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(n.id), Gid: uint32(n.id)}}
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("lay out %s: %w: %s", tree, err, out)
	}
	return nil
}
