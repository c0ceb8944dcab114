package vcstest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

// MergerHistory is a History whose changesets can be merged.
type MergerHistory interface {
	History
	// Merger opens what was written, as a new process on another machine would.
	Merger(t *testing.T) rollcall.Merger
	// Branch makes a branch out of another's tip.
	Branch(t *testing.T, name, from string)
	// Bring merges one changeset from a branch into another by hand, as people do without
	// Rollcall, with some edits of their own; it returns the changeset that this made.
	Bring(t *testing.T, from, into, id string, edits map[string]string) string
	// Names are a trunk's, a production branch's and a developer branch's.
	Names() (trunk, production, developer string)
}

// RunMerger runs the suite of rollcall.Merger. Each fresh history is empty.
func RunMerger(t *testing.T, fresh func(t *testing.T) MergerHistory) {
	for _, one := range []struct {
		name string
		run  func(t *testing.T, s *scene)
	}{
		{"a clean pick", cleanPick},
		{"a pick that needs another", needsAnother},
		{"a conflict that is resolved stays integrated", resolved},
		{"delete against change", deleteAgainstChange},
		{"both add a file", bothAdd},
		{"a rename against a rename", renamedTwice},
		{"a rename against a rename that was promoted", renamedByPromotion},
		{"a rename that is taken back, of what was renamed since", renamedBack},
		{"a rename against one that is taken back on the same desk", renamedOnTheDesk},
		{"a folder's rename against another", folderRenamedTwice},
		{"a rename against a deletion", renamedAndDeleted},
		{"both rename alike", renamedAlike},
		{"a rename of what the target has changed", renamedAndChanged},
		{"a file against a folder or a link", notBoth},
		{"binaries, modes and links", oddKinds},
		{"backed out and picked again", backOut},
		{"applied, reverted, applied again", reapplied},
		{"a block is seen by everybody", block},
		{"the target moved", moved},
		{"a commit that is asked for twice", twice},
		{"a hotfix that came to trunk", hotfix},
		{"land and sync, again and again", landAndSync},
		{"messages can't write the ledger", forgedMessage},
		{"many at once as one by one", each},
		{"proofs travel with the commit", proofs},
		{"who last changed what", lastChanged},
	} {
		t.Run(one.name, func(t *testing.T) {
			h := fresh(t)
			s := &scene{T: t, h: h, ctx: context.Background()}
			s.trunk, s.production, s.developer = h.Names()
			s.commit(s.trunk, "Ada", "begin", map[string]string{"a": lines("1", "2", "3", "4", "5", "6", "7", "8", "9"), "b": "b\n", "dir/c": "c\n"})
			h.Branch(t, s.production, s.trunk)
			one.run(t, s)
		})
	}
}

func lines(all ...string) string { return strings.Join(all, "\n") + "\n" }

// scene is a history with what the suite asks of it again and again.
type scene struct {
	*testing.T
	h                            MergerHistory
	ctx                          context.Context
	trunk, production, developer string
}

func (s *scene) commit(branch, author, message string, files map[string]string, remove ...string) string {
	s.Helper()
	return s.h.Commit(s.T, Commit{Branch: branch, Author: author, Message: message, Files: files, Remove: remove})
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%v (hint: %s)", err, rollcall.HintOf(err))
	}
}

func (s *scene) bench(m rollcall.Merger, target string) rollcall.Bench {
	s.Helper()
	base, err := m.Tip(s.ctx, target)
	s.must(err)
	b, err := m.Bench(s.ctx, "test", target, base)
	s.must(err)
	s.Cleanup(func() { b.Close() })
	s.must(b.Reset(s.ctx))
	return b
}

func (s *scene) pick(id string) rollcall.DeskStep {
	return rollcall.DeskStep{Kind: rollcall.StepPick, Source: s.trunk, ID: id}
}

// standing gives how a changeset stands, and the whole of it.
func (s *scene) standing(m rollcall.Merger, source, target, id string) (rollcall.Standing, rollcall.Standee) {
	s.Helper()
	all, err := m.Standees(s.ctx, source, target, true)
	s.must(err)
	for _, one := range all {
		if one.ID == id {
			return one.Standing, one
		}
	}
	return "", rollcall.Standee{}
}

