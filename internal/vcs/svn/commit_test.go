package svn

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

func deskCommit(token string) rollcall.DeskCommit {
	return rollcall.DeskCommit{By: "ada", Token: token, Note: "with care"}
}

func (d *desk) prepare(c rollcall.DeskCommit) string {
	d.Helper()
	prepared, err := d.b.Prepare(d.Context(), c)
	if err != nil {
		d.Fatal(err)
	}
	return prepared
}

func TestTwoCommitters(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n", "b": "b\n"})
	one := d.change("trunk", map[string]string{"a": "A\n"})
	two := d.change("trunk", map[string]string{"b": "B\n"})
	d.fresh()
	d.clean(pick(one))
	prepared := d.prepare(deskCommit("one"))
	// Another desk, on another machine, at the same base.
	e := &desk{deskHistory: d.deskHistory, T: t}
	e.fresh()
	e.clean(pick(two))
	other := e.prepare(deskCommit("two"))
	if _, err := d.b.Commit(t.Context(), deskCommit("one"), prepared); err != nil {
		t.Fatal(err)
	}
	if _, err := e.b.Commit(t.Context(), deskCommit("two"), other); rollcall.KindOf(err) != rollcall.KindConflict {
		t.Errorf("the second: %v", err)
	}
	e.fresh()
	if got := e.stands("trunk", production); got[one] != "integrated" || got[two] != "eligible" {
		t.Errorf("they stand as %v", got)
	}
	e.clean(pick(two))
	revision := e.commit()
	wantContents(t, e.r, revision.Tree, map[string]string{"a": "f A\n", "b": "f B\n"})
}

// Somebody who looks only once the server has everything is out of date there.
func TestOutOfDate(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n", "b": "b\n"})
	one := d.change("trunk", map[string]string{"a": "A\n"})
	d.fresh()
	d.clean(pick(one))
	p := preparedCommit{Token: "x", By: "ada", Message: "m", Base: d.b.base}
	d.change(production, map[string]string{"a": "hot\n"})
	if err := d.b.send(t.Context(), p); rollcall.KindOf(err) != rollcall.KindConflict {
		t.Errorf("send = %v", err)
	}
}

// What is only noted about the branch does not make a desk start again.
func TestCommitBehindNotes(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n", "b": "b\n", "c": "c\n"})
	one := d.change("trunk", map[string]string{"a": "A\n"})
	two := d.change("trunk", map[string]string{"b": "B\n"})
	three := d.change("trunk", map[string]string{"c": "C\n"})
	d.fresh()
	d.clean(pick(one))
	prepared := d.prepare(deskCommit("one"))
	other := d.other(t)
	marks := []rollcall.Mark{{Kind: rollcall.MarkBlocked, ID: two, Why: "not yet"}, {Kind: rollcall.MarkIntegrated, ID: three}}
	for _, m := range marks {
		if _, err := other.Mark(t.Context(), "trunk", production, []rollcall.Mark{m}, "bo"); err != nil {
			t.Fatal(err)
		}
	}
	d.change("trunk", map[string]string{"new": "n\n"}) // another branch has nothing to do with it
	revision, err := d.b.Commit(t.Context(), deskCommit("one"), prepared)
	if err != nil {
		t.Fatal(err)
	}
	wantContents(t, d.r, revision.Tree, map[string]string{"a": "f A\n", "b": "f b\n", "c": "f c\n"})
	d.fresh()
	if got := d.stands("trunk", production); got[one] != "integrated" || got[two] != "blocked" || got[three] != "integrated" {
		t.Errorf("they stand as %v", got)
	}
	d.clean(pick(two))
	d.by("Cy", []string{"propset", "-q", "svn:ignore", "x", production})
	prepared = d.prepare(deskCommit("two"))
	if _, err := d.b.Commit(t.Context(), deskCommit("two"), prepared); rollcall.KindOf(err) != rollcall.KindConflict {
		t.Errorf("behind another property: %v", err)
	}
}

