package rollcall

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Event is one thing that happened, kept in the record, or a sign of progress, which
// travels to the same readers and is not kept (Seq is 0).
type Event struct {
	Stream string          `json:"stream"`
	Seq    int64           `json:"seq"` // from 1, without gaps within its stream
	At     time.Time       `json:"at"`  // UTC
	Type   string          `json:"type"`
	Data   json.RawMessage `json:"data"`
}

// ErrSequence is what Append returns when the stream has moved on.
var ErrSequence = errors.New("the stream has newer events")

// Record is the append-only log of everything that happened. Every implementation
// passes the suite in internal/record/recordtest.
type Record interface {
	// ID names this record; nodes remember it.
	ID() string
	// Append adds events behind the sequence `after`, all or none, on disk before it
	// returns, and gives the new last sequence. Stream, Seq and At are filled in.
	// ErrSequence where the stream's last sequence is not `after`.
	Append(ctx context.Context, stream string, after int64, events ...Event) (int64, error)
	// Read gives the events of a stream with a sequence above `after`, in order.
	Read(ctx context.Context, stream string, after int64) ([]Event, error)
	// Follow calls fn with each event above `after`, the stored ones and then those to
	// come from any process, until ctx ends or fn returns an error, which it returns.
	Follow(ctx context.Context, stream string, after int64, fn func(Event) error) error
	// Beat says that the holder of the lease that began with event `lease` is alive.
	Beat(ctx context.Context, stream string, lease int64) error
	// LastBeat tells when that lease last beat, by the record's clock, and that clock now.
	LastBeat(ctx context.Context, stream string, lease int64) (beat, now time.Time, err error)
	Close() error
}

// NewEvent makes an event of a type with its data. Data is one of the root's structs,
// whose JSON always works.
func NewEvent(eventType string, data any) Event {
	b, err := json.Marshal(data)
	if err != nil {
		panic("event " + eventType + ": " + err.Error())
	}
	return Event{Type: eventType, Data: b}
}

// Decode reads an event's data.
func (e Event) Decode(into any) error {
	if err := json.Unmarshal(e.Data, into); err != nil {
		return Errorf(KindInternal, "event %d of %s (%s): %w", e.Seq, e.Stream, e.Type, err)
	}
	return nil
}

// Token is what a controller proves itself with to a node: the record that it acts
// for, and the sequence of the lease under which it acts.
type Token struct {
	Record   string `json:"record"`
	Sequence int64  `json:"sequence"`
}