func (s *scene) wantStanding(m rollcall.Merger, id string, want rollcall.Standing) rollcall.Standee {
	s.Helper()
	got, one := s.standing(m, s.trunk, s.production, id)
	if got != want {
		s.Errorf("%s stands as %q, not %q (%+v)", id, got, want, one)
	}
	// What is asked without all agrees.
	some, err := m.Standees(s.ctx, s.trunk, s.production, false)
	s.must(err)
	listed := slices.ContainsFunc(some, func(o rollcall.Standee) bool { return o.ID == id && o.Standing == want })
	if listed == (want == rollcall.StandIntegrated || want == rollcall.StandReflected) && want != "" && !listed {
		return one
	}
	if !listed && want != "" && want != rollcall.StandIntegrated && want != rollcall.StandReflected {
		s.Errorf("%s is not listed as %s without all", id, want)
	}
	return one
}

// promote picks changesets and commits them.
func (s *scene) promote(m rollcall.Merger, by string, ids ...string) rollcall.Revision {
	s.Helper()
	var steps []rollcall.DeskStep
	for _, id := range ids {
		steps = append(steps, s.pick(id))
	}
	return s.commitSteps(m, s.production, by, steps, nil)
}

func (s *scene) commitSteps(m rollcall.Merger, target, by string, steps []rollcall.DeskStep, resolved []rollcall.Resolution) rollcall.Revision {
	s.Helper()
	b := s.bench(m, target)
	c := rollcall.DeskCommit{By: by, Token: "token-" + steps[0].ID}
	for _, step := range steps {
		applied, err := b.Apply(s.ctx, step, resolved)
		s.must(err)
		if len(applied.Conflicts) > 0 {
			s.Fatalf("%s conflicts: %+v", step.ID, applied.Conflicts)
		}
		_, one := s.standing(m, step.Source, target, step.ID)
		one.ID = step.ID
		c.Steps = append(c.Steps, one)
	}
	tree, err := b.Freeze(s.ctx)
	s.must(err)
	prepared, err := b.Prepare(s.ctx, c)
	s.must(err)
	revision, err := b.Commit(s.ctx, c, prepared)
	s.must(err)
	if revision.Tree != tree {
		s.Errorf("what was committed has the tree %s, and the bench froze %s", revision.Tree, tree)
	}
	s.must(b.Close())
	return revision
}

// content reads a file of a tree. Empty: it is not there.
func (s *scene) content(m rollcall.Merger, tree, path string) string {
	s.Helper()
	changes, err := m.Changes(s.ctx, "", tree)
	s.must(err)
	for _, c := range changes {
		if c.Path == path {
			return string(c.New.Type) + ":" + s.blob(m, c.New.Blob)
		}
	}
	return ""
}

func cleanPick(t *testing.T, s *scene) {
	one := s.commit(s.trunk, "Bo Öster", "fix login #88\n\nLong.", map[string]string{"a": lines("1", "2", "3", "4", "5", "6", "7", "8", "nine")})
	two := s.commit(s.trunk, "Cy", "other", map[string]string{"b": "bb\n"})
	m := s.h.Merger(t)
	all, err := m.Standees(s.ctx, s.trunk, s.production, false)
	s.must(err)
	if len(all) != 2 || all[0].ID != two || all[1].ID != one || all[1].Author != "Bo Öster" || all[1].Tickets[0] != "88" ||
		!slices.Equal(all[1].Files, []string{"a"}) || all[1].Standing != rollcall.StandEligible || !strings.Contains(all[1].Message, "Long.") {
		t.Fatalf("standees are %+v", all)
	}
	revision := s.promote(m, "ada", one)
	if got := s.content(m, revision.Tree, "a"); got != "f:"+lines("1", "2", "3", "4", "5", "6", "7", "8", "nine") {
		t.Errorf("a is %q", got)
	}
	if got := s.content(m, revision.Tree, "b"); got != "f:b\n" {
		t.Errorf("b is %q", got)
	}
	other := s.h.Merger(t) // somebody else's
	in := s.wantStanding(other, one, rollcall.StandIntegrated)
	if in.In != revision.ID || in.By != "ada" {
		t.Errorf("integrated in %s by %s", in.In, in.By)
	}
	s.wantStanding(other, two, rollcall.StandEligible)
	tip, err := other.Tip(s.ctx, s.production)
	s.must(err)
	if tip.ID != revision.ID || !strings.Contains(tip.Subject, "fix login") {
		t.Errorf("the tip is %+v", tip)
	}
}

