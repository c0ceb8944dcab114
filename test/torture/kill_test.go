package torture

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/test/fleet"
)

// killSite has everything of which an end in the middle could leave a half: two tiers,
// batches, a drain, a claim, hooks once a roll, an activation, probes, a soak, limits.
const killSite = `keep: 3
before:
  - {on: controller, sh: 'echo "before $ROLLCALL_ROLL" >>../hooks'}
after:
  - {on: app1, sh: 'echo "after $ROLLCALL_ROLL" >>../../../hooks'}
limits: {unreachable: 1, failed: 0}
tiers:
  cdn:
    keep_old_files: {files: ["assets/*"], for: 24h}
  app:
    batch: [1, 2]
    min_in_service: 1
    drain: {haproxy: "{{haproxy}}", backend: app, wait: 10s}
    activate: {sh: 'mkdir -p ../../shared && echo "$ROLLCALL_RELEASE" >../../shared/activated'}
    verify:
      - http: http://{address}:{web}/health
        within: 200ms
    soak: 50ms
`

func fine(n int) map[string]string { return fleet.Page(n, false) }
func sick(n int) map[string]string { return fleet.Page(n, true) }

// A controller is killed at every event of the journal, before it is written and right
// after, and whoever comes then must bring the world to exactly where it would be: with
// resume to where the undisturbed run leaves it, with abort to where it was.
func TestKilledThenResumed(t *testing.T) { killMatrix(t, rolled, "resume") }
func TestKilledThenAborted(t *testing.T) { killMatrix(t, rolled, "abort") }

func TestRollbackKilledThenResumed(t *testing.T) { killMatrix(t, rolledBack, "resume") }
func TestRollbackKilledThenAborted(t *testing.T) {
	needsAll(t)
	killMatrix(t, rolledBack, "abort")
}

// A roll whose code does not work goes back by itself, and is killed on that way.
func TestGoingBackKilledThenResumed(t *testing.T) { killMatrix(t, goingBack, "resume") }

// Whoever takes over is killed too.
func TestResumeKilledThenResumed(t *testing.T) {
	needsAll(t)
	killMatrix(t, takenOver("resume"), "resume")
}

func TestAbortKilledThenAborted(t *testing.T) {
	needsAll(t)
	killMatrix(t, takenOver("abort"), "abort")
}

// matrix is one command that is killed at each of its positions.
type matrix struct {
	name string
	// begin makes what a round begins with, and tells from where to where it goes.
	begin func(w *fleet.World) (before, next *fleet.Commit)
	args  []string
	exit  int      // of the command that nobody kills
	from  string   // positions before this event are another matrix's
	short []string // the kinds of events of the short form; nil: all
	open  bool     // begin leaves a roll open, and the command takes it up
}

var rolled = matrix{
	name: "roll",
	begin: func(w *fleet.World) (before, next *fleet.Commit) {
		before = w.Live(w.Nodes[0])
		return before, w.Repo.Commit(fine)
	},
	args: []string{"roll", "--accept-risk=rolled-back"},
}

var rolledBack = matrix{
	name: "rollback",
	begin: func(w *fleet.World) (before, next *fleet.Commit) {
		before = w.Repo.Commit(fine)
		w.Must(0, "roll", fleet.Environment, "--yes", "--accept-risk=rolled-back")
		earlier := w.State().Before
		return before, w.CommitOf(string(earlier[len(earlier)-1].Release))
	},
	args:  []string{"rollback"},
	short: []string{rollcall.EventRollStarted, rollcall.EventNodePrefix + "switching", rollcall.EventNodePrefix + "switched"},
}

var goingBack = matrix{
	name: "roll that goes back",
	begin: func(w *fleet.World) (before, next *fleet.Commit) {
		before = w.Live(w.Nodes[0])
		return before, w.Repo.Commit(sick)
	},
	args: []string{"roll", "--accept-risk=rolled-back"},
	exit: 6, from: rollcall.EventRollingBack,
}

// takenOver is a roll whose controller died with one node switched, another about to be,
// and more to come.
func takenOver(verb string) matrix {
	return matrix{
		name: verb,
		begin: func(w *fleet.World) (before, next *fleet.Commit) {
			before = w.Live(w.Nodes[0])
			next = w.Repo.Commit(fine)
			w.Trace(&fleet.Position{Event: rollcall.EventNodePrefix + "switching app1", Nth: 1, Phase: fleet.After}, rolled.command("")...)
			return before, next
		},
		args: []string{verb}, open: true,
	}
}

func (m matrix) command(verb string) []string {
	if verb != "" {
		return []string{verb, fleet.Environment, "--yes"}
	}
	return append(slices.Clone(m.args), fleet.Environment, "--yes")
}

