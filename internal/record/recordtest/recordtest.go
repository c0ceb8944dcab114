// Package recordtest is the suite that every rollcall.Record passes.
package recordtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

// Opener opens the same record again with every call, as another process would.
type Opener func(t *testing.T) rollcall.Record

// Run runs the suite. fresh gives an Opener of a new, empty record.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	ctx := context.Background()
	event := func(n int) rollcall.Event {
		return rollcall.NewEvent("test.counted", map[string]int{"n": n})
	}

	t.Run("append and read", func(t *testing.T) {
		r := fresh(t)(t)
		last, err := r.Append(ctx, "a", 0, event(1), event(2))
		if err != nil || last != 2 {
			t.Fatalf("Append = %d, %v", last, err)
		}
		if last, err = r.Append(ctx, "b", 0, event(9)); err != nil || last != 1 {
			t.Fatalf("streams are not apart: %d, %v", last, err)
		}
		events, err := r.Read(ctx, "a", 1)
		if err != nil || len(events) != 1 {
			t.Fatalf("Read = %v, %v", events, err)
		}
		e := events[0]
		var data struct{ N int }
		if err := e.Decode(&data); err != nil || data.N != 2 || e.Seq != 2 || e.Stream != "a" || e.Type != "test.counted" || e.At.IsZero() || e.At.Location().String() != "UTC" {
			t.Errorf("event is %+v (%v)", e, err)
		}
	})

	t.Run("compare and swap", func(t *testing.T) {
		r := fresh(t)(t)
		if _, err := r.Append(ctx, "a", 0, event(1)); err != nil {
			t.Fatal(err)
		}
		for _, after := range []int64{0, 2, -1} {
			if _, err := r.Append(ctx, "a", after, event(2), event(3)); !errors.Is(err, rollcall.ErrSequence) {
				t.Errorf("Append after %d: %v", after, err)
			}
		}
		if events, _ := r.Read(ctx, "a", 0); len(events) != 1 {
			t.Errorf("a refused append left %d events", len(events))
		}
	})

	t.Run("one winner among many processes", func(t *testing.T) {
		open := fresh(t)
		var wait sync.WaitGroup
		var mu sync.Mutex
		wins := 0
		for p := range 4 {
			r := open(t)
			wait.Go(func() {
				for i := range 10 {
					last := int64(0)
					if events, err := r.Read(ctx, "race", 0); err != nil {
						t.Error(err)
					} else if len(events) > 0 {
						last = events[len(events)-1].Seq
					}
					_, err := r.Append(ctx, "race", last, event(p*100+i))
					if err == nil {
						mu.Lock()
						wins++
						mu.Unlock()
					} else if !errors.Is(err, rollcall.ErrSequence) {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		events, err := open(t).Read(ctx, "race", 0)
		if err != nil || len(events) != wins || wins == 0 {
			t.Fatalf("%d appends succeeded, %d events are there (%v)", wins, len(events), err)
		}
		for i, e := range events {
			if e.Seq != int64(i+1) {
				t.Fatalf("event %d has sequence %d", i, e.Seq)
			}
		}
	})

	t.Run("ids", func(t *testing.T) {
		open := fresh(t)
		if a, b := open(t).ID(), open(t).ID(); a == "" || a != b {
			t.Errorf("one record has the ids %q and %q", a, b)
		}
		if a, b := open(t).ID(), fresh(t)(t).ID(); a == b {
			t.Error("two records share an id")
		}
	})

	t.Run("follow across processes", func(t *testing.T) {
		open := fresh(t)
		writer, reader := open(t), open(t)
		if _, err := writer.Append(ctx, "a", 0, event(1), event(2)); err != nil {
			t.Fatal(err)
		}
		enough := errors.New("enough")
		seen := make(chan int64, 10)
		done := make(chan error, 1)
		go func() {
			done <- reader.Follow(ctx, "a", 1, func(e rollcall.Event) error {
				seen <- e.Seq
				if e.Seq == 4 {
					return enough
				}
				return nil
			})
		}()
		if first := <-seen; first != 2 {
			t.Errorf("first followed event is %d", first)
		}
		if _, err := writer.Append(ctx, "a", 2, event(3), event(4)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, enough) {
			t.Errorf("Follow ended with %v", err)
		}
		if got := fmt.Sprint(<-seen, <-seen); got != "3 4" {
			t.Errorf("followed %s", got)
		}
	})

	t.Run("follow ends with its context", func(t *testing.T) {
		r := fresh(t)(t)
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		if err := r.Follow(ctx, "a", 0, func(rollcall.Event) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("Follow = %v", err)
		}
	})

	t.Run("an append outlives its context", func(t *testing.T) {
		r := fresh(t)(t)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := r.Append(ended, "a", 0, event(1)); err != nil {
			t.Fatal(err)
		}
		if events, err := r.Read(ctx, "a", 0); err != nil || len(events) != 1 {
			t.Errorf("Read = %v, %v", events, err)
		}
	})

	t.Run("beats", func(t *testing.T) {
		open := fresh(t)
		r, other := open(t), open(t)
		seq, err := r.Append(ctx, "env/x", 0, event(1))
		if err != nil {
			t.Fatal(err)
		}
		taken, _, err := other.LastBeat(ctx, "env/x", seq)
		if err != nil || taken.IsZero() {
			t.Fatalf("the taking is no beat: %v, %v", taken, err)
		}
		if err := r.Beat(ctx, "env/x", seq); err != nil {
			t.Fatal(err)
		}
		beat, now, err := other.LastBeat(ctx, "env/x", seq)
		if err != nil || beat.Before(taken) || now.Before(beat) {
			t.Errorf("taken %v, beat %v, now %v (%v)", taken, beat, now, err)
		}
		if events, _ := r.Read(ctx, "env/x", 0); len(events) != 1 {
			t.Error("a beat is among the events")
		}
		if beat, _, err := r.LastBeat(ctx, "env/x", 77); err != nil || !beat.IsZero() {
			t.Errorf("an unknown lease beat at %v (%v)", beat, err)
		}
	})
}