func needsAnother(t *testing.T, s *scene) {
	one := s.commit(s.trunk, "Bo", "one", map[string]string{"a": lines("1", "2", "3", "4", "five", "6", "7", "8", "9")})
	two := s.commit(s.trunk, "Cy", "two", map[string]string{"a": lines("1", "2", "3", "4", "FIVE", "6", "7", "8", "9")})
	m := s.h.Merger(t)
	b := s.bench(m, s.production)
	applied, err := b.Apply(s.ctx, s.pick(two), nil)
	s.must(err)
	if len(applied.Conflicts) != 1 || applied.Conflicts[0].Path != "a" || applied.Conflicts[0].Words == "" {
		t.Fatalf("alone: %+v", applied)
	}
	c := applied.Conflicts[0]
	if c.Base == nil || c.Production == nil || c.Theirs == nil || !strings.Contains(string(c.Base.Content), "five") ||
		!strings.Contains(string(c.Production.Content), "\n5\n") || !strings.Contains(string(c.Theirs.Content), "FIVE") {
		t.Errorf("sides: %+v", c)
	}
	s.must(b.Reset(s.ctx))
	for _, id := range []string{one, two} {
		if applied, err = b.Apply(s.ctx, s.pick(id), nil); err != nil || len(applied.Conflicts) > 0 || !applied.Changed {
			t.Fatalf("in order: %+v, %v", applied, err)
		}
	}
	touched, err := m.Touched(s.ctx, s.trunk, s.production, two)
	s.must(err)
	if len(touched.Touches) != 1 || touched.Touches[0] != (rollcall.Touch{ID: one, Path: "a", Lines: 1}) || touched.Unasked != 0 {
		t.Errorf("touched: %+v", touched)
	}
	if touched, err = m.Touched(s.ctx, s.trunk, s.production, one); err != nil || len(touched.Touches)+touched.Unasked != 0 {
		t.Errorf("lines that both branches have: %+v, %v", touched, err)
	}
	brought := s.commit(s.trunk, "Bo", "brought", map[string]string{"new": lines("1", "2", "3")})
	changed := s.commit(s.trunk, "Cy", "changed", map[string]string{"new": lines("1", "two", "3")})
	last := s.commit(s.trunk, "Dee", "last", map[string]string{"new": lines("1", "zwei", "3")})
	m = s.h.Merger(t)
	for id, want := range map[string][]rollcall.Touch{
		changed: {{ID: brought, Path: "new", Lines: 1}},
		last:    {{ID: changed, Path: "new", Lines: 1}, {ID: brought, Path: "new"}},
	} {
		touched, err := m.Touched(s.ctx, s.trunk, s.production, id)
		s.must(err)
		if len(touched.Touches) != len(want) || slices.ContainsFunc(want, func(w rollcall.Touch) bool { return !slices.Contains(touched.Touches, w) }) {
			t.Errorf("a file that production lacks: %+v, not %+v", touched, want)
		}
	}
}

func resolved(t *testing.T, s *scene) {
	one := s.commit(s.trunk, "Bo", "one", map[string]string{"a": lines("1", "2", "3", "4", "five", "6", "7", "8", "9")})
	s.commit(s.production, "Cy", "hotfix", map[string]string{"a": lines("1", "2", "3", "4", "5!", "6", "7", "8", "9")})
	m := s.h.Merger(t)
	want := lines("1", "2", "3", "4", "five!", "6", "7", "8", "9")
	revision := s.commitSteps(m, s.production, "ada", []rollcall.DeskStep{s.pick(one)},
		[]rollcall.Resolution{{Path: "a", Take: rollcall.TakeFile, Type: rollcall.TypeFile, Content: []byte(want)}})
	if got := s.content(m, revision.Tree, "a"); got != "f:"+want {
		t.Errorf("a is %q", got)
	}
	s.wantStanding(s.h.Merger(t), one, rollcall.StandIntegrated)
}

