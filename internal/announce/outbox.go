// Package announce tells channels what happened. What is told is read from the record
// afterwards: a roll knows nothing of channels, and no channel can make it fail.
package announce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/rollcall-dev/rollcall"
)

const (
	// sendLimit is for one attempt: within it nobody else may take the notice for abandoned.
	sendLimit = 25 * time.Second
	// abandonedAfter is when a notice that was being sent is sent again.
	abandonedAfter = 30 * time.Second

	firstPause, longestPause = time.Second, 30 * time.Second
)

// Outbox decides what is told, and remembers in the record what was. Any number of
// processes may have one of the same record.
type Outbox struct {
	Record   rollcall.Record
	Channels map[string]rollcall.Announcer // by the names that environments call them
	By       string                        // who delivers
	Log      *slog.Logger                  // nil: silent

	// pause waits between attempts; nil: for as long as it says.
	pause func(context.Context, time.Duration) error

	mu   sync.Mutex
	over map[pair]int64 // our last attempt that failed: nobody is sending any more
}

// pair is what one delivery is about.
type pair struct{ channel, environment string }

// Deliver tells channels what they were not told yet of an environment, each in the
// order in which it happened, and tries again until ctx ends. A channel that is new is
// told what came after the environment's event `since`. The error says what is still
// due, which the next Deliver tells.
func (o *Outbox) Deliver(ctx context.Context, environment string, channels []string, since int64) error {
	failures := make([]error, len(channels))
	var wait sync.WaitGroup
	for i, name := range channels {
		wait.Go(func() { failures[i] = o.deliver(ctx, name, environment, since) })
	}
	wait.Wait()
	return errors.Join(failures...)
}

// deliver is for one channel, one notice after another.
func (o *Outbox) deliver(ctx context.Context, name, environment string, since int64) error {
	channel := o.Channels[name]
	if channel == nil {
		return rollcall.Errorf(rollcall.KindInvalid, "there is no channel %s", name)
	}
	log := o.log().With("channel", name, "environment", environment)
	var failed error // why the first that is due was not told
	for pause := firstPause; ; {
		told, all, err := o.due(ctx, name, environment, since, log)
		if err != nil || len(all) == 0 {
			return err
		}
		if ctx.Err() != nil {
			return stillDue(name, all, cmp.Or(failed, context.Cause(ctx)))
		}
		if free, err := o.free(ctx, name, told); err != nil {
			return stillDue(name, all, cmp.Or(failed, err))
		} else if !free {
			continue
		}
		outcome, why, err := o.send(ctx, channel, name, told, all[0])
		switch {
		case err != nil:
			return err
		case outcome == resultMoved:
		case outcome == resultSent:
			failed, pause = nil, firstPause
		case outcome == resultRefused:
			log.Warn("the channel will not take a notice", "roll", all[0].Roll, "key", all[0].Key, "why", why)
			failed, pause = nil, firstPause
		case ctx.Err() != nil: // which says less than what came before
			return stillDue(name, all, cmp.Or(failed, why))
		case rollcall.KindOf(why) == rollcall.KindInvalid: // waiting mends no configuration
			return stillDue(name, all, why)
		default:
			if failed = why; o.rest(ctx, pause) != nil {
				return stillDue(name, all, failed)
			}
			pause = min(2*pause, longestPause)
		}
	}
}

// due reads what a channel was told, and what it is to be told.
func (o *Outbox) due(ctx context.Context, name, environment string, since int64, log *slog.Logger) (told, []due, error) {
	ctx = context.WithoutCancel(ctx) // when it has ended, the person hears what is due
	t, err := readTold(ctx, o.Record, name, environment)
	for err == nil && !t.began {
		_, err = o.Record.Append(ctx, Stream(name), t.last, rollcall.NewEvent(eventBegan, mark{Environment: environment, Seq: since}))
		if err == nil || errors.Is(err, rollcall.ErrSequence) {
			t, err = readTold(ctx, o.Record, name, environment)
		}
	}
	if err != nil {
		return t, nil, err
	}
	all, unreadable, err := notices(ctx, o.Record, environment, t.seq)
	for _, why := range unreadable {
		log.Debug("an event can't be told", "error", why)
	}
	if err != nil || len(all) == 0 {
		return t, nil, err
	}
	// The others are read again before they are sent.
	return t, all, fill(ctx, o.Record, &all[0].Notice)
}

