package roll

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/proc"
)

const (
	beatEvery = 3 * time.Second
	// beatLimit is after how long without a beat a lease whose process can't be looked
	// at counts as dead.
	beatLimit = 20 * time.Second
)

// errSuperseded ends a roll whose lease somebody else has taken.
var errSuperseded = rollcall.Errorf(rollcall.KindConflict, "another controller has taken over this roll").
	WithHint("see rollcall status")

// Lease is held for as long as a roll lasts.
type Lease struct {
	record rollcall.Record
	stream string
	seq    int64
	stop   context.CancelCauseFunc
	done   chan struct{}
}

// Take takes the lease of an environment, also from a holder that has died. begin, where
// not nil, looks at the state and says what is begun with the lease, in the same append.
// The context that it returns ends when somebody else takes the lease; the state is as
// begin saw it, but for its last sequence.
func Take(ctx context.Context, record rollcall.Record, environment, by, purpose string, begin func(*State) ([]rollcall.Event, error)) (context.Context, *Lease, *State, error) {
	stream := rollcall.EnvironmentStream(environment)
	for {
		state, err := ReadState(ctx, record, environment)
		if err != nil {
			return nil, nil, nil, err
		}
		if state.Lease != nil {
			if err := held(ctx, record, stream, environment, state.Lease); err != nil {
				return nil, nil, nil, err
			}
		}
		lease := self(by, purpose)
		events := []rollcall.Event{rollcall.NewEvent(rollcall.EventLeaseTaken, lease)}
		if begin != nil {
			more, err := begin(state)
			if err != nil {
				return nil, nil, nil, err
			}
			events = append(events, more...)
		}
		seq, err := record.Append(ctx, stream, state.Seq, events...)
		if errors.Is(err, rollcall.ErrSequence) {
			continue
		}
		if err != nil {
			return nil, nil, nil, err
		}
		state.Seq = seq
		state.Lease = &lease
		lease.Seq = seq - int64(len(events)) + 1
		l := &Lease{record: record, stream: stream, seq: seq - int64(len(events)) + 1, done: make(chan struct{})}
		held, cancel := context.WithCancelCause(ctx)
		l.stop = cancel
		go l.beat(held)
		return held, l, state, nil
	}
}

// Token is what nodes know the holder by.
func (l *Lease) Token() rollcall.Token {
	return rollcall.Token{Record: l.record.ID(), Sequence: l.seq}
}

// Release gives the lease back together with what else is to be said. Others may have
// written in between: a hold, a wish; only another lease stands in the way.
func (l *Lease) Release(ctx context.Context, after int64, events ...rollcall.Event) error {
	l.stop(nil)
	<-l.done
	events = append(events, rollcall.NewEvent(rollcall.EventLeaseReleased, struct {
		Lease int64 `json:"lease"`
	}{l.seq}))
	for {
		_, err := l.record.Append(ctx, l.stream, after, events...)
		if !errors.Is(err, rollcall.ErrSequence) {
			return err
		}
		newer, err := l.record.Read(context.WithoutCancel(ctx), l.stream, after)
		if err != nil {
			return err
		}
		for _, e := range newer {
			if e.Type == rollcall.EventLeaseTaken {
				return errSuperseded
			}
			after = e.Seq
		}
	}
}

func (l *Lease) beat(ctx context.Context) {
	defer close(l.done)
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := l.record.Beat(ctx, l.stream, l.seq); err != nil {
			continue // the next one counts; a beat too late is found below
		}
		events, err := l.record.Read(ctx, l.stream, l.seq)
		if err != nil {
			continue
		}
		for _, e := range events {
			if e.Type == rollcall.EventLeaseTaken {
				l.stop(errSuperseded)
				return
			}
		}
	}
}

// held tells, as an error, that a lease's holder is alive.
func held(ctx context.Context, record rollcall.Record, stream, environment string, lease *rollcall.Lease) error {
	alive := fmt.Sprintf("%s on %s, process %d, since %s", lease.By, lease.Host, lease.Process, lease.At.Local().Format("15:04:05"))
	err := rollcall.Errorf(rollcall.KindConflict, "%s is being rolled by %s (%s)", environment, alive, lease.For).
		WithHint("follow it with rollcall status %s; it is free when that roll ends", environment)
	if (proc.Identity{Host: lease.Host, Boot: lease.Boot, Process: lease.Process, Started: lease.Started}).Gone() {
		return nil
	}
	// A process that is there may be stopped, or hang: what counts is its heart.
	beat, now, readErr := record.LastBeat(ctx, stream, lease.Seq)
	if readErr != nil {
		return readErr
	}
	if now.Sub(beat) < beatLimit {
		return err
	}
	return nil
}

func self(by, purpose string) rollcall.Lease {
	me := proc.Self()
	return rollcall.Lease{By: by, Host: me.Host, Boot: me.Boot, Process: me.Process, Started: me.Started, For: purpose}
}

// Person is who acts, as the kernel says.
func Person() string {
	u, err := user.Current()
	if err != nil {
		return fmt.Sprintf("uid %d", os.Getuid())
	}
	// Behind sudo the account is root's and the person another.
	if by := os.Getenv("SUDO_USER"); u.Uid == "0" && by != "" {
		return rollcall.Printable(by)
	}
	return u.Username
}

// Alive tells whether a lease's holder still is.
func Alive(ctx context.Context, record rollcall.Record, environment string, lease *rollcall.Lease) bool {
	return lease != nil && held(ctx, record, rollcall.EnvironmentStream(environment), environment, lease) != nil
}