func deleteAgainstChange(t *testing.T, s *scene) {
	gone := s.commit(s.trunk, "Bo", "gone", nil, "b")
	s.commit(s.production, "Cy", "hotfix", map[string]string{"b": "b!\n"})
	s.commit(s.production, "Cy", "no c", nil, "dir/c")
	changed := s.commit(s.trunk, "Bo", "c", map[string]string{"dir/c": "c!\n"})
	m := s.h.Merger(t)
	b := s.bench(m, s.production)
	applied, err := b.Apply(s.ctx, s.pick(gone), nil)
	s.must(err)
	if len(applied.Conflicts) != 1 || applied.Conflicts[0].Path != "b" || applied.Conflicts[0].Theirs != nil || applied.Conflicts[0].Production == nil {
		t.Fatalf("delete against change: %+v", applied)
	}
	s.must(b.Reset(s.ctx))
	if applied, err = b.Apply(s.ctx, s.pick(changed), nil); err != nil || len(applied.Conflicts) != 1 || applied.Conflicts[0].Path != "dir/c" ||
		applied.Conflicts[0].Production != nil || applied.Conflicts[0].Theirs == nil || string(applied.Conflicts[0].Theirs.Content) != "c!\n" {
		t.Fatalf("change against delete: %+v, %v", applied, err)
	}
	s.must(b.Close())
	revision := s.commitSteps(m, s.production, "ada", []rollcall.DeskStep{s.pick(gone), s.pick(changed)}, []rollcall.Resolution{
		{Path: "b", Take: rollcall.TakeTheirs, Delete: true},
		{Path: "dir/c", Take: rollcall.TakeTheirs, Type: rollcall.TypeFile, Content: []byte("c!\n")},
	})
	if got := s.content(m, revision.Tree, "b") + s.content(m, revision.Tree, "dir/c"); got != "f:c!\n" {
		t.Errorf("b and dir/c are %q", got)
	}
	s.wantStanding(m, gone, rollcall.StandIntegrated)
}

func bothAdd(t *testing.T, s *scene) {
	one := s.commit(s.trunk, "Bo", "new", map[string]string{"new": "trunk's\n"})
	s.commit(s.production, "Cy", "hotfix", map[string]string{"new": "production's\n"})
	m := s.h.Merger(t)
	b := s.bench(m, s.production)
	applied, err := b.Apply(s.ctx, s.pick(one), nil)
	s.must(err)
	if len(applied.Conflicts) != 1 || applied.Conflicts[0].Path != "new" || applied.Conflicts[0].Production == nil || applied.Conflicts[0].Theirs == nil ||
		string(applied.Conflicts[0].Production.Content) != "production's\n" || string(applied.Conflicts[0].Theirs.Content) != "trunk's\n" {
		t.Fatalf("both add: %+v", applied)
	}
	s.must(b.Close())
	revision := s.commitSteps(m, s.production, "ada", []rollcall.DeskStep{s.pick(one)},
		[]rollcall.Resolution{{Path: "new", Take: rollcall.TakeProduction, Type: rollcall.TypeFile, Content: []byte("production's\n")}})
	if got := s.content(m, revision.Tree, "new"); got != "f:production's\n" {
		t.Errorf("new is %q", got)
	}
	s.wantStanding(m, one, rollcall.StandIntegrated)
}

