package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	sshd            = "/usr/sbin/sshd"
	privilegeFolder = "/run/sshd" // where sshd confines itself to
	sshPort         = 2200
)

// node is one machine of the fleet, as far as loopback can show one.
type node struct {
	name, address, user string
	id                  int // of the account and its group
	dir, home           string
	rollcall            string // Rollcall's folder
	inplace             string // where rsync writes over what is there
	linked              string // where rsync makes release folders
}

func (s *stage) node(i int) *node {
	dir := s.path("disk", "nodes", fmt.Sprint(i))
	return &node{
		name: fmt.Sprintf("app%d", i), address: fmt.Sprintf("127.0.1.%d", i), user: fmt.Sprintf("rcb%d", i), id: 61000 + i,
		dir: dir, home: filepath.Join(dir, "home"), rollcall: filepath.Join(dir, "srv"), inplace: filepath.Join(dir, "inplace"), linked: filepath.Join(dir, "linked"),
	}
}

// fleet is the nodes of one count, up and listening.
type fleet struct {
	*stage
	nodes []*node
	sshds []*exec.Cmd
	group *os.File
}

func (s *stage) startFleet(ctx context.Context, n int) (*fleet, error) {
	f := &fleet{stage: s}
	if err := s.freshDisk(ctx); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(s.path("keys")); err != nil {
		return nil, err
	}
	for _, dir := range []string{s.path("keys"), s.path("disk", "site")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	if err := keygen(ctx, s.path("keys", "deploy")); err != nil {
		return nil, err
	}
	var err error
	if f.group, err = os.Open(filepath.Join(s.Cgroup, nodesGroup)); err != nil {
		return nil, err
	}
	var known strings.Builder
	for i := 1; i <= n; i++ {
		one := s.node(i)
		f.nodes = append(f.nodes, one)
		key, err := f.startNode(ctx, one)
		if err != nil {
			f.stop()
			return nil, err
		}
		fmt.Fprintf(&known, "[%s]:%d %s\n", one.address, sshPort, key)
	}
	return f, os.WriteFile(s.path("keys", "known_hosts"), []byte(known.String()), 0o644)
}

func keygen(ctx context.Context, file string) error {
	_, err := command(ctx, "/", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", file)
	return err
}

// startNode gives the node's host key.
func (f *fleet) startNode(ctx context.Context, n *node) (string, error) {
	for _, dir := range []string{n.dir, n.home, n.inplace, n.linked} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		if err := os.Chown(dir, n.id, n.id); err != nil {
			return "", err
		}
	}
	key := f.path("keys", n.name)
	if err := keygen(ctx, key); err != nil {
		return "", err
	}
	config := f.path("keys", n.name+".conf")
	text := fmt.Sprintf("ListenAddress %s:%d\nHostKey %s\nPidFile none\nUsePAM no\nPasswordAuthentication no\nStrictModes no\n"+
		"AuthorizedKeysFile %s\nAllowUsers %s\nMaxStartups 500\nLogLevel QUIET\nPrintMotd no\nPrintLastLog no\n",
		n.address, sshPort, key, f.path("keys", "deploy.pub"), n.user)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", err
	}
	c := exec.Command(sshd, "-D", "-e", "-f", config)
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(f.group.Fd())}
	if err := c.Start(); err != nil {
		return "", err
	}
	f.sshds = append(f.sshds, c)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", net.JoinHostPort(n.address, fmt.Sprint(sshPort)))
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("sshd of %s: %w", n.name, err)
		}
	}
	b, err := os.ReadFile(key + ".pub")
	fields := strings.Fields(string(b))
	if err != nil || len(fields) < 2 {
		return "", fmt.Errorf("read %s.pub: %w", key, err)
	}
	return fields[0] + " " + fields[1], nil
}

func (f *fleet) stop() {
	for _, c := range f.sshds {
		c.Process.Kill()
		c.Wait()
	}
	f.group.Close()
}

// each does something with every node, two at a time: none of it is measured.
func (f *fleet) each(do func(*node) error) error {
	errs := make(chan error, len(f.nodes))
	places := make(chan struct{}, 2)
	for _, n := range f.nodes {
		places <- struct{}{}
		go func() {
			errs <- do(n)
			<-places
		}()
	}
	var first error
	for range f.nodes {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}