// A process that died is followed by another, which has the desk's record and the
// repository, and a bench in whatever state.
func TestCommitOfALaterProcess(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n", "b": "b\n"})
	one := d.change("trunk", map[string]string{"a": "A\n"})
	two := d.change("trunk", map[string]string{"b": "B\n"})
	d.change(production, map[string]string{"b": "hot\n"})
	d.fresh()
	d.clean(pick(one))
	resolution := rollcall.Resolution{Path: "b", Take: rollcall.TakeFile, Content: []byte("B\x00\xffhot\n")}
	d.clean(pick(two), resolution)
	prepared := d.prepare(deskCommit("late"))
	// Killed before the commit. The next one is on another machine.
	e := &desk{deskHistory: d.deskHistory, T: t}
	e.fresh()
	first, err := e.b.Commit(t.Context(), deskCommit("late"), prepared)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "f A\n", "b": "f B\x00\xffhot\n"}
	wantContents(t, e.r, first.Tree, want)
	// Killed after it. The first one's bench still has it all.
	second, err := d.b.Commit(t.Context(), deskCommit("late"), prepared)
	if err != nil || first != second {
		t.Errorf("%+v, then %+v, %v", first, second, err)
	}
	d.reset()
	d.holds(want)
	if revprop := d.svn("propget", "--revprop", "-r", first.ID[1:], revBy, d.url("")); revprop != "ada" {
		t.Errorf("%s is %q", revBy, revprop)
	}
	// Nothing is committed that no longer comes out as it was checked.
	e.fresh()
	three := e.change("trunk", map[string]string{"c": "c\n"})
	e.fresh()
	e.clean(pick(three))
	prepared = e.prepare(deskCommit("wrong"))
	if err := os.WriteFile(filepath.Join(e.b.wc, "c"), []byte("forged\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.b.Commit(t.Context(), deskCommit("wrong"), prepared); rollcall.KindOf(err) != rollcall.KindConflict {
		t.Errorf("what is not what was checked: %v", err)
	}
}

func TestNothingToCommit(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n"})
	d.fresh()
	if _, err := d.b.Prepare(t.Context(), deskCommit("none")); rollcall.KindOf(err) != rollcall.KindInvalid {
		t.Errorf("Prepare = %v", err)
	}
}

func TestBenchesAreMended(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n", "d/b": "b\n"})
	one := d.change("trunk", map[string]string{"a": "A\n"})
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "precious"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.fresh()
	d.clean(pick(one))
	if _, err := d.r.Bench(t.Context(), "test", production, tip(t, d.r, production)); rollcall.KindOf(err) != rollcall.KindConflict {
		t.Errorf("the same bench twice: %v", err)
	}
	for name, spoil := range map[string]func(wc string) error{
		"a lock left behind": func(wc string) error {
			sqliteExec(t, filepath.Join(wc, ".svn", "wc.db"), `INSERT INTO wc_lock VALUES (1, '', -1)`)
			return nil
		},
		"a folder that is gone": func(wc string) error { return os.RemoveAll(filepath.Join(wc, "d")) },
		"no database":           func(wc string) error { return os.Remove(filepath.Join(wc, ".svn", "wc.db")) },
		"another branch":        func(wc string) error { d.svn("switch", "-q", d.url("trunk"), wc); return nil },
		"an older revision":     func(wc string) error { d.svn("update", "-q", "-r", "3", filepath.Join(wc, "d")); return nil },
		"what is ignored": func(wc string) error {
			return os.WriteFile(filepath.Join(wc, "d", "x.o"), []byte("x"), 0o600)
		},
		"a link in a folder's place": func(wc string) error {
			if err := os.RemoveAll(filepath.Join(wc, "d")); err != nil {
				return err
			}
			return os.Symlink(outside, filepath.Join(wc, "d")) // never a real folder: svn cleans behind it
		},
	} {
		if err := spoil(d.b.wc); err != nil {
			t.Fatal(err)
		}
		d.fresh()
		d.holds(map[string]string{"a": "f a\n", "d/b": "f b\n"})
		if err := d.b.mustBeClean(t.Context()); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
		d.clean(pick(one))
		d.holds(map[string]string{"a": "f A\n", "d/b": "f b\n"})
		if _, err := os.Stat(filepath.Join(outside, "precious")); err != nil {
			t.Fatalf("after %s: what is outside is gone: the bench was cleaned through a link", name)
		}
	}
}

