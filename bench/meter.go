package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// figures are one measured run.
type figures struct {
	Wall       time.Duration
	Controller time.Duration // CPU
	Nodes      time.Duration // CPU of all nodes together
	Bytes      int64
	Memory     int64   // peak of the largest process, in bytes
	Others     float64 // processors that the rest of the machine kept busy
}

// line is a command and what follows it once it has ended well.
type line [][]string

// meter runs one line a node, all at once, and measures them.
func (f *fleet) meter(ctx context.Context, lines []line) (figures, error) {
	var m figures
	group, err := os.Open(filepath.Join(f.Cgroup, controllerGroup))
	if err != nil {
		return m, err
	}
	defer group.Close()
	if err := f.settle(); err != nil {
		return m, err
	}
	before, err := f.read()
	if err != nil {
		return m, err
	}
	begun := time.Now()
	type ended struct {
		memory int64
		err    error
	}
	all := make(chan ended, len(lines))
	for _, l := range lines {
		go func() {
			memory, err := f.runLine(ctx, l, int(group.Fd()))
			all <- ended{memory, err}
		}()
	}
	var first error
	for range lines {
		one := <-all
		first = errors.Join(first, one.err)
		m.Memory = max(m.Memory, one.memory)
	}
	m.Wall = time.Since(begun)
	if err := f.quiet(len(f.nodes)); err != nil {
		return m, errors.Join(first, err)
	}
	after, err := f.read()
	m.Controller, m.Nodes = after.controller-before.controller, after.nodes-before.nodes
	m.Bytes = after.bytes - before.bytes
	m.Others = max(0, (after.busy-before.busy-m.Controller-m.Nodes).Seconds()/after.at.Sub(before.at).Seconds())
	return m, errors.Join(first, err)
}

// settle puts on disk what earlier runs wrote: one's sync must not wait for another's
// files.
func (f *fleet) settle() error {
	dir, err := os.Open(f.path("disk"))
	if err != nil {
		return err
	}
	defer dir.Close()
	return unix.Syncfs(int(dir.Fd()))
}

func (f *fleet) runLine(ctx context.Context, l line, group int) (memory int64, err error) {
	for _, args := range l {
		c := exec.CommandContext(ctx, args[0], args[1:]...)
		c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + f.path("disk", "site"), "LC_ALL=C.UTF-8", "TMPDIR=" + f.path("disk", "site")}
		c.Dir = f.path("disk", "site")
		c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: group}
		var said bytes.Buffer
		out, err := os.Create(f.path("disk", "site", "out-"+strings.ReplaceAll(filepath.Base(args[0]), "/", "")))
		if err != nil {
			return memory, err
		}
		c.Stdout, c.Stderr = out, &said
		err = c.Run()
		out.Close()
		if err != nil {
			return memory, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, said.String())
		}
		memory = max(memory, c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss<<10)
	}
	return memory, nil
}

type reading struct {
	controller, nodes, busy time.Duration
	bytes                   int64
	at                      time.Time
}

func (f *fleet) read() (reading, error) {
	r := reading{at: time.Now()}
	var errs [4]error
	r.controller, errs[0] = f.cpu(controllerGroup)
	r.nodes, errs[1] = f.cpu(nodesGroup)
	r.bytes, errs[2] = loopbackBytes()
	r.busy, errs[3] = busy()
	return r, errors.Join(errs[:]...)
}

// headers is what IP and TCP add to a packet: 20 bytes each, and 12 of time stamps.
// Loopback counts no Ethernet header.
const headers = 52

// loopbackBytes is what TCP has carried over lo, both ways.
func loopbackBytes() (int64, error) {
	b, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(l, ":")
		fields := strings.Fields(rest)
		if strings.TrimSpace(name) != "lo" || len(fields) < 2 {
			continue
		}
		total, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return 0, err
		}
		packets, err := strconv.ParseInt(fields[1], 10, 64)
		return total - packets*headers, err
	}
	return 0, errors.New("there is no lo in /proc/net/dev")
}

// busy is what all processors of the machine have worked.
func busy() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	l, _, _ := strings.Cut(string(b), "\n")
	var ticks int64
	for i, text := range strings.Fields(l)[1:] {
		if i == 3 || i == 4 || i > 7 { // idle, waiting for disks; guests are counted as users
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}
