package roll

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rollcall-dev/rollcall"
)

func event(n int) rollcall.Event { return rollcall.NewEvent("test", map[string]int{"n": n}) }

// A hundred nodes that write at once do not wait for a hundred syncs, each is told only
// when its own events are on disk, and readers see them in the record's order.
func TestManyWritersShareAppends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{streams: map[string][]rollcall.Event{}, gate: make(chan struct{})}
		var mu sync.Mutex
		var told []int64
		j := &journal{record: m, stream: "roll/production/1", watch: func(e rollcall.Event) {
			mu.Lock()
			told = append(told, e.Seq)
			mu.Unlock()
		}}
		var wait sync.WaitGroup
		for i := range 100 {
			wait.Go(func() {
				if err := j.add(t.Context(), event(2*i), event(2*i+1)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // one is at the disk, and all others stand in line
		mu.Lock()
		if len(told) != 0 {
			t.Errorf("%d events were told before they were written", len(told))
		}
		mu.Unlock()
		close(m.gate)
		wait.Wait()
		if m.appends != 2 {
			t.Errorf("%d appends", m.appends)
		}
		if len(told) != 200 {
			t.Fatalf("%d events were told", len(told))
		}
		for i, seq := range told {
			if seq != int64(i+1) {
				t.Fatalf("event %d was told as %d", seq, i)
			}
		}
		pairs := map[string]bool{}
		events := m.streams["roll/production/1"]
		for i := 0; i < len(events); i += 2 { // what one wrote together stands together
			pairs[string(events[i].Data)+string(events[i+1].Data)] = true
		}
		for i := range 100 {
			if !pairs[fmt.Sprintf(`{"n":%d}{"n":%d}`, 2*i, 2*i+1)] {
				t.Errorf("the events of writer %d are apart", i)
			}
		}
	})
}

func TestAStreamThatSomebodyElseWritesEndsTheRoll(t *testing.T) {
	m := &memory{streams: map[string][]rollcall.Event{}}
	j := &journal{record: m, stream: "s"}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.add(ended, event(1)); err != nil { // a result is kept whatever became of the context
		t.Fatal(err)
	}
	if _, err := m.Append(t.Context(), "s", 1, event(2)); err != nil {
		t.Fatal(err)
	}
	if err := j.add(t.Context(), event(3)); rollcall.KindOf(err) != rollcall.KindConflict {
		t.Errorf("add = %v", err)
	}
	if len(m.streams["s"]) != 2 {
		t.Error("it was written all the same")
	}
}
