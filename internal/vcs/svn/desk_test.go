package svn

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/vcs/vcstest"
)

const production = "branches/production"

// desk is a history in which trunk and production have parted, with one bench.
type desk struct {
	deskHistory
	*testing.T
	r *Repository
	b *bench
}

// newDesk makes trunk with files, and production as a copy of it.
func newDesk(t *testing.T, files map[string]string) *desk {
	t.Helper()
	t.Parallel() // svn waits a lot
	d := &desk{deskHistory: newDeskHistory(t), T: t}
	d.change("trunk", files)
	d.Branch(t, production, "trunk")
	return d
}

// change commits files on a branch.
func (d *desk) change(branch string, files map[string]string, remove ...string) string {
	d.Helper()
	return d.Commit(d.T, vcstest.Commit{Branch: branch, Author: "Bo", Message: "change", Files: files, Remove: remove})
}

// by runs svn in the working copy of all, and commits.
func (d *desk) by(author string, args ...[]string) string {
	d.Helper()
	d.svn("update", "-q")
	for _, one := range args {
		d.svn(one...)
	}
	return d.world.commit(author, strings.Join(args[0], " "))
}

// fresh opens the repository anew, and the bench of production.
func (d *desk) fresh() *Repository {
	d.Helper()
	if d.b != nil {
		d.b.Close()
	}
	if d.r == nil {
		d.r = d.other(d.T)
	} else if err := d.r.refresh(d.Context()); err != nil {
		d.Fatal(err)
	}
	tip := tip(d.T, d.r, production)
	number, _ := parseRevision(tip.ID)
	var err error
	if d.b, err = d.r.bench(d.Context(), "test", production, number); err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { d.b.Close() })
	return d.r
}

func pick(id string) rollcall.DeskStep {
	return rollcall.DeskStep{Kind: rollcall.StepPick, Source: "trunk", ID: id}
}

func (d *desk) apply(step rollcall.DeskStep, resolved ...rollcall.Resolution) rollcall.Applied {
	d.Helper()
	applied, err := d.b.Apply(d.Context(), step, resolved)
	if err != nil {
		d.Fatalf("%s %s: %v", step.Kind, step.ID, err)
	}
	return applied
}

// clean applies what must not conflict.
func (d *desk) clean(step rollcall.DeskStep, resolved ...rollcall.Resolution) bool {
	d.Helper()
	applied := d.apply(step, resolved...)
	for _, c := range applied.Conflicts {
		d.Fatalf("%s %s conflicts at %s %s: %s", step.Kind, step.ID, c.Path, c.Property, c.Words)
	}
	return applied.Changed
}

// conflicts applies what must conflict, at these paths, and resets the bench.
func (d *desk) conflicts(step rollcall.DeskStep, paths ...string) []rollcall.Conflict {
	d.Helper()
	applied := d.apply(step)
	var got []string
	for _, c := range applied.Conflicts {
		got = append(got, strings.TrimRight(c.Path+" "+c.Property, " "))
	}
	if !slices.Equal(got, paths) {
		d.Fatalf("%s %s conflicts at %q, want %q", step.Kind, step.ID, got, paths)
	}
	d.reset()
	return applied.Conflicts
}

func (d *desk) reset() {
	d.Helper()
	if err := d.b.Reset(d.Context()); err != nil {
		d.Fatal(err)
	}
}

