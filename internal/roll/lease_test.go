package roll

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/record/sqlite"
)

func newRecord(t *testing.T) rollcall.Record {
	t.Helper()
	r, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "record.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// holder writes down a lease as another process would have.
func holder(t *testing.T, r rollcall.Record, change func(*rollcall.Lease)) {
	t.Helper()
	lease := self("bo", "roll production")
	change(&lease)
	started := rollcall.RollStarted{Environment: "production", Roll: 1, By: "bo"}
	_, err := r.Append(t.Context(), rollcall.EnvironmentStream("production"), 0,
		rollcall.NewEvent(rollcall.EventLeaseTaken, lease), rollcall.NewEvent(rollcall.EventRollStarted, started))
	if err != nil {
		t.Fatal(err)
	}
}

// late makes the last beat of every lease look old.
type late struct {
	rollcall.Record
	age time.Duration
}

func (l late) LastBeat(context.Context, string, int64) (time.Time, time.Time, error) {
	now := time.Now()
	return now.Add(-l.age), now, nil
}

func TestALeaseIsHeldByOne(t *testing.T) {
	r := newRecord(t)
	var mu sync.Mutex
	var won []*Lease
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			_, lease, _, err := Take(t.Context(), r, "production", "ada", "roll production", nil)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won = append(won, lease)
			case rollcall.KindOf(err) != rollcall.KindConflict || rollcall.HintOf(err) == "" || !strings.Contains(err.Error(), "by ada on "):
				t.Errorf("Take = %v", err)
			}
		})
	}
	wait.Wait()
	if len(won) != 1 {
		t.Fatalf("%d took it", len(won))
	}
	first := won[0].Token()
	state, err := ReadState(t.Context(), r, "production")
	if err != nil || !Alive(t.Context(), r, "production", state.Lease) {
		t.Fatalf("%+v, %v", state, err)
	}
	if err := won[0].Release(t.Context(), state.Seq); err != nil {
		t.Fatal(err)
	}
	_, second, _, err := Take(t.Context(), r, "production", "ada", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if token := second.Token(); token.Record != r.ID() || token.Sequence <= first.Sequence {
		t.Errorf("the tokens are %+v and %+v", first, token)
	}
	second.stop(nil)
}

func TestWhoseLeaseIsDead(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*rollcall.Lease)
		age    time.Duration
		dead   bool
	}{
		"this process":                     {func(*rollcall.Lease) {}, beatLimit / 2, false},
		"this process, stopped for long":   {func(*rollcall.Lease) {}, beatLimit + time.Second, true},
		"a process that is gone":           {func(l *rollcall.Lease) { l.Process = 1 << 30 }, 0, true},
		"its number is another's now":      {func(l *rollcall.Lease) { l.Started = "1" }, 0, true},
		"another host, lately":             {func(l *rollcall.Lease) { l.Host = "elsewhere" }, beatLimit / 2, false},
		"another host, long ago":           {func(l *rollcall.Lease) { l.Host = "elsewhere" }, beatLimit + time.Second, true},
		"this host before it was rebooted": {func(l *rollcall.Lease) { l.Boot = "x" }, beatLimit + time.Second, true},
		"another container, lately":        {func(l *rollcall.Lease) { l.Boot = strings.Split(l.Boot, " ")[0] + " pid:[1]" }, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecord(t)
			holder(t, r, c.change)
			_, lease, state, err := Take(t.Context(), late{r, c.age}, "production", "ada", "", nil)
			if !c.dead {
				if rollcall.KindOf(err) != rollcall.KindConflict {
					t.Fatalf("Take = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer lease.stop(nil)
			if open := state.Open(); open == nil || open.Roll != 1 || state.Lease.By != "ada" {
				t.Errorf("the state is %+v", state)
			}
		})
	}
}

func TestTheOneWhoLostItsLeaseIsTold(t *testing.T) {
	r := newRecord(t)
	_, mine, state, err := Take(t.Context(), r, "production", "ada", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream := rollcall.EnvironmentStream("production")
	if _, err := r.Append(t.Context(), stream, state.Seq, rollcall.NewEvent(rollcall.EventLeaseTaken, self("bo", ""))); err != nil {
		t.Fatal(err)
	}
	if err := mine.Release(t.Context(), state.Seq, rollcall.NewEvent(rollcall.EventRollFinished, rollcall.RollFinished{})); rollcall.KindOf(err) != rollcall.KindConflict {
		t.Errorf("Release = %v", err)
	}
	events, err := r.Read(t.Context(), stream, 0)
	if err != nil || len(events) != 2 {
		t.Errorf("there are %d events, %v", len(events), err)
	}
}

func TestALostLeaseEndsTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{streams: map[string][]rollcall.Event{}}
		held, lease, state, err := Take(t.Context(), m, "production", "ada", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * beatEvery)
		synctest.Wait()
		if held.Err() != nil || m.beats < 2 {
			t.Fatalf("%v after %d beats", context.Cause(held), m.beats)
		}
		if _, err := m.Append(t.Context(), rollcall.EnvironmentStream("production"), state.Seq, rollcall.NewEvent(rollcall.EventLeaseTaken, self("bo", ""))); err != nil {
			t.Fatal(err)
		}
		<-held.Done()
		if !errors.Is(context.Cause(held), errSuperseded) {
			t.Errorf("the cause is %v", context.Cause(held))
		}
		<-lease.done
	})
}

// memory is a record without a clock of its own, for synctest.
type memory struct {
	rollcall.Record
	mu      sync.Mutex
	streams map[string][]rollcall.Event
	beats   int
	gate    chan struct{} // where not nil, an append waits for it
	appends int
}

func (m *memory) ID() string { return "memory" }

func (m *memory) Append(_ context.Context, stream string, after int64, events ...rollcall.Event) (int64, error) {
	if m.gate != nil {
		<-m.gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.appends++
	if int64(len(m.streams[stream])) != after {
		return 0, rollcall.ErrSequence
	}
	for _, e := range events {
		after++
		e.Stream, e.Seq, e.At = stream, after, time.Now()
		m.streams[stream] = append(m.streams[stream], e)
	}
	return after, nil
}

func (m *memory) Read(_ context.Context, stream string, after int64) ([]rollcall.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]rollcall.Event(nil), m.streams[stream][after:]...), nil
}

func (m *memory) Beat(context.Context, string, int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.beats++
	return nil
}