func oddKinds(t *testing.T, s *scene) {
	binary := s.commit(s.trunk, "Bo", "binary", map[string]string{"img": "\x89PNG\x00\x01\x02\n\x00"})
	mode := s.commit(s.trunk, "Bo", "mode", map[string]string{"b*": "b\n"})
	link := s.commit(s.trunk, "Bo", "link", map[string]string{"link": "-> dir/c"})
	names := s.commit(s.trunk, "Bo", "names", map[string]string{"-dash": "x\n", "ü b@c": "y\n", "dir/new/deep": "z\n"})
	m := s.h.Merger(t)
	revision := s.promote(m, "ada", binary, mode, link, names)
	for path, want := range map[string]string{
		"img": "f:\x89PNG\x00\x01\x02\n\x00", "b": "x:b\n", "link": "l:dir/c", "-dash": "f:x\n", "ü b@c": "f:y\n", "dir/new/deep": "f:z\n",
	} {
		if got := s.content(m, revision.Tree, path); got != want {
			t.Errorf("%s is %q, not %q", path, got, want)
		}
	}
	for _, id := range []string{binary, mode, link, names} {
		s.wantStanding(m, id, rollcall.StandIntegrated)
	}
	if again := s.bench(m, s.production); again != nil {
		applied, err := again.Apply(s.ctx, s.pick(mode), nil)
		if err != nil || applied.Changed || len(applied.Conflicts) > 0 {
			t.Errorf("what is there already: %+v, %v", applied, err)
		}
	}
}

func backOut(t *testing.T, s *scene) {
	one := s.commit(s.trunk, "Bo", "one", map[string]string{"a": lines("one", "2", "3", "4", "5", "6", "7", "8", "9")})
	two := s.commit(s.trunk, "Cy", "two", map[string]string{"a": lines("one", "2", "3", "4", "5", "6", "7", "8", "nine")})
	m := s.h.Merger(t)
	s.promote(m, "ada", one)
	s.promote(m, "ada", two)
	_, standee := s.standing(m, s.trunk, s.production, one)
	step := rollcall.DeskStep{Kind: rollcall.StepBackOut, Source: s.trunk, ID: one, In: standee.In}
	brought := standee.In
	revision := s.commitSteps(m, s.production, "bo", []rollcall.DeskStep{step}, nil)
	if got := s.content(m, revision.Tree, "a"); got != "f:"+lines("1", "2", "3", "4", "5", "6", "7", "8", "nine") {
		t.Errorf("a is %q", got)
	}
	m = s.h.Merger(t)
	out := s.wantStanding(m, one, rollcall.StandBackedOut)
	if out.In != revision.ID || out.By != "bo" || out.Was != brought {
		t.Errorf("backed out in %s by %s, was integrated in %s", out.In, out.By, out.Was)
	}
	s.wantStanding(m, two, rollcall.StandIntegrated)
	revision = s.promote(m, "ada", one)
	if got := s.content(m, revision.Tree, "a"); got != "f:"+lines("one", "2", "3", "4", "5", "6", "7", "8", "nine") {
		t.Errorf("picked again, a is %q", got)
	}
	s.wantStanding(s.h.Merger(t), one, rollcall.StandIntegrated)
}

func reapplied(t *testing.T, s *scene) {
	apply := s.commit(s.trunk, "Bo", "apply", map[string]string{"b": "B\n"})
	revert := s.commit(s.trunk, "Bo", "revert", map[string]string{"b": "b\n"})
	again := s.commit(s.trunk, "Bo", "apply again", map[string]string{"b": "B\n"})
	m := s.h.Merger(t)
	s.promote(m, "ada", apply)
	s.wantStanding(m, revert, rollcall.StandEligible)
	if got, one := s.standing(m, s.trunk, s.production, again); got != rollcall.StandEligible && got != rollcall.StandProbable {
		t.Errorf("applied again stands as %s: %+v", got, one)
	}
	s.promote(m, "ada", revert)
	revision := s.promote(m, "ada", again)
	if got := s.content(m, revision.Tree, "b"); got != "f:B\n" {
		t.Errorf("b is %q", got)
	}
}