type result int

const (
	resultFailed result = iota // it may be taken later
	resultSent
	resultRefused // it will never be taken
	resultMoved   // another process was faster: look again
)

// send writes down that a notice is being sent, sends it, and writes down what came of
// it. why is the channel's error, err the record's.
func (o *Outbox) send(ctx context.Context, channel rollcall.Announcer, name string, told told, n due) (outcome result, why, err error) {
	mine := sending{mark: mark{Key: n.Key, Environment: n.Environment, Seq: n.seq}, Process: self(o.By)}
	seq, err := o.Record.Append(ctx, Stream(name), told.last, rollcall.NewEvent(eventSending, mine))
	if errors.Is(err, rollcall.ErrSequence) {
		return resultMoved, nil, nil
	}
	if err != nil {
		return resultFailed, nil, err
	}
	within, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	why = channel.Announce(within, n.Notice)
	switch {
	case why == nil:
		return resultSent, nil, o.settle(ctx, name, eventSent, mine.mark)
	case rollcall.KindOf(why) == rollcall.KindRefused:
		mine.Why = rollcall.Printable(why.Error())
		return resultRefused, why, o.settle(ctx, name, eventRefused, mine.mark)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over == nil {
		o.over = map[pair]int64{}
	}
	o.over[pair{name, n.Environment}] = seq
	return resultFailed, why, nil
}

// settle writes down what became of a notice. That is so whatever became of ctx.
func (o *Outbox) settle(ctx context.Context, name, eventType string, what mark) error {
	ctx = context.WithoutCancel(ctx)
	for {
		told, err := readTold(ctx, o.Record, name, what.Environment)
		if err != nil || told.seq >= what.Seq { // somebody who took it for abandoned told it too
			return err
		}
		_, err = o.Record.Append(ctx, Stream(name), told.last, rollcall.NewEvent(eventType, what))
		if !errors.Is(err, rollcall.ErrSequence) {
			return err
		}
	}
}

var errMoved = errors.New("the stream has moved on")

// free tells whether nobody is sending to the channel about the environment. Where
// somebody is, it waits until something changes, and says no.
func (o *Outbox) free(ctx context.Context, name string, told told) (bool, error) {
	open := told.open
	if open == nil {
		return true, nil
	}
	o.mu.Lock()
	over := o.over[pair{name, open.Environment}] == open.at
	o.mu.Unlock()
	if over || open.Process.Gone() {
		return true, nil
	}
	begun, now, err := o.Record.LastBeat(ctx, Stream(name), open.at) // by the record's clock
	if err != nil {
		return false, err
	}
	left := min(abandonedAfter-now.Sub(begun), abandonedAfter) // clocks are set back, too
	if left <= 0 {
		return true, nil
	}
	within, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	err = o.Record.Follow(within, Stream(name), told.last, func(rollcall.Event) error { return errMoved })
	if errors.Is(err, errMoved) || ctx.Err() == nil && within.Err() != nil {
		return false, nil
	}
	return false, fmt.Errorf("%s (process %d on %s) is telling it: %w", open.Process.By, open.Process.Process, open.Process.Host, err)
}

func (o *Outbox) rest(ctx context.Context, pause time.Duration) error {
	if o.pause != nil {
		return o.pause(ctx, pause)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (o *Outbox) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

// stillDue is for the person who rolled: the roll is done, only the channel does not know.
func stillDue(name string, due []due, cause error) error {
	hint := "told with the next roll"
	if more := rollcall.HintOf(cause); more != "" {
		hint = more + "; " + hint
	}
	return &rollcall.Error{Kind: rollcall.KindOf(cause), Op: fmt.Sprintf("%s still due to %s", rollcall.Plural(len(due), "notice is", "notices are"), name), Hint: hint, Err: cause}
}