// holds compares what the bench would commit.
func (d *desk) holds(want map[string]string) {
	d.Helper()
	tree, err := d.b.Freeze(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	wantContents(d.T, d.r, tree, want)
}

// commit commits what is on the bench, and opens a fresh one.
func (d *desk) commit() rollcall.Revision {
	d.Helper()
	c := rollcall.DeskCommit{By: "ada", Token: "token " + d.Name()}
	for _, one := range d.b.applied {
		c.Token += " " + one.Key()
	}
	prepared, err := d.b.Prepare(d.Context(), c)
	if err != nil {
		d.Fatal(err)
	}
	revision, err := d.b.Commit(d.Context(), c, prepared)
	if err != nil {
		d.Fatal(err)
	}
	d.fresh()
	return revision
}

// stands tells how changesets of a source stand towards a target: r4 eligible.
func (d *desk) stands(source, target string) map[string]string {
	d.Helper()
	all, err := d.r.Standees(d.Context(), source, target, true)
	if err != nil {
		d.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range all {
		got[s.ID] = string(s.Standing)
	}
	return got
}

func (d *desk) wantStand(source, target, id string, want rollcall.Standing) {
	d.Helper()
	if got := d.stands(source, target); got[id] != string(want) {
		d.Errorf("%s of %s stands towards %s as %q, want %q", id, source, target, got[id], want)
	}
	d.crossCheck(source, target)
}

// crossCheck holds the ledger against what Subversion itself finds eligible.
func (d *desk) crossCheck(source, target string) {
	d.Helper()
	got := d.stands(source, target)
	own := strings.Fields(d.svn("mergeinfo", "-R", "--show-revs", "eligible", d.url(source), d.url(target)))
	for i := range own {
		own[i] = strings.TrimSuffix(own[i], "*")
	}
	for id, standing := range got {
		open := standing != string(rollcall.StandIntegrated)
		if open != slices.Contains(own, id) {
			d.Errorf("%s stands as %s, and svn finds eligible %v", id, standing, own)
		}
	}
	for _, id := range own {
		if _, ok := got[id]; !ok {
			d.Errorf("svn finds %s eligible, and it is not listed: %v", id, got)
		}
	}
}

func take(path string, what rollcall.Take) rollcall.Resolution {
	return rollcall.Resolution{Path: path, Take: what}
}

func TestOutOfOrder(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "1\n2\n3\n4\n5\n6\n7\n8\n9\n"})
	one := d.change("trunk", map[string]string{"a": "one\n2\n3\n4\n5\n6\n7\n8\n9\n"})
	two := d.change("trunk", map[string]string{"a": "one\n2\n3\n4\n5\n6\n7\n8\nnine\n"})
	d.fresh()
	d.clean(pick(two))
	d.clean(pick(one))
	d.holds(map[string]string{"a": "f one\n2\n3\n4\n5\n6\n7\n8\nnine\n"})
	d.commit()
	d.wantStand("trunk", production, one, rollcall.StandIntegrated)
	d.wantStand("trunk", production, two, rollcall.StandIntegrated)
}

func TestRenameThenEdit(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n", "keep": "k\n"})
	moved := d.by("Bo", []string{"move", "-q", "trunk/a", "trunk/b"})
	edited := d.change("trunk", map[string]string{"b": "b\n"})
	d.fresh()
	c := d.conflicts(pick(edited), "b")[0]
	if c.Production != nil || string(c.Base.Content) != "a\n" || string(c.Theirs.Content) != "b\n" || c.Words != production+" does not have it, "+edited+" by Bo changes it" {
		t.Errorf("%+v", c)
	}
	d.clean(pick(edited), take("b", rollcall.TakeProduction))
	d.holds(map[string]string{"a": "f a\n", "keep": "f k\n"})
	d.reset()
	d.clean(pick(edited), take("b", rollcall.TakeTheirs))
	d.holds(map[string]string{"a": "f a\n", "b": "f b\n", "keep": "f k\n"})
	d.reset()
	d.clean(pick(moved))
	d.clean(pick(edited))
	d.holds(map[string]string{"b": "f b\n", "keep": "f k\n"})
	d.commit()
	d.wantStand("trunk", production, edited, rollcall.StandIntegrated)
}

