package torture

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/test/fleet"
)

// desking is one command on a desk, that is killed wherever it can be.
type desking struct {
	name string
	// before are the commands that lead to it, rest those that end the day after it: names
	// of changesets stand for their ids.
	before, rest []string
	command      string
	exit         int
	short        bool // it is of the short form
	cold         bool // nothing was ever merged here
}

// What a command that has had its effect says when it is given again: nothing is to be
// done.
const doneAlready = 4

var deskings = []desking{
	{name: "merge", command: "merge www css last", cold: true, rest: []string{"commit www"}},
	{name: "merge with a check", command: "merge www css login", before: []string{"avail www"}, rest: []string{"commit www"}},
	{name: "merge with conflicts", command: "merge www css clash", exit: 4, before: []string{"avail www"}, rest: []string{
		"resolve www css/c.css --take theirs", "resolve www css/d.css --take production", "commit www",
	}},
	{name: "resolve", command: "resolve www css/c.css --take theirs", before: []string{"4 merge www clash last"}, rest: []string{
		"resolve www css/d.css --take production", "commit www",
	}},
	{name: "resolve the last", command: "resolve www css/d.css --take production", before: []string{
		"4 merge www clash last", "resolve www css/c.css --take theirs",
	}, rest: []string{"commit www"}},
	{name: "commit", command: "commit www -m note", before: []string{"merge www css login"}, short: true},
	{name: "commit of a resolution", command: "commit www", before: []string{
		"4 merge www clash css", "resolve www css/c.css --take theirs", "resolve www css/d.css --take production",
	}},
	{name: "commit in doubt", command: "commit www", before: []string{"merge www css login", "-1 commit www"}},
	{name: "abandon", command: "abandon www", before: []string{"merge www css"}, rest: []string{"merge www last", "commit www"}},
	{name: "block", command: "block www last --why late", before: []string{"avail www"}},
	{name: "back-out", command: "back-out www css", before: []string{"merge www css login", "commit www"}, rest: []string{"commit www"}},
	{name: "commit of a back-out", command: "commit www", before: []string{"merge www css login", "commit www", "back-out www css"}},
	{name: "land", command: "land www x", before: []string{"avail www"}, rest: []string{"commit www"}},
	{name: "commit of a branch", command: "commit www", before: []string{"land www x"}},
}

// Every command of the desk is killed before and after each of its writes to the record,
// and at the start and the end of each program that it starts, with its process group and
// alone; then a person looks at the desk and gives the same command again, and the day
// goes on. It must end exactly as the undisturbed one.
func TestDeskKilledOnGit(t *testing.T) { deskMatrix(t, "git") }
func TestDeskKilledOnSVN(t *testing.T) { deskMatrix(t, "svn") }

func deskMatrix(t *testing.T, vcs string) {
	t.Parallel()
	for _, d := range deskings {
		if d.short || *all {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				d.kill(t, fleet.NewDesk(t, vcs, programsFor(t)))
			})
		}
	}
}

// deskPosition is where a command is killed: at an event, or at a child.
type deskPosition struct {
	event *fleet.Position
	child fleet.Child
	phase fleet.Phase
}

func (p deskPosition) String() string {
	if p.event != nil {
		return p.event.String()
	}
	return fmt.Sprintf("%s %s", p.phase, p.child)
}

func (d desking) kill(t *testing.T, w *fleet.DeskWorld) {
	w.Wrap()
	if !d.cold {
		for _, text := range d.before {
			d.prepare(w, text)
		}
	}
	w.Save()

	// The undisturbed day.
	if r, _ := w.Counted(w.Words(d.command)...); r.Exit != d.exit {
		t.Fatalf("undisturbed it ended with %d, want %d\n%s%s", r.Exit, d.exit, r.Out, r.Err)
	}
	children, after := w.Calls(), w.DeskDigest()
	d.goOn(w)
	is := w.Digest()
	if unsound := w.Unsound(); len(unsound) > 0 {
		t.Fatalf("undisturbed: %s", strings.Join(unsound, "\n"))
	}
	events := []fleet.Position{{Event: rollcall.EventDeskCommitting, Nth: 1}}
	if *all {
		w.Restore()
		events = w.Trace(nil, w.Words(d.command)...).Events
	}

	positions := d.positions(w.VCS, children, events)
	began := time.Now()
	tried, done, missed := inPieces(t, positions, func(t *testing.T, p deskPosition) bool { return d.round(t, w.For(t), p, after, is) })
	t.Logf("COUNT: %s on %s, killed at %d of %d positions (%d events, %d programs), as it should be after %d, not reached %d, in %.0f s",
		d.name, w.VCS, tried, len(positions), len(events), len(children), done, missed, time.Since(began).Seconds())
}