func block(t *testing.T, s *scene) {
	one := s.commit(s.trunk, "Bo", "one", map[string]string{"b": "B\n"})
	m := s.h.Merger(t)
	before, err := m.Tip(s.ctx, s.production)
	s.must(err)
	revision, err := m.Mark(s.ctx, s.trunk, s.production, []rollcall.Mark{{Kind: rollcall.MarkBlocked, ID: one, Why: "not before Monday"}}, "ada")
	s.must(err)
	if revision.Tree != before.Tree {
		t.Error("a block changed files")
	}
	m = s.h.Merger(t)
	blocked := s.wantStanding(m, one, rollcall.StandBlocked)
	if blocked.Why != "not before Monday" || blocked.By != "ada" {
		t.Errorf("blocked: %+v", blocked)
	}
	_, err = m.Mark(s.ctx, s.trunk, s.production, []rollcall.Mark{{Kind: rollcall.MarkUnblocked, ID: one, Why: "it's Monday"}}, "bo")
	s.must(err)
	s.wantStanding(s.h.Merger(t), one, rollcall.StandEligible)
	_, err = m.Mark(s.ctx, s.trunk, s.production, []rollcall.Mark{{Kind: rollcall.MarkIntegrated, ID: one}}, "bo")
	s.must(err)
	s.wantStanding(s.h.Merger(t), one, rollcall.StandIntegrated)
}

func moved(t *testing.T, s *scene) {
	one := s.commit(s.trunk, "Bo", "one", map[string]string{"b": "B\n"})
	m := s.h.Merger(t)
	b := s.bench(m, s.production)
	_, err := b.Apply(s.ctx, s.pick(one), nil)
	s.must(err)
	c := rollcall.DeskCommit{By: "ada", Steps: []rollcall.Standee{{Changeset: rollcall.Changeset{ID: one, Author: "Bo", Subject: "one"}}}, Token: "t1"}
	prepared, err := b.Prepare(s.ctx, c)
	s.must(err)
	hotfix := s.commit(s.production, "Cy", "hotfix", map[string]string{"dir/c": "C\n"})
	if _, err := b.Commit(s.ctx, c, prepared); rollcall.KindOf(err) != rollcall.KindConflict || strings.Contains(rollcall.HintOf(err), "CODE") {
		t.Errorf("Commit = %v, hint %q", err, rollcall.HintOf(err))
	}
	m = s.h.Merger(t)
	if tip, err := m.Tip(s.ctx, s.production); err != nil || tip.ID != hotfix {
		t.Errorf("the tip is %+v, %v", tip, err)
	}
	s.wantStanding(m, one, rollcall.StandEligible)
}

func twice(t *testing.T, s *scene) {
	one := s.commit(s.trunk, "Bo", "one", map[string]string{"b": "B\n"})
	m := s.h.Merger(t)
	b := s.bench(m, s.production)
	_, err := b.Apply(s.ctx, s.pick(one), nil)
	s.must(err)
	c := rollcall.DeskCommit{By: "ada", Steps: []rollcall.Standee{{Changeset: rollcall.Changeset{ID: one, Author: "Bo", Subject: "one"}}}, Token: "t2"}
	prepared, err := b.Prepare(s.ctx, c)
	s.must(err)
	first, err := b.Commit(s.ctx, c, prepared)
	s.must(err)
	s.must(b.Close())
	// Another process does not know whether it went through: it opens the bench that was
	// and commits again, also when others have come after.
	s.commit(s.production, "Cy", "hotfix", map[string]string{"dir/c": "C\n"})
	m = s.h.Merger(t)
	b = s.bench(m, s.production)
	second, err := b.Commit(s.ctx, c, prepared)
	s.must(err)
	if first.ID != second.ID || first.Tree != second.Tree {
		t.Errorf("%+v, then %+v", first, second)
	}
}