func killMatrix(t *testing.T, m matrix, verb string) {
	t.Parallel()
	app, site := 3, killSite
	if !*all {
		app, site = 2, strings.Replace(killSite, "[1, 2]", "[1, 1]", 1)
	}
	w := fleet.New(t, fleet.Options{CDN: 1, App: app, Site: site})
	for range 2 {
		w.Repo.Commit(fine)
		w.Must(0, "roll", fleet.Environment, "--yes")
	}

	m.begin(w) // the first round has no hold that an earlier one has left
	w.Must(m.exit, m.command("")...)

	// What an undisturbed run does, and how the world stands before and after it.
	old, next := m.begin(w)
	was := w.Digest(old, next)
	whole := w.Trace(nil, m.command("")...)
	if whole.Exit != m.exit {
		t.Fatalf("an undisturbed run ended with %d, want %d\n%s%s", whole.Exit, m.exit, whole.Out, whole.Err)
	}
	is := w.Digest(old, next)
	positions := m.positions(whole.Events)
	t.Logf("an undisturbed run makes %d writes and %d syncs of the record for %d events\n%s", whole.Writes, whole.Syncs, len(whole.Events), is)
	done := 0
	began := time.Now()
	for _, p := range positions {
		if ok := t.Run(p.String(), func(t *testing.T) { m.round(t, w, p, verb, was, is) }); ok {
			done++
		} else { // a clean slate for the next
			w.Run("roll", fleet.Environment, "--yes", "--accept-risk=interrupted,rolled-back")
		}
	}
	w.Repo.Commit(fine)
	w.Must(0, "roll", fleet.Environment, "--yes", "--accept-risk=interrupted,rolled-back")
	if left := w.Leftovers(); len(left) > 0 {
		t.Errorf("after a further roll there is still %v", left)
	}
	t.Logf("COUNT: %s, killed at %d positions, then %s: as it should be after %d, in %.0f s", m.name, len(positions), verb, done, time.Since(began).Seconds())
}

// positions are two for each event, or in the short form one for each kind: an intent's
// is right after it, a result's right before.
func (m matrix) positions(events []fleet.Position) (positions []fleet.Position) {
	if m.from != "" {
		i := slices.IndexFunc(events, func(p fleet.Position) bool { return p.Event == m.from })
		events = events[max(i, 0):]
	}
	kinds := map[string]bool{}
	for _, e := range events {
		switch e.Kind() {
		case rollcall.EventLeaseTaken, rollcall.EventLeaseReleased, rollcall.EventHoldSet, rollcall.EventHoldLifted:
			continue // in one transaction with what is begun or ended with it
		}
		if *all {
			for _, phase := range []fleet.Phase{fleet.Before, fleet.After} {
				e.Phase = phase
				positions = append(positions, e)
			}
			continue
		}
		if kinds[e.Kind()] || m.short != nil && !slices.Contains(m.short, e.Kind()) {
			continue
		}
		kinds[e.Kind()] = true
		e.Phase = phaseOf(e.Kind())
		positions = append(positions, e)
	}
	return positions
}

func phaseOf(kind string) fleet.Phase {
	switch kind {
	case rollcall.EventNodePrefix + "prepared", rollcall.EventNodePrefix + "switched", rollcall.EventNodePrefix + "ok", rollcall.EventNodePrefix + "reverted",
		rollcall.EventHookFinished, rollcall.EventReleased, rollcall.EventRollFinished:
		return fleet.Before
	default:
		return fleet.After
	}
}

// round kills one run, lets somebody take it up, and compares.
func (m matrix) round(t *testing.T, w *fleet.World, p fleet.Position, verb string, was, is fleet.Digest) {
	w = w.For(t)
	old, next := m.begin(w)
	if *all && !m.open { // what lies open may have come one step further or less
		if differs := w.Digest(old, next).WithoutTraces().Against(was.WithoutTraces()); differs != "" {
			t.Fatalf("the round does not begin as the undisturbed one\n%s", differs)
		}
	}
	killed := w.Trace(&p, m.command("")...)
	if !killed.Killed {
		t.Fatalf("it was never reached: the run ended with %d after %d events\n%s%s", killed.Exit, len(killed.Events), killed.Out, killed.Err)
	}
	recorded := w.Recorded(killed.Began)
	nth := 0
	for _, label := range recorded {
		if label == p.Event {
			nth++
		}
	}
	if p.Kind() != rollcall.EventRollPlanned && (nth >= p.Nth) != (p.Phase == fleet.After) {
		t.Fatalf("killed %s, and the record has it %d times", p, nth)
	}
	begun, ended := m.open || slices.Contains(recorded, rollcall.EventRollStarted), slices.Contains(recorded, rollcall.EventRollFinished)
	number := w.State().Rolls
	want, exit := is, m.exit
	if verb == "abort" {
		want, exit = was, 0
	}
	if !begun || ended { // nothing is open
		exit = 4
	}
	if ended || m.open {
		want = is
	}
	if !*stub {
		took := w.Run(m.command(verb)...)
		if took.Exit != exit {
			t.Errorf("%s ended with %d, want %d\n%s%s", verb, took.Exit, exit, took.Out, took.Err)
		}
		if !begun && verb == "resume" {
			w.Must(m.exit, m.command("")...)
			number = w.State().Rolls
		}
	}
	got := w.Digest(old, next)
	if verb == "abort" {
		got, want = got.WithoutTraces(), want.WithoutTraces()
	}
	if differs := got.Against(want); differs != "" {
		t.Errorf("%s after a kill %s\n%s", verb, p, differs)
	}
	if verb == "resume" && m.exit == 0 && slices.Contains(m.args, "roll") && !*stub {
		hooksOnce(t, w, p, number)
	}
}

// hooksOnce finds that what runs once a roll did: twice only where it was killed between
// the hook's end and the word of it.
func hooksOnce(t *testing.T, w *fleet.World, p fleet.Position, number int) {
	for when, file := range map[string]string{"before": w.Path("hooks"), "after": w.Path("app1", "hooks")} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		ran, most := bytes.Count(b, fmt.Appendf(nil, "%s %d\n", when, number)), 1
		if strings.HasPrefix(p.Event, rollcall.EventHookFinished+" "+when) && p.Phase == fleet.Before {
			most = 2
		}
		if ran < 1 || ran > most {
			t.Errorf("the %s hook of roll %d ran %d times, want at most %d", when, number, ran, most)
		}
	}
}
