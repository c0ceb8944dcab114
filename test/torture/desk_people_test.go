package torture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/test/fleet"
)

// What is not a kill: two at once, a server that dies before it answers, and a commit in
// doubt whose world has changed.
func TestDeskSharedOnGit(t *testing.T) { deskShared(t, "git") }
func TestDeskSharedOnSVN(t *testing.T) { deskShared(t, "svn") }

var sharings = []struct {
	name  string
	short bool
	try   func(t *testing.T, w *fleet.DeskWorld, is fleet.Digest)
}{
	{"two commits at once", true, twoCommits},
	{"two commits of two states", false, twoStates},
	{"a server that dies before it answers", true, deaf},
	{"a server that is gone then", false, gone},
	{"a commit in doubt that went through, and others since", false, doubtDone},
	{"a commit in doubt that did not, and others since", false, doubtUndone},
	{"a commit in doubt that went through, and no mirror", false, func(t *testing.T, w *fleet.DeskWorld, is fleet.Digest) { doubtBare(t, w, is, fleet.After) }},
	{"a commit in doubt that did not, and no mirror", false, func(t *testing.T, w *fleet.DeskWorld, is fleet.Digest) { doubtBare(t, w, is, fleet.Before) }},
	{"one that stands still", false, stillOne},
	{"another person", false, another},
}

func deskShared(t *testing.T, vcs string) {
	t.Parallel()
	w := fleet.NewDesk(t, vcs, programsFor(t))
	w.Wrap()
	w.Must(0, w.Words("merge www css login")...)
	w.Save()
	w.Must(0, "commit", "www")
	is := w.Digest()
	done, tried := 0, 0
	for _, s := range sharings {
		if !s.short && !*all {
			continue
		}
		tried++
		w.Restore()
		w.Back()
		ok := t.Run(s.name, func(t *testing.T) {
			w := w.For(t)
			s.try(t, w, is)
			w.Settle()
			if unsound := w.Unsound(); len(unsound) > 0 {
				t.Error(strings.Join(unsound, "\n"))
			}
		})
		if ok {
			done++
		}
	}
	t.Logf("COUNT: two at once and commits in doubt on %s: %d of %d as it should be", vcs, done, tried)
}

func same(t *testing.T, got, want fleet.Digest) {
	t.Helper()
	if differs := got.Against(want); differs != "" {
		t.Errorf("it is not as after one commit\n%s", differs)
	}
}

func ended(t *testing.T, r fleet.Result, exit int, says string) {
	t.Helper()
	if r.Exit != exit || !strings.Contains(r.Out+r.Err, says) {
		t.Errorf("it ended with %d, want %d and %q\n%s\n%s", r.Exit, exit, says, r.Out, r.Err)
	}
}

// committing is the program that brings the commit to the repository.
func committing(w *fleet.DeskWorld) fleet.Child {
	_, children := w.Counted("commit", "www")
	w.Restore()
	for _, c := range children {
		if c.Words == "git push" || c.Words == "svn commit" {
			return c
		}
	}
	return fleet.Child{}
}

func twoCommits(t *testing.T, w *fleet.DeskWorld, is fleet.Digest) {
	times := 1
	if *all {
		times = 5
	}
	for range times {
		w.Restore()
		one, two := w.Start("commit", "www"), w.Start("commit", "www")
		a, b := one.Wait(), two.Wait()
		if a.Exit != 0 {
			a, b = b, a
		}
		ended(t, a, 0, "committed to")
		if b.Exit != 4 || !strings.Contains(b.Err, "nothing on the desk") && !strings.Contains(b.Err, "another command works") {
			t.Errorf("the other ended with %d\n%s\n%s", b.Exit, b.Out, b.Err)
		}
		same(t, w.Digest(), is)
	}
}

// twoStates are those of two hosts, each with the same on its desk.
func twoStates(t *testing.T, w *fleet.DeskWorld, is fleet.Digest) {
	other := []string{"--state", w.Path("tmp", "other")}
	w.Must(0, append(w.Words("merge www css login"), other...)...)
	one, two := w.Start("commit", "www"), w.Start(append([]string{"commit", "www"}, other...)...)
	a, b := one.Wait(), two.Wait()
	loser := other
	if a.Exit != 0 {
		a, b, loser = b, a, nil
	}
	ended(t, a, 0, "committed to")
	ended(t, b, 4, "moved")
	if left := w.Must(0, append([]string{"desk", "www"}, loser...)...); strings.Contains(left.Out, "interrupted") || strings.Contains(left.Out, "nothing on it") {
		t.Errorf("the loser's desk: %s", left.Out)
	}
	w.Must(0, append([]string{"abandon", "www"}, loser...)...)
	same(t, w.Digest(), is)
}

func deaf(t *testing.T, w *fleet.DeskWorld, is fleet.Digest) {
	r, reached := w.KillChild(committing(w), fleet.Deaf, "commit", "www")
	if !reached {
		t.Fatal("it was never reached")
	}
	ended(t, r, 0, "committed to")
	same(t, w.Digest(), is)
}

func gone(t *testing.T, w *fleet.DeskWorld, is fleet.Digest) {
	r, reached := w.KillChild(committing(w), fleet.Gone, "commit", "www")
	if !reached {
		t.Fatal("it was never reached")
	}
	ended(t, r, 1, "")
	w.Back()
	ended(t, w.Run("desk", "www"), 0, "a commit was interrupted")
	for _, text := range []string{"merge www last", "abandon www", "back-out www css", "land www x"} {
		ended(t, w.Run(w.Words(text)...), 4, "rollcall commit www finds out")
	}
	ended(t, w.Run("commit", "www"), 0, "committed to")
	same(t, w.Digest(), is)
}