func hotfix(t *testing.T, s *scene) {
	plain := s.commit(s.production, "Cy", "hotfix", map[string]string{"b": "hot\n"})
	brought := s.h.Bring(t, s.production, s.trunk, plain, nil)
	m := s.h.Merger(t)
	s.wantStanding(m, brought, rollcall.StandReflected)
	second := s.commit(s.production, "Cy", "hotfix 2", map[string]string{"dir/c": "hot\n"})
	edited := s.h.Bring(t, s.production, s.trunk, second, map[string]string{"extra": "trunk only\n"})
	m = s.h.Merger(t)
	if got, one := s.standing(m, s.trunk, s.production, edited); got != rollcall.StandProbable && got != rollcall.StandEligible {
		t.Errorf("with edits of its own it stands as %q: %+v", got, one)
	}
	b := s.bench(m, s.production)
	applied, err := b.Apply(s.ctx, s.pick(edited), nil)
	if err != nil || len(applied.Conflicts) > 0 || !applied.Changed {
		t.Fatalf("its edits: %+v, %v", applied, err)
	}
	tree, err := b.Freeze(s.ctx)
	s.must(err)
	if got := s.content(m, tree, "extra") + s.content(m, tree, "dir/c"); got != "f:trunk only\nf:hot\n" {
		t.Errorf("extra and dir/c are %q", got)
	}
	s.must(b.Close())
	// The other way: what production got from trunk is not offered to trunk.
	one := s.commit(s.trunk, "Bo", "one", map[string]string{"a": lines("one", "2", "3", "4", "5", "6", "7", "8", "9")})
	m = s.h.Merger(t)
	revision := s.promote(m, "ada", one)
	if got, one := s.standing(m, s.production, s.trunk, revision.ID); got != rollcall.StandReflected {
		t.Errorf("a promotion stands towards trunk as %q: %+v", got, one)
	}
}

func landAndSync(t *testing.T, s *scene) {
	s.h.Branch(t, s.developer, s.trunk)
	s.commit(s.developer, "Dee", "dev 1", map[string]string{"a": lines("dev", "2", "3", "4", "5", "6", "7", "8", "9")})
	s.commit(s.trunk, "Bo", "trunk 1", map[string]string{"a": lines("1", "2", "3", "4", "5", "6", "7", "8", "trunk")})
	whole := func(source string, m rollcall.Merger) rollcall.DeskStep {
		tip, err := m.Tip(s.ctx, source)
		s.must(err)
		return rollcall.DeskStep{Kind: rollcall.StepMerge, Source: source, ID: tip.ID}
	}
	var revision rollcall.Revision
	for i, want := range []string{
		lines("dev", "2", "3", "4", "5", "6", "7", "8", "trunk"),
		lines("dev", "2", "3", "4", "dev5", "6", "7", "8", "trunk"),
		lines("dev", "2", "3", "4", "dev6", "6", "7", "8", "trunk"),
	} {
		m := s.h.Merger(t)
		s.commitSteps(m, s.developer, "dee", []rollcall.DeskStep{whole(s.trunk, m)}, nil) // sync
		if i > 0 {
			s.commit(s.developer, "Dee", "dev more", map[string]string{"a": want})
		}
		m = s.h.Merger(t)
		revision = s.commitSteps(m, s.trunk, "dee", []rollcall.DeskStep{whole(s.developer, m)}, nil) // land
		if got := s.content(m, revision.Tree, "a"); got != "f:"+want {
			t.Errorf("landed %d: a is %q, not %q", i, got, want)
		}
	}
	// What was landed is one changeset of trunk.
	m := s.h.Merger(t)
	got, one := s.standing(m, s.trunk, s.production, revision.ID)
	if got != rollcall.StandEligible || !slices.Equal(one.Files, []string{"a"}) {
		t.Errorf("a landed branch stands as %q: %+v", got, one)
	}
	if len(one.Authors) != 1 || !strings.HasPrefix(one.Authors[0], "Dee") {
		t.Errorf("a landed branch was written by %q", one.Authors)
	}
}

func forgedMessage(t *testing.T, s *scene) {
	victim := s.commit(s.trunk, "Bo", "victim", map[string]string{"b": "B\n"})
	forger := s.commit(s.trunk, "Eve", "innocent\n\nRollcall-Pick: "+victim+"\nrollcall-block: "+victim+"\nRollcall-By: ada", map[string]string{"dir/c": "C\n"})
	m := s.h.Merger(t)
	s.wantStanding(m, victim, rollcall.StandEligible)
	s.promote(m, "bo", forger)
	m = s.h.Merger(t)
	s.wantStanding(m, victim, rollcall.StandEligible)
	if one := s.wantStanding(m, forger, rollcall.StandIntegrated); one.By != "bo" {
		t.Errorf("integrated by %q", one.By)
	}
}