// inPieces tries the positions that are asked for, and counts those that ended as they
// should and those that were not reached.
func inPieces[P fmt.Stringer](t *testing.T, positions []P, round func(t *testing.T, p P) (reached bool)) (tried, done, missed int) {
	began := time.Now()
	for i := *from - 1; i < len(positions); i++ {
		if *within > 0 && time.Since(began) > *within {
			t.Logf("NEXT: -torture.from %d", i+1)
			break
		}
		tried++
		reached := true
		ok := t.Run(positions[i].String(), func(t *testing.T) { reached = round(t, positions[i]) })
		switch {
		case !reached:
			missed++
		case ok:
			done++
		}
	}
	return tried, done, missed
}

// Rollcall and all that it has started are killed at one moment, wherever they are: also in
// the middle of what git and svn do.
func TestDeskKilledAnywhereOnGit(t *testing.T) { killAnywhere(t, "git") }
func TestDeskKilledAnywhereOnSVN(t *testing.T) { killAnywhere(t, "svn") }

// anywhere is at how many moments of its time a command is killed.
const anywhere = 25

func killAnywhere(t *testing.T, vcs string) {
	needsAll(t)
	t.Parallel()
	for _, d := range deskings {
		switch d.name {
		case "merge", "merge with conflicts", "commit of a resolution", "commit of a branch":
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				d.killAnywhere(t, fleet.NewDesk(t, vcs, programsFor(t)))
			})
		}
	}
}

func (d desking) killAnywhere(t *testing.T, w *fleet.DeskWorld) {
	if !d.cold {
		for _, text := range d.before {
			d.prepare(w, text)
		}
	}
	w.Save()
	began := time.Now()
	w.Must(d.exit, w.Words(d.command)...)
	takes := time.Since(began)
	after := w.DeskDigest()
	d.goOn(w)
	is := w.Digest()
	done, missed := 0, 0
	for i := range anywhere {
		w.Restore()
		late := takes * time.Duration(i+1) / (anywhere + 1)
		ok := t.Run(fmt.Sprintf("after %d of %d", i+1, anywhere+1), func(t *testing.T) {
			w, began := w.For(t), time.Now()
			if _, killed := w.KillAfter(late, w.Words(d.command)...); !killed {
				missed++
				takes = time.Since(began) // others have left it more of the machine
			}
			d.takeUp(t, w, "within "+d.command, false, after, is)
		})
		if ok {
			done++
		}
	}
	t.Logf("COUNT: %s on %s, killed with all below it at %d moments of %s (%d came too late): as it should be after %d",
		d.name, w.VCS, anywhere, takes.Round(time.Millisecond), missed, done)
}

// prepare runs a command that leads to the one that is tried: with the exit code that it
// begins with, or killed where that is -1.
func (d desking) prepare(w *fleet.DeskWorld, text string) {
	code := 0
	if rest, ok := strings.CutPrefix(text, "-1 "); ok {
		w.Trace(&fleet.Position{Event: rollcall.EventDeskCommitting, Nth: 1, Phase: fleet.After}, w.Words(rest)...)
		return
	}
	if rest, ok := strings.CutPrefix(text, "4 "); ok {
		code, text = 4, rest
	}
	w.Must(code, w.Words(text)...)
}

func (d desking) goOn(w *fleet.DeskWorld) {
	for _, text := range d.rest {
		d.prepare(w, text)
	}
}