// Where things went is told of each side.
func TestWordsOfMoves(t *testing.T) {
	d := newDesk(t, map[string]string{"one": "1\n2\n3\n", "two": "2\n", "three": "3\n", "lib/a": "a\n", "gone/a": "a\n", "keep": "k\n"})
	moved := d.by("Bo", []string{"mv", "-q", "trunk/one", "trunk/find"}, []string{"mv", "-q", "trunk/two", "trunk/second"}, []string{"rm", "-q", "trunk/three"})
	edited := d.change("trunk", map[string]string{"lib/a": "A\n", "lib/new": "n\n", "gone/a": "A\n", "find": "1\n2\n3\n4\n"})
	in := d.by("Cy", []string{"mv", "-q", production + "/one", production + "/seek"}, []string{"rm", "-q", production + "/two", production + "/gone"},
		[]string{"mv", "-q", production + "/three", production + "/third"}, []string{"mv", "-q", production + "/lib", production + "/lib3"})
	d.by("Dee", []string{"mv", "-q", production + "/seek", production + "/sought"})
	d.fresh()
	wantWords := func(all []rollcall.Conflict, want ...string) {
		t.Helper()
		for i, c := range all {
			if c.Words != strings.ReplaceAll(want[i], "TARGET", production) {
				t.Errorf("%s: %s\nwant %s", c.Path, c.Words, want[i])
			}
		}
	}
	both := "TARGET moved one to sought, " + moved + " by Bo moves it to find"
	wantWords(d.conflicts(pick(moved), "find", "one", "second", "sought", "third"), both, both,
		"TARGET deleted two in "+in+", "+moved+" by Bo moves it to second", both, "TARGET moved three to third, "+moved+" by Bo deletes it")
	wantWords(d.conflicts(pick(edited), "find", "gone/a", "lib/a", "lib/new"), "TARGET does not have it, "+edited+" by Bo changes it",
		"TARGET deleted gone in "+in+", "+edited+" by Bo changes it", "TARGET moved lib to lib3 in "+in+", "+edited+" by Bo changes it",
		"TARGET moved lib to lib3 in "+in+", "+edited+" by Bo adds it")
}

// A new name that something else has on the target is in dispute once.
func TestRenamedOntoAnother(t *testing.T) {
	d := newDesk(t, map[string]string{"one": "1\n", "keep": "k\n", "edited": "1\n2\n"})
	moved := d.by("Bo", []string{"mv", "-q", "trunk/one", "trunk/find"}, []string{"mv", "-q", "trunk/edited", "trunk/longer"})
	d.by("Cy", []string{"mv", "-q", production + "/one", production + "/seek"})
	d.change(production, map[string]string{"find": "other\n", "longer": "other\n", "edited": "1\n2\n3\n"})
	d.fresh()
	all := d.conflicts(pick(moved), "edited", "find", "longer", "one", "seek")
	if want := production + " changed it, " + moved + " by Bo moves it to longer"; all[0].Words != want || string(all[1].Production.Content) != "other\n" {
		t.Errorf("%+v", all)
	}
	d.clean(pick(moved), take("edited", rollcall.TakeTheirs), take("find", rollcall.TakeTheirs), take("longer", rollcall.TakeProduction),
		take("one", rollcall.TakeTheirs), take("seek", rollcall.TakeTheirs))
	d.holds(map[string]string{"find": "f 1\n", "longer": "f other\n", "keep": "f k\n"})
	d.commit()
}

func TestFoldersThatConflict(t *testing.T) {
	d := newDesk(t, map[string]string{"d/x": "x\n", "d/sub/y": "y\n", "keep": "k\n", "e/z": "z\n"})
	edited := d.change("trunk", map[string]string{"d/x": "X\n", "d/sub/y": "Y\n", "d/new": "n\n"})
	gone := d.by("Bo", []string{"rm", "-q", "trunk/e"})
	added := d.change("trunk", map[string]string{"f/1": "1\n", "f/2": "2\n", "f/3": "3\n"})
	d.by("Cy", []string{"rm", "-q", production + "/d"})
	d.change(production, map[string]string{"e/z": "Z\n", "f/1": "one\n", "f/2": "2\n"})
	d.fresh()

	d.conflicts(pick(edited), "d/new", "d/sub/y", "d/x")
	d.clean(pick(edited), take("d/new", rollcall.TakeProduction), take("d/x", rollcall.TakeProduction), take("d/sub/y", rollcall.TakeTheirs))
	d.holds(map[string]string{"d/sub/y": "f Y\n", "keep": "f k\n", "e/z": "f Z\n", "f/1": "f one\n", "f/2": "f 2\n"})
	d.reset()

	if c := d.conflicts(pick(gone), "e")[0]; c.Theirs != nil || c.Production.Type != rollcall.TypeFolder {
		t.Errorf("%+v", c)
	}
	d.clean(pick(gone), take("e", rollcall.TakeProduction))
	d.reset()
	if !d.clean(pick(gone), take("e", rollcall.TakeTheirs)) {
		t.Error("nothing changed")
	}
	d.reset()

	// Of a folder that both made, only what differs is to be decided.
	d.conflicts(pick(added), "f/1")
	d.clean(pick(added), take("f/1", rollcall.TakeTheirs))
	d.holds(map[string]string{"keep": "f k\n", "e/z": "f Z\n", "f/1": "f 1\n", "f/2": "f 2\n", "f/3": "f 3\n"})
	d.commit()
	d.crossCheck("trunk", production)
}