func each(t *testing.T, s *scene) {
	var steps []rollcall.DeskStep
	for i, content := range []string{"x", "y", "z"} {
		steps = append(steps, s.pick(s.commit(s.trunk, "Bo", "change", map[string]string{"b": content + "\n", "n" + content: strings.Repeat("n", i+1)})))
	}
	m := s.h.Merger(t)
	b := s.bench(m, s.production)
	tries, ok := b.(rollcall.Parallel)
	if !ok {
		t.Skip("it can't")
	}
	var got [3]rollcall.Applied
	s.must(tries.Each(s.ctx, steps, func(i int, applied rollcall.Applied, err error) {
		s.must(err)
		got[i] = applied
	}))
	for i, step := range steps {
		s.must(b.Reset(s.ctx))
		want, err := b.Apply(s.ctx, step, nil)
		s.must(err)
		if want.Changed != got[i].Changed || len(want.Conflicts) != len(got[i].Conflicts) || len(want.Conflicts) > 0 && want.Conflicts[0].Path != got[i].Conflicts[0].Path {
			t.Errorf("step %d: at once %+v, alone %+v", i, got[i], want)
		}
	}
}

func proofs(t *testing.T, s *scene) {
	one := s.commit(s.trunk, "Bo", "one\n\nRollcall-Staged: "+strings.Repeat("ab", 32), map[string]string{"b": "B\n"})
	m := s.h.Merger(t)
	id := rollcall.ReleaseID(strings.Repeat("3f", 32))
	b := s.bench(m, s.production)
	_, err := b.Apply(s.ctx, s.pick(one), nil)
	s.must(err)
	c := rollcall.DeskCommit{
		By: "ada", Note: "with care\nRollcall-Staged: " + strings.Repeat("cd", 32), Staged: []rollcall.ReleaseID{id}, Token: "t3",
		Steps: []rollcall.Standee{{Changeset: rollcall.Changeset{ID: one, Author: "Bo", Subject: "one"}, Message: "one\n\nRollcall-Staged: " + strings.Repeat("ab", 32)}},
	}
	prepared, err := b.Prepare(s.ctx, c)
	s.must(err)
	_, err = b.Commit(s.ctx, c, prepared)
	s.must(err)
	got, err := s.h.Merger(t).Proofs(s.ctx, s.production)
	if err != nil || len(got) != 1 || got[0] != id {
		t.Errorf("Proofs = %v, %v", got, err)
	}
}

func lastChanged(t *testing.T, s *scene) {
	one := s.commit(s.trunk, "Bo", "one #7", map[string]string{"b": "B\n"})
	two := s.commit(s.trunk, "Cy", "two", map[string]string{"dir/c": "C\n"})
	m := s.h.Merger(t)
	got, err := m.LastChanged(s.ctx, s.trunk, []string{"b", "dir/c", "none"})
	s.must(err)
	if len(got) != 2 || got["b"].ID != one || got["b"].Author != "Bo" || got["dir/c"].ID != two {
		t.Errorf("LastChanged = %+v", got)
	}
	three := s.commit(s.trunk, "Dee", "three #8", map[string]string{"b": "BB\n"})
	m = s.h.Merger(t)
	s.promote(m, "ada", one)
	s.commitSteps(m, s.production, "ada", []rollcall.DeskStep{s.pick(two), s.pick(three)}, nil)
	got, err = s.h.Merger(t).LastChanged(s.ctx, s.production, []string{"b", "dir/c"})
	s.must(err)
	if got["b"].Author != "Dee" || !slices.Equal(got["b"].Tickets, []string{"8"}) || got["dir/c"].Author != "Cy" {
		t.Errorf("LastChanged of what was promoted = %+v", got)
	}
	patch, err := m.Patch(s.ctx, s.trunk, one)
	if err != nil || !strings.Contains(string(patch), "+B") || !strings.Contains(string(patch), "-b") || strings.Contains(string(patch), "+C") {
		t.Errorf("Patch = %q, %v", patch, err)
	}
	s.h.Branch(t, s.developer, s.trunk)
	m = s.h.Merger(t)
	names, err := m.Branches(s.ctx, s.developer[:len(s.developer)-1]+"*")
	if err != nil || !slices.Equal(names, []string{s.developer}) {
		t.Errorf("Branches = %v, %v", names, err)
	}
}
