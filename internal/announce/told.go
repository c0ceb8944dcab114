package announce

import (
	"context"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/proc"
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
	By string `json:"by"`
	proc.Identity
}

func self(by string) process { return process{by, proc.Self()} }