func TestFileAgainstFolder(t *testing.T) {
	d := newDesk(t, map[string]string{"keep": "k\n"})
	file := d.change("trunk", map[string]string{"x": "file\n"})
	d.change(production, map[string]string{"x/in": "folder\n"})
	d.fresh()
	if c := d.conflicts(pick(file), "x")[0]; c.Words != production+" has a folder there, "+file+" by Bo brings a file" {
		t.Errorf("%+v", c)
	}
	d.clean(pick(file), take("x", rollcall.TakeProduction))
	d.holds(map[string]string{"keep": "f k\n", "x/in": "f folder\n"})
	d.reset()
	d.clean(pick(file), take("x", rollcall.TakeTheirs))
	d.holds(map[string]string{"keep": "f k\n", "x": "f file\n"})
	d.commit()
}

// An incoming file over one that is not versioned would be skipped, and recorded as merged.
func TestObstructed(t *testing.T) {
	d := newDesk(t, map[string]string{"keep": "k\n"})
	added := d.change("trunk", map[string]string{"new": "n\n"})
	d.fresh()
	stray := filepath.Join(d.b.wc, "new")
	if err := os.WriteFile(stray, []byte("stray\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if applied, err := d.b.Apply(t.Context(), pick(added), []rollcall.Resolution{take("new", rollcall.TakeProduction)}); err == nil && len(applied.Conflicts) == 0 {
		t.Errorf("merged over what is not versioned: %+v", applied)
	}
	d.reset()
	d.clean(pick(added))
	d.holds(map[string]string{"keep": "f k\n", "new": "f n\n"})
	// And what a process that died left behind is gone when a bench is opened.
	d.reset()
	if err := os.WriteFile(stray, []byte("stray\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.fresh()
	d.clean(pick(added))
	d.holds(map[string]string{"keep": "f k\n", "new": "f n\n"})
}

func TestProperties(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n", "b": "b\n"})
	own := d.by("Bo", []string{"propset", "-q", "color", "red", "trunk/a"}, []string{"propset", "-q", "svn:ignore", "*.o", "trunk"})
	alone := d.by("Bo", []string{"propset", "-q", "color", "green", "trunk/b"})
	d.by("Cy", []string{"propset", "-q", "color", "blue", production + "/a"})
	d.fresh()
	if !d.clean(pick(alone)) {
		t.Error("a property of a file is a change")
	}
	d.holds(map[string]string{"a": "f a\n", "b": "f b\n"})
	d.reset()
	c := d.conflicts(pick(own), "a color")[0]
	if c.Base != nil || string(c.Production.Content) != "blue" || string(c.Theirs.Content) != "red" || c.Words != production+` has it as "blue", `+own+` by Bo sets it to "red"` {
		t.Errorf("%+v", c)
	}
	for _, one := range []struct {
		resolution rollcall.Resolution
		want       string
	}{
		{rollcall.Resolution{Path: "a", Property: "color", Take: rollcall.TakeTheirs}, "red"},
		{rollcall.Resolution{Path: "a", Property: "color", Take: rollcall.TakeProduction}, "blue"},
		{rollcall.Resolution{Path: "a", Property: "color", Take: rollcall.TakeFile, Content: []byte("mauve\n")}, "mauve\n"},
		{rollcall.Resolution{Path: "a", Property: "color", Take: rollcall.TakeFile, Delete: true}, ""},
	} {
		d.clean(pick(own), one.resolution)
		all, err := d.r.client.properties(t.Context(), d.b.wc, false, "a", ".")
		if err != nil || all["a"]["color"] != one.want || all["."]["svn:ignore"] != "*.o\n" {
			t.Errorf("%+v: %q, %v", one.resolution, all, err)
		}
		d.reset()
	}
}

// Nothing but the folder's own ledger, and what is empty.
func TestEmptyChanges(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n"})
	folder := d.by("Bo", []string{"mkdir", "-q", "trunk/empty"})
	root := d.by("Bo", []string{"propset", "-q", "svn:ignore", "*.o", "trunk"})
	ledger := d.by("Bo", []string{"propset", "-q", propBlocked, "1 by bo: x", "trunk"})
	same := d.change("trunk", map[string]string{"b": "b\n"})
	d.change(production, map[string]string{"b": "b\n"})
	d.fresh()
	if !d.clean(pick(folder)) || !d.clean(pick(root)) {
		t.Error("an empty folder and a property of the root are changes")
	}
	if d.clean(pick(ledger)) || d.clean(pick(same)) {
		t.Error("another branch's ledger, and what is there already, are none")
	}
	if props, err := d.b.rootProps(t.Context()); err != nil || props[propBlocked] != "" {
		t.Errorf("the root has %q, %v", props, err)
	}
	d.commit()
	for _, id := range []string{folder, root, ledger, same} {
		if got := d.stands("trunk", production)[id]; got != "integrated" {
			t.Errorf("%s stands as %s", id, got)
		}
	}
}

// What is decided must be stored as it is, whatever the file's properties make of it on
// the disk.
func TestResolutionsComeAsStored(t *testing.T) {
	d := newDesk(t, map[string]string{"id": "$Id$ 1\n", "native": "1\n", "a@b.txt": "1\n", "-dash": "1\n", "ü b": "1\n", "tool": "1\n"})
	d.by("Bo", []string{"propset", "-q", "svn:eol-style", "native", "trunk/native", production + "/native"})
	changed := d.change("trunk", map[string]string{"id": "$Id$ trunk\n", "native": "trunk\n", "a@b.txt": "trunk\n", "-dash": "trunk\n", "ü b": "trunk\n", "tool*": "trunk\n"})
	d.change(production, map[string]string{"id": "$Id$ production\n", "native": "production\n", "a@b.txt": "production\n", "-dash": "production\n", "ü b": "production\n", "tool": "production\n"})
	d.fresh()
	all := []string{"-dash", "a@b.txt", "id", "native", "tool", "ü b"}
	for _, c := range d.conflicts(pick(changed), all...) {
		id := ""
		if c.Path == "id" {
			id = "$Id$ "
		}
		if string(c.Base.Content) != id+"1\n" || string(c.Production.Content) != id+"production\n" || string(c.Theirs.Content) != id+"trunk\n" {
			t.Errorf("%s: %q, %q, %q", c.Path, c.Base.Content, c.Production.Content, c.Theirs.Content)
		}
		if c.Path == "tool" && (c.Production.Type != rollcall.TypeFile || c.Theirs.Type != rollcall.TypeExecutable) {
			t.Errorf("%s: %c, %c", c.Path, c.Production.Type, c.Theirs.Type)
		}
	}
	file := func(path string, kind rollcall.EntryType, content string) rollcall.Resolution {
		return rollcall.Resolution{Path: path, Take: rollcall.TakeFile, Type: kind, Content: []byte(content)}
	}
	d.clean(pick(changed), file("id", rollcall.TypeFile, "$Id$ both\n"), file("native", rollcall.TypeFile, "a\r\nb\n"), file("a@b.txt", rollcall.TypeLink, "../x"),
		take("-dash", rollcall.TakeTheirs), take("ü b", rollcall.TakeProduction), file("tool", rollcall.TypeFile, "both\n"))
	want := map[string]string{"id": "f $Id$ both\n", "native": "f a\nb\n", "a@b.txt": "l ../x", "-dash": "f trunk\n", "ü b": "f production\n", "tool": "f both\n"}
	d.holds(want)
	revision := d.commit()
	wantContents(t, d.r, revision.Tree, want)

	d.svn("update", "-q")
	d.write("trunk/-dash", "-> a")
	d.svn("propset", "-q", propSpecial, "*", "trunk/-dash")
	link := d.change("trunk", map[string]string{"new": "-> b"})
	d.change(production, map[string]string{"-dash": "edited\n", "new": "-> c"})
	d.fresh()
	d.conflicts(pick(link), "-dash", "new")
	d.clean(pick(link), take("-dash", rollcall.TakeTheirs), file("new", rollcall.TypeExecutable, "#!\n"))
	want["-dash"], want["new"] = "l a", "x #!\n"
	d.holds(want)
	d.commit()
}

// A branch is merged in runs, with what was picked before left out, and svn stops behind
// each run that conflicts.
func TestMergeOfABranchThatConflictsTwice(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n", "b": "b\n", "c": "c\n"})
	d.change("trunk", map[string]string{"a": "A\n"})
	two := d.change("trunk", map[string]string{"b": "B\n"})
	three := d.change("trunk", map[string]string{"c": "C\n"})
	d.by("Cy", []string{"merge", "-q", "-c", two[1:], "^/trunk", production})
	d.change(production, map[string]string{"a": "hot\n", "c": "hot\n"})
	d.fresh()
	step := rollcall.DeskStep{Kind: rollcall.StepMerge, Source: "trunk", ID: three}
	first := d.conflicts(step, "a")[0]
	if first.Words != production+" and trunk change the same lines" {
		t.Errorf("%+v", first)
	}
	a := rollcall.Resolution{Path: "a", Of: first.Fingerprint(), Take: rollcall.TakeTheirs}
	applied := d.apply(step, a)
	if len(applied.Conflicts) != 1 || applied.Conflicts[0].Path != "c" {
		t.Fatalf("behind the first: %+v", applied)
	}
	d.reset()
	d.clean(step, a, rollcall.Resolution{Path: "c", Take: rollcall.TakeFile, Content: []byte("C, hot\n")})
	d.holds(map[string]string{"a": "f A\n", "b": "f B\n", "c": "f C, hot\n"})
	d.commit()
	for id, standing := range d.stands("trunk", production) {
		if standing != "integrated" {
			t.Errorf("%s stands as %s", id, standing)
		}
	}
	d.crossCheck("trunk", production)
	if d.clean(rollcall.DeskStep{Kind: rollcall.StepMerge, Source: "trunk", ID: three}) {
		t.Error("merged again it changes something")
	}
}

// What was decided of another conflict says nothing of this one.
func TestDecisionsAreOfOneConflict(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n"})
	one := d.change("trunk", map[string]string{"a": "A\n"})
	d.change(production, map[string]string{"a": "hot\n"})
	d.fresh()
	was := rollcall.Resolution{Path: "a", Of: d.conflicts(pick(one), "a")[0].Fingerprint(), Take: rollcall.TakeTheirs}
	d.change(production, map[string]string{"a": "hotter\n"})
	d.fresh()
	if applied := d.apply(pick(one), was); len(applied.Conflicts) != 1 {
		t.Errorf("%+v", applied)
	}
}

func TestStepsThatAreNone(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n"})
	d.fresh()
	for _, c := range []struct {
		step rollcall.DeskStep
		want rollcall.Kind
	}{
		{rollcall.DeskStep{Kind: rollcall.StepPick, Source: "nowhere", ID: "r2"}, rollcall.KindNotFound},
		{rollcall.DeskStep{Kind: rollcall.StepPick, Source: "../trunk", ID: "r2"}, rollcall.KindInvalid},
		{rollcall.DeskStep{Kind: rollcall.StepPick, Source: "trunk", ID: "-c1"}, rollcall.KindInvalid},
		{rollcall.DeskStep{Kind: rollcall.StepPick, Source: "trunk", ID: "r99"}, rollcall.KindNotFound},
		{rollcall.DeskStep{Kind: "steal", Source: "trunk", ID: "r2"}, rollcall.KindInvalid},
		{rollcall.DeskStep{Kind: rollcall.StepBackOut, Source: "trunk", ID: "r1"}, rollcall.KindNotFound},
	} {
		if _, err := d.b.Apply(t.Context(), c.step, nil); rollcall.KindOf(err) != c.want {
			t.Errorf("%+v: %v", c.step, err)
		}
		if _, err := d.b.Freeze(t.Context()); err == nil {
			t.Error("a bench with half a step is frozen")
		}
		d.reset()
	}
}
