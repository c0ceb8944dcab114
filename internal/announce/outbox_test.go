package announce

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/record/sqlite"
)

// killed, in the environment, makes this program deliver from a record until it is killed.
const killed = "ROLLCALL_TEST_DELIVER"

func TestMain(m *testing.M) {
	if path := os.Getenv(killed); path != "" {
		deliverUntilKilled(path)
	}
	goleak.VerifyTestMain(m)
}

func openRecord(t *testing.T, path string) rollcall.Record {
	t.Helper()
	r, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func newRecord(t *testing.T) rollcall.Record {
	return openRecord(t, filepath.Join(t.TempDir(), "record.db"))
}

// add appends to a stream, wherever it stands, and gives its new last sequence.
func add(t *testing.T, r rollcall.Record, stream string, events ...rollcall.Event) int64 {
	t.Helper()
	before, err := r.Read(t.Context(), stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	last, err := r.Append(t.Context(), stream, int64(len(before)), events...)
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// rolled writes down a roll of production, as the engine does.
func rolled(t *testing.T, r rollcall.Record, number int, outcome rollcall.Outcome) {
	t.Helper()
	plan := fmt.Sprintf("plan%d", number)
	add(t, r, rollcall.PlanStream("production", plan), rollcall.NewEvent(rollcall.EventRollPlanned, rollcall.Plan{
		Coming: []rollcall.Changeset{{ID: "0c5e9d8f4b", Author: "Bo", Subject: fmt.Sprintf("change %d", number)}},
	}))
	add(t, r, "env/production", rollcall.NewEvent(rollcall.EventLeaseTaken, rollcall.Lease{By: "ada"}),
		rollcall.NewEvent(rollcall.EventRollStarted, rollcall.RollStarted{Environment: "production", Roll: number, Kind: rollcall.KindRoll, By: "ada", To: "77be", Plan: plan}))
	add(t, r, "env/production",
		rollcall.NewEvent(rollcall.EventRollFinished, rollcall.RollFinished{
			Outcome: outcome, Environment: "production", Roll: number, Kind: rollcall.KindRoll, By: "ada", To: "77be", Nodes: rollcall.NodeCounts{OK: 3},
		}),
		rollcall.NewEvent(rollcall.EventLeaseReleased, struct{}{}))
}

// chat is a channel in memory, which does not know what it was told before.
type chat struct {
	mu    sync.Mutex
	told  []rollcall.Notice
	fails []error // the next answers
	asked func(rollcall.Notice)
}

func (c *chat) Announce(ctx context.Context, n rollcall.Notice) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked != nil {
		c.asked(n)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(c.fails) > 0 {
		err := c.fails[0]
		c.fails = c.fails[1:]
		if err != nil {
			return err
		}
	}
	c.told = append(c.told, n)
	return nil
}

func (c *chat) Close() error { return nil }

func (c *chat) keys() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var keys []string
	for _, n := range c.told {
		keys = append(keys, bare(n.Key))
	}
	return keys
}

// bare is a key without the record's name, which every test has another.
func bare(key string) string {
	_, rest, _ := strings.Cut(key, "/")
	return rest
}

// box is an outbox with one channel, whose pauses take no time and are kept.
func box(r rollcall.Record, c *chat) (*Outbox, *[]time.Duration) {
	var pauses []time.Duration
	return &Outbox{
		Record: r, Channels: map[string]rollcall.Announcer{"devops": c}, By: "ada",
		pause: func(ctx context.Context, d time.Duration) error {
			pauses = append(pauses, d)
			return ctx.Err()
		},
	}, &pauses
}

func deliver(t *testing.T, o *Outbox, since int64) {
	t.Helper()
	if err := o.Deliver(t.Context(), "production", []string{"devops"}, since); err != nil {
		t.Fatal(err)
	}
}

func tells(t *testing.T, c *chat, want ...string) {
	t.Helper()
	if got := c.keys(); !slices.Equal(got, want) {
		t.Fatalf("told is\n%q, not\n%q", got, want)
	}
}

var (
	errDown    = rollcall.Errorf(rollcall.KindUnreachable, "it is down").WithHint("start it")
	errRefused = rollcall.Errorf(rollcall.KindRefused, "never")
	errInvalid = rollcall.Errorf(rollcall.KindInvalid, "a wrong password")
)

func TestWhatIsTold(t *testing.T) {
	r, c := newRecord(t), &chat{}
	o, _ := box(r, c)
	rolled(t, r, 1, rollcall.OutcomeDone)
	add(t, r, "env/production",
		rollcall.NewEvent(rollcall.EventRollStarted, rollcall.RollStarted{Roll: 2, Kind: rollcall.KindRollback, By: "b\x1b[1mo", To: "4a0c", Partial: "app"}),
		rollcall.NewEvent(rollcall.EventRollPaused, rollcall.RollFinished{Roll: 2, Kind: rollcall.KindRollback, By: "bo", Why: "gate", Partial: "app"}),
		rollcall.NewEvent(rollcall.EventRollInterrupted, struct{}{}))
	rolled(t, r, 3, rollcall.OutcomeRolledBack)
	deliver(t, o, 0)
	tells(t, c, "production/1/started#2", "production/1/done#3", "production/2/started#5", "production/2/paused#6",
		"production/3/started#9", "production/3/rolledback#10")
	for i, want := range []string{
		"production/1 roll started by ada: nothing → 77be\n+ 0c5e9d8f4b Bo: change 1",
		"production/1 roll done by ada: nothing → 77be, 3 of 3 nodes\n+ 0c5e9d8f4b Bo: change 1",
		"production/2 rollback started by b\ufffd[1mo: nothing → 4a0c (app only)",
		"production/2 rollback paused by bo: nothing →  (app only)\nwhy: gate",
		"production/3 roll started by ada: nothing → 77be\n+ 0c5e9d8f4b Bo: change 3",
		"production/3 roll failed and was rolled back, by ada: nothing → 77be, 3 of 3 nodes\n+ 0c5e9d8f4b Bo: change 3",
	} {
		if got := c.told[i].Text(); got != want {
			t.Errorf("told is %q, not %q", got, want)
		}
		if c.told[i].At.IsZero() || c.told[i].Changesets == nil || c.told[i].Leaving == nil {
			t.Errorf("%+v", c.told[i])
		}
	}
	deliver(t, o, 0)
	other, _ := box(r, c)
	deliver(t, other, 0)
	if len(c.told) != 6 {
		t.Errorf("told again: %q", c.keys())
	}
}

func TestANewChannelGetsNoHistory(t *testing.T) {
	r, c := newRecord(t), &chat{}
	o, _ := box(r, c)
	rolled(t, r, 1, rollcall.OutcomeDone) // events 1 to 4
	rolled(t, r, 2, rollcall.OutcomeDone)
	deliver(t, o, 4)
	tells(t, c, "production/2/started#6", "production/2/done#7")
	rolled(t, r, 3, rollcall.OutcomeDone)
	rolled(t, r, 4, rollcall.OutcomeDone)
	deliver(t, o, 12) // a channel that is known misses nothing
	tells(t, c, "production/2/started#6", "production/2/done#7", "production/3/started#10", "production/3/done#11",
		"production/4/started#14", "production/4/done#15")
}

func TestAChannelThatIsDownForAWhile(t *testing.T) {
	r, c := newRecord(t), &chat{}
	o, pauses := box(r, c)
	rolled(t, r, 1, rollcall.OutcomeDone)
	c.fails = []error{errDown, errDown, errDown, errDown, errDown, errDown, errDown, nil, errors.New("a plain error"), nil}
	deliver(t, o, 0)
	tells(t, c, "production/1/started#2", "production/1/done#3")
	if got := fmt.Sprint(*pauses); got != "[1s 2s 4s 8s 16s 30s 30s 1s]" {
		t.Errorf("the pauses are %s", got)
	}
}

func TestWhatIsStillDue(t *testing.T) {
	r, c := newRecord(t), &chat{}
	o, pauses := box(r, c)
	rolled(t, r, 1, rollcall.OutcomeDone)
	ctx, cancel := context.WithCancel(t.Context())
	c.fails = []error{errDown, errDown, errDown}
	c.asked = func(rollcall.Notice) {
		if len(c.fails) == 1 {
			cancel()
		}
	}
	err := o.Deliver(ctx, "production", []string{"devops"}, 0)
	if err == nil || !strings.Contains(err.Error(), "2 notices are still due to devops") || !strings.HasPrefix(rollcall.HintOf(err), "start it; ") {
		t.Errorf("Deliver = %v", err)
	}
	if err = o.Deliver(ctx, "production", []string{"devops"}, 0); err == nil || !strings.Contains(err.Error(), "still due") {
		t.Errorf("Deliver after the end = %v", err)
	}
	c.fails, c.asked, *pauses = []error{errInvalid}, nil, nil
	if err = o.Deliver(t.Context(), "production", []string{"devops"}, 0); rollcall.KindOf(err) != rollcall.KindInvalid || len(*pauses) != 0 {
		t.Errorf("Deliver = %v after %v", err, *pauses)
	}
	tells(t, c)
	deliver(t, o, 0)
	tells(t, c, "production/1/started#2", "production/1/done#3")
}

func TestOneChannelDoesNotHoldAnother(t *testing.T) {
	r, good, bad := newRecord(t), &chat{}, &chat{}
	o, _ := box(r, good)
	o.Channels["hook"] = bad
	rolled(t, r, 1, rollcall.OutcomeDone)
	bad.fails = []error{errInvalid}
	err := o.Deliver(t.Context(), "production", []string{"nowhere", "hook", "devops"}, 0)
	if err == nil || !strings.Contains(err.Error(), "no channel nowhere") || !strings.Contains(err.Error(), "due to hook") || strings.Contains(err.Error(), "devops") {
		t.Errorf("Deliver = %v", err)
	}
	tells(t, good, "production/1/started#2", "production/1/done#3")
}

func TestARefusedNoticeBlocksNothing(t *testing.T) {
	r, c := newRecord(t), &chat{}
	o, pauses := box(r, c)
	rolled(t, r, 1, rollcall.OutcomeDone)
	c.fails = []error{errRefused}
	deliver(t, o, 0)
	deliver(t, o, 0)
	tells(t, c, "production/1/done#3")
	events, err := r.Read(t.Context(), Stream("devops"), 0)
	if err != nil || len(*pauses) != 0 {
		t.Fatal(err, *pauses)
	}
	var types []string
	for _, e := range events {
		types = append(types, e.Type)
	}
	if got := strings.Join(types, " "); got != "notice.began notice.sending notice.refused notice.sending notice.sent" {
		t.Errorf("the record has %s", got)
	}
	var m mark
	if err := events[2].Decode(&m); err != nil || bare(m.Key) != "production/1/started#2" || m.Why != "never" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestWhatCannotBeReadIsPassedOver(t *testing.T) {
	r, c := newRecord(t), &chat{}
	o, _ := box(r, c)
	broken := func(eventType, data string) rollcall.Event {
		return rollcall.Event{Type: eventType, Data: []byte(data)}
	}
	add(t, r, "env/production", broken(rollcall.EventRollStarted, `{"roll":`), broken(rollcall.EventRollStarted, `"text"`),
		broken(rollcall.EventRollStarted, ``), broken("roll.unheard-of", `{"roll":7}`), broken(rollcall.EventRollFinished, `{}`),
		broken(rollcall.EventRollFinished, `{"roll":-1,"outcome":"done"}`), broken(rollcall.EventRollFinished, `{"roll":1,"outcome":"unheard-of"}`))
	add(t, r, Stream("devops"), broken(eventBegan, `{`), broken(eventSending, `[]`), broken(eventSent, `null`), broken("notice.unheard-of", `{"environment":"production","seq":99}`))
	add(t, r, rollcall.PlanStream("production", ""), broken(rollcall.EventRollPlanned, `{"changesets":3}`))
	rolled(t, r, 2, rollcall.OutcomeDone)
	deliver(t, o, 0)
	tells(t, c, "production/1/unheard-of#7", "production/2/started#9", "production/2/done#10")
}

func TestTwoDeliverAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	r, c := openRecord(t, path), &chat{}
	var want []string
	for i := range 6 {
		rolled(t, r, i+1, rollcall.OutcomeDone)
		want = append(want, fmt.Sprintf("production/%d/started#%d", i+1, 4*i+2), fmt.Sprintf("production/%d/done#%d", i+1, 4*i+3))
	}
	c.fails = []error{nil, errDown, nil, nil, errDown, nil}
	var wait sync.WaitGroup
	for range 3 {
		// The one whose channel was down gives way: it does not hold the others for half a minute.
		o := &Outbox{Record: openRecord(t, path), Channels: map[string]rollcall.Announcer{"devops": c}, pause: func(context.Context, time.Duration) error { return nil }}
		wait.Go(func() { deliver(t, o, 0) })
	}
	wait.Wait()
	tells(t, c, want...)
}

// Between the sending and the writing down, the process is killed.
func TestKilledWhileSending(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	r, c := openRecord(t, path), &chat{}
	rolled(t, r, 1, rollcall.OutcomeDone)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), killed+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	child.Process.Kill()
	child.Wait()
	if err != nil || bare(line) != "production/1/started#2\n" {
		t.Fatalf("the child told %q, %v", line, err)
	}
	o, _ := box(r, c)
	deliver(t, o, 0)
	tells(t, c, "production/1/started#2", "production/1/done#3") // the first again, under its key
}

type stuck struct{ chat }

func (*stuck) Announce(_ context.Context, n rollcall.Notice) error {
	fmt.Println(n.Key)
	select {}
}

func deliverUntilKilled(path string) {
	r, err := sqlite.Open(context.Background(), path)
	if err == nil {
		o := &Outbox{Record: r, Channels: map[string]rollcall.Announcer{"devops": &stuck{}}}
		err = o.Deliver(context.Background(), "production", []string{"devops"}, 0)
	}
	fmt.Fprintln(os.Stderr, "not killed:", err)
	os.Exit(1)
}

// aged makes whatever is asked for look old.
type aged struct {
	rollcall.Record
	age time.Duration
}

func (a aged) LastBeat(context.Context, string, int64) (time.Time, time.Time, error) {
	now := time.Now()
	return now.Add(-a.age), now, nil
}

func TestWhoSendsIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*process)
		age    time.Duration
		waits  bool
	}{
		"a live process, lately":      {func(*process) {}, time.Second, true},
		"a live process, long ago":    {func(*process) {}, abandonedAfter, false},
		"a process that is gone":      {func(p *process) { p.Process = 1 << 30 }, 0, false},
		"its number is another's now": {func(p *process) { p.Started = "1" }, 0, false},
		"another host, lately":        {func(p *process) { p.Host = "elsewhere" }, time.Second, true},
		"another host, long ago":      {func(p *process) { p.Host = "elsewhere" }, abandonedAfter, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, channel := newRecord(t), &chat{}
			rolled(t, r, 1, rollcall.OutcomeDone)
			other := sending{mark: mark{Key: r.ID() + "/production/1/started#2", Environment: "production", Seq: 2}, Process: self("bo")}
			c.change(&other.Process)
			last := add(t, r, Stream("devops"), rollcall.NewEvent(eventBegan, mark{Environment: "production"}), rollcall.NewEvent(eventSending, other))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			waiting := &watched{Record: aged{r, c.age}, follow: make(chan struct{}, 10)}
			o, _ := box(waiting, channel)
			done := make(chan error, 1)
			go func() { done <- o.Deliver(ctx, "production", []string{"devops"}, 0) }()
			if !c.waits {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				tells(t, channel, "production/1/started#2", "production/1/done#3")
				return
			}
			<-waiting.follow
			tells(t, channel)
			if _, err := r.Append(t.Context(), Stream("devops"), last, rollcall.NewEvent(eventSent, other.mark)); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			tells(t, channel, "production/1/done#3") // the other has told the first
		})
	}
}

func TestWaitingForAnotherEndsWithTheContext(t *testing.T) {
	r, channel := newRecord(t), &chat{}
	rolled(t, r, 1, rollcall.OutcomeDone)
	other := sending{mark: mark{Key: r.ID() + "/production/1/started#2", Environment: "production", Seq: 2}, Process: self("bo")}
	add(t, r, Stream("devops"), rollcall.NewEvent(eventBegan, mark{Environment: "production"}), rollcall.NewEvent(eventSending, other))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waiting := &watched{Record: r, follow: make(chan struct{}, 10)}
	o, _ := box(waiting, channel)
	done := make(chan error, 1)
	go func() { done <- o.Deliver(ctx, "production", []string{"devops"}, 0) }()
	<-waiting.follow
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "bo (process ") || !strings.Contains(err.Error(), "2 notices are still due") {
		t.Errorf("Deliver = %v", err)
	}
}

// watched tells when somebody waits.
type watched struct {
	rollcall.Record
	follow chan struct{}
}

func (w *watched) Follow(ctx context.Context, stream string, after int64, fn func(rollcall.Event) error) error {
	w.follow <- struct{}{}
	return w.Record.Follow(ctx, stream, after, fn)
}
