package proc

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Identity names a process beyond its number, which may be another's tomorrow.
type Identity struct {
	Host    string `json:"host"`
	Boot    string `json:"boot"` // the host's boot, and the space in which process ids mean something
	Process int    `json:"process"`
	Started string `json:"started"` // in the kernel's clock ticks
}

// Self is this process.
func Self() Identity {
	host, _ := os.Hostname()
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, _ := os.Readlink("/proc/self/ns/pid")
	pid := os.Getpid()
	return Identity{Host: host, Boot: strings.TrimSpace(string(boot)) + " " + space, Process: pid, Started: startOf(pid)}
}

// Gone tells whether it is certain that the process has ended. Of one on another host
// nothing is certain.
func (p Identity) Gone() bool {
	me := Self()
	if p.Host != me.Host || p.Boot != me.Boot || p.Started == "" {
		return false
	}
	if started := startOf(p.Process); started != "" {
		return started != p.Started
	}
	// Another user's may be hidden in /proc, and still be there.
	return errors.Is(syscall.Kill(p.Process, 0), syscall.ESRCH)
}

// startOf is when a process began, "ended" where only its parent has not noticed that
// it has, and "" where nothing is to be seen of it.
func startOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name, in parentheses, may hold anything; the start is the 20th field behind it.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 20 {
		return ""
	}
	if fields[0] == "Z" {
		return "ended"
	}
	return fields[19]
}
