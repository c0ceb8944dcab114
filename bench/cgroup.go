package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The two cgroups.
const (
	controllerGroup = "controller"
	nodesGroup      = "nodes"
)

// makeCgroups makes the groups in the version 2 hierarchy, where every group counts
// CPU without any controller being switched on.
func makeCgroups() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[2] != "cgroup2" {
			continue
		}
		dir := filepath.Join(fields[1], fmt.Sprintf("rollcall-bench-%d", os.Getpid()))
		for _, group := range []string{controllerGroup, nodesGroup} {
			if err := os.MkdirAll(filepath.Join(dir, group), 0o755); err != nil {
				return "", fmt.Errorf("make a cgroup: %w", err)
			}
		}
		return dir, nil
	}
	return "", errors.New("there is no cgroup2 mount to count CPU with")
}

func removeCgroups(dir string) {
	for _, group := range []string{controllerGroup, nodesGroup, ""} {
		for range 50 { // the last processes may still be on their way out
			if os.Remove(filepath.Join(dir, group)) == nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// cpu is what a group has used since it was made.
func (s *stage) cpu(group string) (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join(s.Cgroup, group, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(b), "\n")
	micros, err := strconv.ParseInt(strings.TrimPrefix(first, "usage_usec "), 10, 64)
	return time.Duration(micros) * time.Microsecond, err
}

// quiet waits until only the listening sshds are left on the nodes.
func (s *stage) quiet(listeners int) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(s.Cgroup, nodesGroup, "cgroup.procs"))
		if err != nil {
			return err
		}
		if strings.Count(string(b), "\n") <= listeners {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the nodes still run more than their %d sshds after 10 s", listeners)
		}
	}
}
