package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// insideVar hands the stage to the second process.
const insideVar = "ROLLCALL_BENCH_INSIDE"

// stage is where everything happens.
type stage struct {
	Dir string // the work folder
	// Modules is Go's module cache: it outlives this run where -dir names a place.
	Modules string
	Cgroup  string // a cgroup (version 2) of our own
	Tree    []treeInfo
	// Commits are those of the trees and their seasons.
	Commits map[string]string
}

func (s *stage) path(parts ...string) string {
	return filepath.Join(append([]string{s.Dir}, parts...)...)
}

// outside prepares what needs the network, then starts this program again in
// namespaces of its own: its loopback device carries nobody else's bytes, its accounts
// are on no other's machine, and the kernel ends every process in it when it ends,
// however that comes.
func outside(ctx context.Context, o options) (code int, err error) {
	if os.Geteuid() != 0 {
		return 2, errors.New("this needs root: for sshds with accounts of their own, namespaces and cgroups")
	}
	for _, program := range []string{"go", "git", "rsync", "ssh", "ssh-keygen", "cp", "mkfs.ext4", "losetup"} {
		if _, err := exec.LookPath(program); err != nil {
			return 2, fmt.Errorf("%s is not installed", program)
		}
	}
	if _, err := os.Stat(sshd); err != nil {
		return 2, fmt.Errorf("%s is not installed", sshd)
	}
	s, leave, err := workFolder(o)
	if err != nil {
		return 2, err
	}
	defer leave()
	if s.Cgroup, err = makeCgroups(); err != nil {
		return 2, err
	}
	defer removeCgroups(s.Cgroup)
	if _, err := os.Stat(privilegeFolder); errors.Is(err, os.ErrNotExist) {
		if err := os.Mkdir(privilegeFolder, 0o755); err != nil {
			return 2, err
		}
		defer os.Remove(privilegeFolder)
	}
	if err := s.build(ctx, o); err != nil {
		return 2, err
	}
	if err := s.material(ctx); err != nil {
		return 2, err
	}
	return s.enter(ctx)
}

// workFolder makes the folder to work in. It is always a new one, whose name nobody
// else has: what is removed at the end holds nothing but what was made here.
func workFolder(o options) (s *stage, leave func(), err error) {
	if o.dir != "" {
		if o.dir, err = filepath.Abs(o.dir); err != nil {
			return nil, nil, err
		}
		if err := os.MkdirAll(o.dir, 0o755); err != nil {
			return nil, nil, err
		}
	}
	dir, err := os.MkdirTemp(o.dir, "rollcall-bench-")
	if err != nil {
		return nil, nil, err
	}
	s = &stage{Dir: dir, Modules: filepath.Join(dir, "mod")}
	if o.dir != "" {
		s.Modules = filepath.Join(o.dir, "mod")
	}
	leave = func() {
		if o.keep {
			fmt.Fprintln(os.Stderr, "kept:", dir)
		} else if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
	return s, leave, os.Chmod(dir, 0o755)
}

// build builds what is measured, from the module that this program is part of.
func (s *stage) build(ctx context.Context, o options) error {
	say("building")
	if err := os.MkdirAll(s.path("bin"), 0o755); err != nil {
		return err
	}
	flags := "-ldflags=-s -w"
	if o.profile != "" {
		flags = "-ldflags=" // perf needs the symbols
	}
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", flags, "-o", s.path("bin")+"/",
		"github.com/rollcall-dev/rollcall/cmd/rollcall", "github.com/rollcall-dev/rollcall/cmd/rollcall-node")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	return c.Run()
}

func (s *stage) enter(ctx context.Context) (int, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return 2, err
	}
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = nil, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), insideVar+"="+string(b))
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true, // Ctrl-C is for this process, which ends that one
	}
	if err := c.Start(); err != nil {
		return 2, fmt.Errorf("make namespaces (is this a container without the right to?): %w", err)
	}
	stop := context.AfterFunc(ctx, func() { c.Process.Kill() })
	defer stop()
	err = c.Wait()
	if ctx.Err() != nil {
		return 2, errors.New("ended by a signal")
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

var begun = time.Now()

// say tells how far it is.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.0fs %s\n", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
}

// command runs a command that is not measured.
func command(ctx context.Context, dir string, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