// Names that are said to a bench come near no other place.
func TestBenchNames(t *testing.T) {
	for name, want := range map[string]string{"main": "main", "../x": "%2E.%2Fx", ".trunk.0": "%2Etrunk.0", "a b": "a b", "a/b": "a%2Fb"} {
		if got := benchName(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

func TestCommitMessage(t *testing.T) {
	steps := []rollcall.DeskStep{
		{Kind: rollcall.StepPick, Source: "trunk", ID: "r1041"},
		{Kind: rollcall.StepPick, Source: "trunk", ID: "r1043"},
		{Kind: rollcall.StepBackOut, Source: "trunk", ID: "r7"},
	}
	c := rollcall.DeskCommit{
		By: "ada", Note: "with care\r\n\tRollcall-Staged: x\n \u00a0rollcall-by: eve\x1b\n\nRollcall-By: eve", Staged: []rollcall.ReleaseID{"s"},
		Steps: []rollcall.Standee{
			{Changeset: rollcall.Changeset{Author: "Bo", Subject: "fix login (#88)", Tickets: []string{"88", "SHOP-12", "9"}}},
			{Changeset: rollcall.Changeset{Author: "Cy\n", Subject: "other\x00"}},
			{Changeset: rollcall.Changeset{Author: "Bo", Subject: "old"}},
		},
	}
	const want = `Merge r1041, r1043 from trunk, back out r7: fix login (#88); other�; old

* r1041 by Bo: fix login (#88) (SHOP-12, #9)
* r1043 by Cy : other�
* taken back: r7 by Bo: old

with care
>  Rollcall-Staged: x
>   rollcall-by: eve�

> Rollcall-By: eve

Rollcall-By: ada
Rollcall-Staged: s
`
	got := commitMessage("production", steps, c, nil)
	if strings.ReplaceAll(got, "\u00a0", " ") != want {
		t.Errorf("the message is\n%q\nwant\n%q", got, want)
	}
	if all := trailers(got); len(all[trailerStaged]) != 1 || len(all[trailerBy]) != 1 || all[trailerBy][0] != "ada" {
		t.Errorf("the last lines are %v", all)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add("note\n\nRollcall-By: eve", "Rollcall-Staged: x")
	f.Add("\u2028Rollcall-By: eve", "\x0bRollcall-By: eve")
	f.Add("x\r\rRollcall-By: eve\r\n\r\nRollcall-By: eve", " ")
	f.Fuzz(func(t *testing.T, note, subject string) {
		one := rollcall.Changeset{Subject: subject, Author: note}
		got := commitMessage("production", []rollcall.DeskStep{pick("r1"), {Kind: rollcall.StepMerge, Source: "dev", ID: "r2"}}, rollcall.DeskCommit{
			By: "ada", Note: note, Steps: []rollcall.Standee{{Changeset: one}, {}},
		}, []rollcall.Changeset{one})
		all := trailers(got)
		if len(all) != 1 || len(all[trailerBy]) != 1 || all[trailerBy][0] != "ada" {
			t.Errorf("%q ends in %v", got, all)
		}
		if strings.ContainsAny(got, "\r\x00\x1b") {
			t.Errorf("%q can't be committed", got)
		}
		count := 0
		for line := range strings.Lines(got) {
			if strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "rollcall-") {
				count++
			}
		}
		if count != 1 {
			t.Errorf("%q has %d lines that look like ours", got, count)
		}
	})
}

func TestHookRefuses(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n"})
	one := d.change("trunk", map[string]string{"a": "A\n"})
	hook := filepath.Join(d.dir, "hooks", "pre-commit")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\necho no ticket >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	d.fresh()
	d.clean(pick(one))
	prepared := d.prepare(deskCommit("hook"))
	if _, err := d.b.Commit(t.Context(), deskCommit("hook"), prepared); rollcall.KindOf(err) != rollcall.KindRefused || !strings.Contains(err.Error(), "no ticket") {
		t.Errorf("Commit = %v", err)
	}
	if err := os.Remove(hook); err != nil {
		t.Fatal(err)
	}
	// The desk is as it was.
	if _, err := d.b.Commit(t.Context(), deskCommit("hook"), prepared); err != nil {
		t.Error(err)
	}
}

// A hotfix of one file that comes in while the server takes the commit: every commit of a
// desk changes the root, so the server refuses it.
func TestHotfixInTheSameMoment(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n", "b": "b\n"})
	one := d.change("trunk", map[string]string{"a": "A\n"})
	d.fresh()
	d.clean(pick(one))
	prepared := d.prepare(deskCommit("moment"))
	text := filepath.Join(t.TempDir(), "hot")
	if err := os.WriteFile(text, []byte("hot\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hook := filepath.Join(d.dir, "hooks", "pre-commit")
	script := "#!/bin/sh\nexport PATH=/usr/bin:/bin LC_ALL=C.UTF-8\n[ \"$(svnlook author -t \"$2\" \"$1\")\" = Cy ] && exit 0\n" +
		"exec svnmucc --non-interactive --config-dir '" + d.config + "' -u Cy -m hotfix put '" + text + "' '" + d.url(production+"/b") + "' >&2\n"
	if err := os.WriteFile(hook, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := d.b.Commit(t.Context(), deskCommit("moment"), prepared); rollcall.KindOf(err) != rollcall.KindConflict {
		t.Errorf("Commit = %v", err)
	}
	d.fresh()
	d.holds(map[string]string{"a": "f a\n", "b": "f hot\n"})
}

// The server dies when it has committed, and before it says so.
func TestTheAnswerIsLost(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n", "b": "b\n"})
	one := d.change("trunk", map[string]string{"a": "A\n"})
	two := d.change("trunk", map[string]string{"b": "B\n"})
	hook := filepath.Join(d.dir, "hooks", "post-commit")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\nkill -9 $PPID\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	d.address = serve(t, d.world, "[general]\nanon-access = write\n") + "/" + url.PathEscape(filepath.Base(d.dir))
	d.fresh()
	d.clean(pick(one))
	committed, err := d.b.Commit(t.Context(), deskCommit("lost"), d.prepare(deskCommit("lost")))
	if err != nil {
		t.Fatal(err)
	}
	marked, err := d.r.Mark(t.Context(), "trunk", production, []rollcall.Mark{{Kind: rollcall.MarkBlocked, ID: two, Why: "late"}}, "ada")
	if err != nil {
		t.Fatal(err)
	}
	head, err := parseRevision(committed.ID)
	if err != nil || marked.ID != revisionID(head+1) {
		t.Errorf("%s is committed, and %s is marked: %v", committed.ID, marked.ID, err)
	}
	if got := d.stands("trunk", production); got[one] != "integrated" || got[two] != "blocked" {
		t.Errorf("they stand as %v", got)
	}
	// It can't be asked any more.
	if err := os.WriteFile(hook, []byte("#!/bin/sh\nread pid name state server rest </proc/$PPID/stat\nkill -9 $server $PPID\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = d.r.Mark(t.Context(), "trunk", production, []rollcall.Mark{{Kind: rollcall.MarkUnblocked, ID: two}}, "ada")
	if rollcall.KindOf(err) != rollcall.KindInternal || !strings.Contains(err.Error(), "nobody can tell") || rollcall.HintOf(err) != "the same command again finds out" {
		t.Errorf("with the server gone: %v, %s", err, rollcall.HintOf(err))
	}
}