// positions are all, or the most telling ones: around what is done last. On Subversion,
// where each takes seconds, the end of a program that only reads is left out: the start of
// the next one is the same moment.
func (d desking) positions(vcs string, children []fleet.Child, events []fleet.Position) (positions []deskPosition) {
	for _, e := range events {
		for _, phase := range []fleet.Phase{fleet.Before, fleet.After} {
			if phase == fleet.Before && !*all {
				continue
			}
			at := e
			at.Phase = phase
			positions = append(positions, deskPosition{event: &at})
		}
	}
	for _, c := range children {
		effect := c.Effect()
		if !*all && c.Words != "git push" && c.Words != "svn commit" {
			continue
		}
		if *all {
			positions = append(positions, deskPosition{child: c, phase: fleet.Before})
		}
		if effect || vcs == "git" {
			positions = append(positions, deskPosition{child: c, phase: fleet.After})
		}
		if effect {
			positions = append(positions, deskPosition{child: c, phase: fleet.Orphaned})
		}
	}
	return positions
}

// round kills one run, takes it up as a person does, and compares.
func (d desking) round(t *testing.T, w *fleet.DeskWorld, p deskPosition, after, is fleet.Digest) (reached bool) {
	w.Restore()
	words := w.Words(d.command)
	var r fleet.Result
	if p.event != nil {
		traced := w.Trace(p.event, words...)
		r, reached = traced.Result, traced.Killed
	} else {
		r, reached = w.KillChild(p.child, p.phase, words...)
	}
	if p.phase == fleet.After && r.Exit == d.exit {
		reached = false // it answers for as long as rollcall lives, and may outlive it
	}
	if reached && r.Exit != -1 && p.event == nil {
		t.Fatalf("it was not killed: the run ended with %d\n%s\n%s", r.Exit, r.Out, r.Err)
	}
	if !reached && p.event != nil || !reached && r.Exit != d.exit {
		t.Fatalf("it was never reached: the run ended with %d\n%s\n%s", r.Exit, r.Out, r.Err)
	}
	d.takeUp(t, w, p.String(), p.phase == fleet.Orphaned, after, is)
	return reached
}

// takeUp is what a person does then: he looks, and gives the same command again, or the
// one that he is told to give; and the day goes on.
func (d desking) takeUp(t *testing.T, w *fleet.DeskWorld, where string, orphans bool, after, is fleet.Digest) {
	t.Helper()
	w.Must(0, "desk", "www")
	next := w.Words(d.command)
	if w.Desk().Committing != nil {
		next = w.Words("commit www")
	}
	said := d.again(w, next, orphans)
	w.Settle()
	if differs := w.DeskDigest().Against(after); differs != "" {
		t.Errorf("after a kill %s, and once more: %s\nit said %s", where, differs, said)
	}
	d.goOn(w)
	if differs := w.Digest().Against(is); differs != "" {
		t.Errorf("at the end of the day, after a kill %s: %s", where, differs)
	}
	if unsound := w.Unsound(); len(unsound) > 0 {
		t.Errorf("after a kill %s: %s", where, strings.Join(unsound, "\n"))
	}
}

// again gives a command until it is done: at once, but where what was orphaned is still
// at work.
func (d desking) again(w *fleet.DeskWorld, words []string, patient bool) string {
	for try := 0; ; try++ {
		r := w.Run(words...)
		if r.Exit == d.exit || r.Exit == doneAlready || r.Exit == 0 && words[0] == "commit" {
			if busy := strings.Contains(r.Err, "on the desk main right now") || strings.Contains(r.Err, "another command works"); !busy {
				return r.Out + r.Err
			}
		}
		if !patient || try == 5 {
			return fmt.Sprintf("exit %d: %s\n%s", r.Exit, r.Out, r.Err)
		}
		w.Settle()
	}
}

func programsFor(t *testing.T) string {
	if *spoiled {
		return fleet.Spoiled(t, "internal/desk/commit.go",
			"err = s.append(ctx, rollcall.NewEvent(rollcall.EventDeskCommitting, rollcall.Committing{Commit: commit, Prepared: prepared, Tree: s.state.Tree}))",
			"s.state.Committing = &rollcall.Committing{Commit: commit, Prepared: prepared, Tree: s.state.Tree}")
	}
	return fleet.Programs(t)
}