// inDoubt leaves a commit of which nobody knows how it ended.
func inDoubt(t *testing.T, w *fleet.DeskWorld, phase fleet.Phase) {
	t.Helper()
	if r, reached := w.KillChild(committing(w), phase, "commit", "www"); !reached || r.Exit != -1 || w.Desk().Committing == nil {
		t.Fatalf("there is no commit in doubt: exit %d\n%s\n%s", r.Exit, r.Out, r.Err)
	}
}

func doubtDone(t *testing.T, w *fleet.DeskWorld, _ fleet.Digest) {
	inDoubt(t, w, fleet.After)
	w.Elsewhere()
	want := strings.Count(string(w.Digest()), "css")
	ended(t, w.Run("commit", "www"), 0, "committed to")
	if got := strings.Count(string(w.Digest()), "css"); got > want {
		t.Errorf("it was committed again\n%s", w.Digest())
	}
	if w.Desk().Open() {
		t.Error("the desk is not free")
	}
	ended(t, w.Run("avail", "www", "--state", "integrated"), 0, "login")
}

func doubtUndone(t *testing.T, w *fleet.DeskWorld, _ fleet.Digest) {
	inDoubt(t, w, fleet.Before)
	w.Elsewhere()
	ended(t, w.Run("commit", "www"), 4, "moved")
	if w.Desk().Committing != nil || !w.Desk().Open() {
		t.Error("the desk is not as it was before")
	}
	w.Must(0, "merge", "www")
	ended(t, w.Run("commit", "www"), 0, "committed to")
	if left := w.Run("avail", "www", "--state", "eligible"); strings.Contains(left.Out, "login") {
		t.Errorf("it is not in the ledger\n%s", left.Out)
	}
}

func doubtBare(t *testing.T, w *fleet.DeskWorld, is fleet.Digest, phase fleet.Phase) {
	inDoubt(t, w, phase)
	state := w.Path("site", ".rollcall")
	all, err := os.ReadDir(state)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if !strings.HasPrefix(e.Name(), "record.db") {
			os.RemoveAll(filepath.Join(state, e.Name()))
		}
	}
	r := w.Run("commit", "www")
	if w.VCS == "git" && phase == fleet.Before { // what was prepared was in the mirror
		ended(t, r, 4, "never committed")
		r = w.Run("commit", "www")
	}
	ended(t, r, 0, "committed to")
	same(t, w.Digest(), is)
}

// stillOne is one process on the desk that stands still while another comes.
func stillOne(t *testing.T, w *fleet.DeskWorld, is fleet.Digest) {
	for _, p := range []fleet.Position{{Event: rollcall.EventDeskCommitting, Nth: 1, Phase: fleet.After}, {Event: rollcall.EventDeskCommitted, Nth: 1, Phase: fleet.Before}} {
		w.Restore()
		f := w.Freeze(p, "commit", "www")
		if p.Phase == fleet.After { // in a transaction it would keep the record
			for _, text := range []string{"commit www", "abandon www", "merge www last"} {
				ended(t, w.Run(w.Words(text)...), 4, "another command works on the desk")
			}
		}
		f.Thaw()
		if r := f.Wait(); r.Exit != 0 {
			t.Errorf("it ended with %d\n%s\n%s", r.Exit, r.Out, r.Err)
		}
		same(t, w.Digest(), is)
	}
}

// another person comes to a desk. Behind sudo a person is the one who said sudo.
func another(t *testing.T, w *fleet.DeskWorld, _ fleet.Digest) {
	if os.Getuid() != 0 {
		t.Skip("only root can be two people")
	}
	ada, bo := w.As("ada"), w.As("bo")
	w.Must(0, "abandon", "www")
	ada.Must(0, w.Words("merge www css login")...)
	for _, text := range []string{"merge www last", "commit www", "abandon www", "back-out www css", "land www x"} {
		ended(t, bo.Run(w.Words(text)...), 4, "the desk main of www is ada's since 20")
		ended(t, bo.Run(w.Words(text)...), 4, "--take-over")
	}
	ended(t, bo.Run("desk", "www"), 0, "ada's since")
	// Killed on the way, it is one's or the other's, and nothing on it is lost.
	for _, phase := range []fleet.Phase{fleet.Before, fleet.After} {
		bo.Trace(&fleet.Position{Event: rollcall.EventDeskTaken, Nth: 1, Phase: phase}, w.Words("merge www last --take-over")...)
		whose := map[fleet.Phase]string{fleet.Before: "ada", fleet.After: "bo"}[phase]
		if d := w.Desk(); d.By != whose || len(d.Steps) != 2 {
			t.Errorf("killed %s the take-over, the desk is %s's, with %d steps", phase, d.By, len(d.Steps))
		}
	}
	bo.Must(0, w.Words("merge www last --take-over")...)
	if d := w.Desk(); d.By != "bo" || len(d.Steps) != 3 {
		t.Errorf("the desk is %s's, with %d steps", d.By, len(d.Steps))
	}
	ended(t, ada.Run("commit", "www"), 4, "the desk main of www is bo's since 20")
	w.Record(func(record rollcall.Record) error {
		events, err := record.Read(t.Context(), rollcall.DeskStream("www", rollcall.DeskName), 0)
		taken := 0
		for _, e := range events {
			if e.Type == rollcall.EventDeskTaken {
				taken++
				if text := string(e.Data); !strings.Contains(text, `"by":"bo"`) || !strings.Contains(text, `"over":"ada"`) {
					t.Errorf("the record says of the take-over: %s", text)
				}
			}
		}
		if taken != 1 {
			t.Errorf("the record has %d take-overs", taken)
		}
		return err
	})
	ended(t, bo.Run("commit", "www"), 0, "by bo")
}
