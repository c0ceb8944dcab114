package announce

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/rollcall-dev/rollcall"
)

// Stream is where it stands what a channel was told.
func Stream(channel string) string { return "channel/" + channel }

// The types of events of a channel's stream. What an older version wrote is read for ever.
const (
	eventBegan   = "notice.began"   // an environment's first event that the channel is not told is the one behind Seq
	eventSending = "notice.sending" // before the channel is spoken to
	eventSent    = "notice.sent"    // when it has taken the notice
	eventRefused = "notice.refused" // when it never will: passed over
)

// mark is the data of all of them.
type mark struct {
	Key         string `json:"key,omitempty"`
	Environment string `json:"environment"`
	Seq         int64  `json:"seq"` // of the environment's stream
	Why         string `json:"why,omitempty"`
}

// sending says who sends, too.
type sending struct {
	mark
	Process process `json:"process"`
}

// told is what one channel knows of one environment.
type told struct {
	last  int64 // of the channel's stream
	began bool
	seq   int64 // the environment's events up to this one are told, or passed over
	open  *open // is being sent, or was when its process died
}

type open struct {
	sending
	at int64 // its sequence in the channel's stream
}

// readTold reads it from the channel's stream. What it does not understand says nothing.
func readTold(ctx context.Context, record rollcall.Record, channel, environment string) (told, error) {
	events, err := record.Read(ctx, Stream(channel), 0)
	if err != nil {
		return told{}, err
	}
	var t told
	for _, e := range events {
		t.last = e.Seq
		var s sending
		if err := e.Decode(&s); err != nil || s.Environment != environment {
			continue
		}
		switch e.Type {
		case eventBegan:
			if !t.began {
				t.began, t.seq = true, max(t.seq, s.Seq)
			}
		case eventSending:
			if s.Seq > t.seq {
				t.open = &open{s, e.Seq}
			}
		case eventSent, eventRefused:
			t.seq = max(t.seq, s.Seq)
			if t.open != nil && t.open.Seq <= t.seq {
				t.open = nil
			}
		}
	}
	return t, nil
}

// process says who sends, so that others can see whether it still is there.
type process struct {
	By      string `json:"by"`
	Host    string `json:"host"`
	Boot    string `json:"boot"` // the host's boot, and the space in which process ids mean something
	Process int    `json:"process"`
	Started string `json:"started"` // in the kernel's clock ticks
}

func self(by string) process {
	host, _ := os.Hostname()
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, _ := os.Readlink("/proc/self/ns/pid")
	pid := os.Getpid()
	return process{By: by, Host: host, Boot: strings.TrimSpace(string(boot)) + " " + space, Process: pid, Started: startOf(pid)}
}

// gone tells whether it is certain that the process has ended.
func (p process) gone() bool {
	me := self("")
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
