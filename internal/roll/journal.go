package roll

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// journal appends a roll's events. Many nodes write at once; what comes while one
// append is under way goes into the next together, so that a hundred nodes do not wait
// for a hundred syncs.
type journal struct {
	record rollcall.Record
	stream string
	watch  func(rollcall.Event)

	mu      sync.Mutex
	after   int64
	pending []entry
	writing bool

	watching sync.Mutex
}

type entry struct {
	events []rollcall.Event
	done   chan error
}

// add returns when the events are on disk. What it says of an effect must be there
// before or after it, whatever became of the context.
func (j *journal) add(ctx context.Context, events ...rollcall.Event) error {
	mine := entry{events, make(chan error, 1)}
	j.mu.Lock()
	j.pending = append(j.pending, mine)
	if j.writing {
		j.mu.Unlock()
		return <-mine.done
	}
	j.writing = true
	for len(j.pending) > 0 {
		batch := j.pending
		j.pending = nil
		j.mu.Unlock()
		err := j.write(ctx, batch)
		for _, e := range batch {
			e.done <- err
		}
		j.mu.Lock()
	}
	j.writing = false
	j.mu.Unlock()
	return <-mine.done
}

func (j *journal) write(ctx context.Context, batch []entry) error {
	var events []rollcall.Event
	for _, e := range batch {
		events = append(events, e.events...)
	}
	last, err := j.record.Append(ctx, j.stream, j.after, events...)
	if errors.Is(err, rollcall.ErrSequence) {
		return errSuperseded // only the one who took over writes here besides us
	}
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	for i := range events {
		events[i].Stream, events[i].Seq, events[i].At = j.stream, j.after+int64(i)+1, now
		j.tell(events[i])
	}
	j.after = last
	return nil
}

// tell passes an event on without keeping it.
func (j *journal) tell(e rollcall.Event) {
	if j.watch == nil {
		return
	}
	if e.At.IsZero() {
		e.Stream, e.At = j.stream, time.Now().UTC()
	}
	j.watching.Lock()
	defer j.watching.Unlock()
	j.watch(e)
}
