package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside runs in the namespaces: one node count after the other, then the tables.
func inside(ctx context.Context, o options) (int, error) {
	s := &stage{}
	if err := json.Unmarshal([]byte(os.Getenv(insideVar)), s); err != nil {
		return 2, err
	}
	os.Unsetenv(insideVar)
	if err := s.furnish(o); err != nil {
		return 2, err
	}
	report := &report{Trees: s.Tree, Machine: machine(), Begun: loadAverage()}
	for _, n := range o.nodes {
		rows, err := s.measure(ctx, o, n)
		report.Counts = append(report.Counts, count{Nodes: n, Rows: rows})
		if err != nil {
			report.print(os.Stdout)
			if ctx.Err() != nil {
				return 2, errors.New("ended by a signal") // what it cut short says nothing
			}
			return 2, fmt.Errorf("with %d nodes: %w", n, err)
		}
	}
	report.Ended = loadAverage()
	missed := report.print(os.Stdout)
	if o.json != "" {
		b, err := json.MarshalIndent(report, "", " ")
		if err != nil {
			return 2, err
		}
		if err := os.WriteFile(o.json, b, 0o644); err != nil {
			return 2, err
		}
	}
	if o.strict && missed > 0 {
		return 1, nil
	}
	return 0, nil
}

// furnish makes the namespaces habitable: a /proc of their own, the loopback device
// up, and accounts for the nodes that nobody outside sees.
func (s *stage) furnish(o options) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	most := 0
	for _, n := range o.nodes {
		most = max(most, n)
	}
	var passwd, shadow strings.Builder
	for i := 1; i <= most; i++ {
		n := s.node(i)
		fmt.Fprintf(&passwd, "%s:x:%d:%d::%s:/bin/sh\n", n.user, n.id, n.id, n.home)
		fmt.Fprintf(&shadow, "%s:*:20000:0:99999:7:::\n", n.user)
	}
	for file, more := range map[string]string{"/etc/passwd": passwd.String(), "/etc/shadow": shadow.String()} {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		own := s.path("etc-" + strings.TrimPrefix(file, "/etc/"))
		if err := os.WriteFile(own, append(b, more...), 0o644); err != nil {
			return err
		}
		if err := syscall.Mount(own, file, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("put %s over: %w", file, err)
		}
	}
	return nil
}

func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo)
}
