package vcstest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

// What conflicts by the names that each side gives: renamed otherwise, deleted, or a file
// where the other has a folder or a link.

func (s *scene) move(branch string, moves map[string]string, files map[string]string) string {
	s.Helper()
	return s.h.Commit(s.T, Commit{Branch: branch, Author: "Bo", Message: "move", Moves: moves, Files: files})
}

// decided applies a step that must conflict at these paths, takes one side of each, and
// gives the tree.
func (s *scene) decided(m rollcall.Merger, step rollcall.DeskStep, take rollcall.Take, paths ...string) string {
	s.Helper()
	b := s.bench(m, s.production)
	defer b.Close()
	applied, err := b.Apply(s.ctx, step, nil)
	s.must(err)
	var got []string
	var decisions []rollcall.Resolution
	for _, c := range applied.Conflicts {
		got = append(got, c.Path)
		side := c.Theirs
		if take == rollcall.TakeProduction {
			side = c.Production
		}
		r := rollcall.Resolution{Path: c.Path, Of: c.Fingerprint(), Take: take, Delete: side == nil}
		if side != nil {
			r.Type, r.Content = side.Type, side.Content
		}
		decisions = append(decisions, r)
	}
	if !slices.Equal(got, paths) {
		s.Fatalf("%s conflicts at %q, not at %q", step.ID, got, paths)
	}
	s.must(b.Reset(s.ctx))
	applied, err = b.Apply(s.ctx, step, decisions)
	s.must(err)
	if len(applied.Conflicts) > 0 {
		s.Fatalf("%s still conflicts: %+v", step.ID, applied.Conflicts)
	}
	tree, err := b.Freeze(s.ctx)
	s.must(err)
	return tree
}

// wantFiles compares all files of a tree but those of the beginning.
func (s *scene) wantFiles(m rollcall.Merger, tree string, want map[string]string) {
	s.Helper()
	changes, err := m.Changes(s.ctx, "", tree)
	s.must(err)
	got := map[string]string{}
	for _, c := range changes {
		got[c.Path] = s.blob(m, c.New.Blob)
	}
	for path, content := range map[string]string{"a": lines("1", "2", "3", "4", "5", "6", "7", "8", "9"), "b": "b\n", "dir/c": "c\n"} {
		if _, ok := want[path]; !ok && got[path] == content {
			delete(got, path)
		}
	}
	if !maps.Equal(got, want) {
		s.Errorf("the tree has %q, not %q", got, want)
	}
}

func renamedTwice(t *testing.T, s *scene) {
	nine := lines("1", "2", "3", "4", "5", "6", "7", "8", "9")
	id := s.move(s.trunk, map[string]string{"a": "find"}, nil)
	s.move(s.production, map[string]string{"a": "seek"}, nil)
	m := s.h.Merger(t)
	s.wantFiles(m, s.decided(m, s.pick(id), rollcall.TakeTheirs, "a", "find", "seek"), map[string]string{"find": nine})
	s.wantFiles(m, s.decided(m, s.pick(id), rollcall.TakeProduction, "a", "find", "seek"), map[string]string{"seek": nine})
	b := s.bench(m, s.production)
	tries, ok := b.(rollcall.Parallel)
	if !ok {
		return
	}
	s.must(tries.Each(s.ctx, []rollcall.DeskStep{s.pick(id)}, func(_ int, applied rollcall.Applied, err error) {
		if err != nil || len(applied.Conflicts) != 3 {
			t.Errorf("tried alone: %+v, %v", applied, err)
		}
	}))
}

func renamedByPromotion(t *testing.T, s *scene) {
	nine := lines("1", "2", "3", "4", "5", "6", "7", "8", "9")
	s.h.Branch(t, s.developer, s.trunk)
	one := s.move(s.trunk, map[string]string{"a": "so"}, nil)
	two := s.move(s.trunk, map[string]string{"so": "seek"}, nil)
	id := s.move(s.developer, map[string]string{"a": "find"}, nil)
	m := s.h.Merger(t)
	s.promote(m, "ada", one)
	s.promote(m, "ada", two)
	step := rollcall.DeskStep{Kind: rollcall.StepPick, Source: s.developer, ID: id}
	s.wantFiles(m, s.decided(m, step, rollcall.TakeTheirs, "a", "find", "seek"), map[string]string{"find": nine})
	s.wantFiles(m, s.decided(m, step, rollcall.TakeProduction, "a", "find", "seek"), map[string]string{"seek": nine})
}

func renamedBack(t *testing.T, s *scene) {
	nine := lines("1", "2", "3", "4", "5", "6", "7", "8", "9")
	id := s.move(s.trunk, map[string]string{"a": "find"}, nil)
	m := s.h.Merger(t)
	s.promote(m, "ada", id)
	s.move(s.production, map[string]string{"find": "seek"}, nil)
	m = s.h.Merger(t)
	_, standee := s.standing(m, s.trunk, s.production, id)
	step := rollcall.DeskStep{Kind: rollcall.StepBackOut, Source: s.trunk, ID: id, In: standee.In}
	s.wantFiles(m, s.decided(m, step, rollcall.TakeTheirs, "a", "find", "seek"), map[string]string{"a": nine})
	s.wantFiles(m, s.decided(m, step, rollcall.TakeProduction, "a", "find", "seek"), map[string]string{"seek": nine})
}

func renamedOnTheDesk(t *testing.T, s *scene) {
	one := s.move(s.trunk, map[string]string{"a": "so"}, nil)
	two := s.move(s.trunk, map[string]string{"so": "find"}, nil)
	three := s.commit(s.trunk, "Cy", "gone", nil, "find")
	m := s.h.Merger(t)
	s.promote(m, "ada", one)
	s.promote(m, "ada", two)
	m = s.h.Merger(t)
	_, standee := s.standing(m, s.trunk, s.production, two)
	back := rollcall.DeskStep{Kind: rollcall.StepBackOut, Source: s.trunk, ID: two, In: standee.In}
	b := s.bench(m, s.production)
	applied, err := b.Apply(s.ctx, back, nil)
	s.must(err)
	if len(applied.Conflicts) > 0 {
		t.Fatalf("taken back: %+v", applied)
	}
	if applied, err = b.Apply(s.ctx, s.pick(three), nil); err != nil || len(applied.Conflicts) != 1 || applied.Conflicts[0].Path != "so" {
		t.Errorf("what has another name again is deleted: %+v, %v", applied, err)
	}
}

func folderRenamedTwice(t *testing.T, s *scene) {
	id := s.move(s.trunk, map[string]string{"dir": "find"}, nil)
	s.move(s.production, map[string]string{"dir": "seek"}, nil)
	m := s.h.Merger(t)
	for take, want := range map[rollcall.Take]string{rollcall.TakeTheirs: "find/c", rollcall.TakeProduction: "seek/c"} {
		// git knows no folders.
		paths := []string{"dir/c", "find/c", "seek/c"}
		b := s.bench(m, s.production)
		applied, err := b.Apply(s.ctx, s.pick(id), nil)
		s.must(err)
		s.must(b.Close())
		if len(applied.Conflicts) > 0 && applied.Conflicts[0].Path == "dir" {
			paths = []string{"dir", "find", "seek"}
		}
		s.wantFiles(m, s.decided(m, s.pick(id), take, paths...), map[string]string{want: "c\n"})
	}
}

func renamedAndDeleted(t *testing.T, s *scene) {
	nine := lines("1", "2", "3", "4", "5", "6", "7", "8", "9")
	moved := s.move(s.trunk, map[string]string{"a": "find"}, nil)
	s.commit(s.production, "Cy", "gone", nil, "a")
	s.move(s.production, map[string]string{"dir": "seek"}, nil)
	gone := s.commit(s.trunk, "Cy", "gone", nil, "dir/c")
	m := s.h.Merger(t)
	has := map[string]string{"seek/c": "c\n"}
	s.wantFiles(m, s.decided(m, s.pick(moved), rollcall.TakeProduction, "find"), has)
	s.wantFiles(m, s.decided(m, s.pick(gone), rollcall.TakeProduction, "seek/c"), has)
	s.wantFiles(m, s.decided(m, s.pick(gone), rollcall.TakeTheirs, "seek/c"), map[string]string{})
	has["find"] = nine
	s.wantFiles(m, s.decided(m, s.pick(moved), rollcall.TakeTheirs, "find"), has)
}

func renamedAlike(t *testing.T, s *scene) {
	id := s.move(s.trunk, map[string]string{"a": "find", "dir": "lib"}, nil)
	s.move(s.production, map[string]string{"a": "find", "dir": "lib"}, nil)
	m := s.h.Merger(t)
	revision := s.promote(m, "ada", id)
	s.wantFiles(m, revision.Tree, map[string]string{"find": lines("1", "2", "3", "4", "5", "6", "7", "8", "9"), "lib/c": "c\n"})
}

func renamedAndChanged(t *testing.T, s *scene) {
	s.commit(s.production, "Cy", "hotfix", map[string]string{"a": lines("one", "2", "3", "4", "5", "6", "7", "8", "9"), "b*": "b\n"})
	id := s.move(s.trunk, map[string]string{"a": "find", "b": "b@2"}, map[string]string{"find": lines("1", "2", "3", "4", "5", "6", "7", "8", "nine")})
	m := s.h.Merger(t)
	revision := s.promote(m, "ada", id)
	s.wantFiles(m, revision.Tree, map[string]string{"find": lines("one", "2", "3", "4", "5", "6", "7", "8", "nine"), "b@2": "b\n"})
	if got := s.content(m, revision.Tree, "b@2"); got != "x:b\n" {
		t.Errorf("b is %q", got)
	}
	_, standee := s.standing(m, s.trunk, s.production, id)
	step := rollcall.DeskStep{Kind: rollcall.StepBackOut, Source: s.trunk, ID: id, In: standee.In}
	b := s.bench(m, s.production)
	applied, err := b.Apply(s.ctx, step, nil)
	s.must(err)
	if len(applied.Conflicts) > 0 {
		t.Fatalf("taken back: %+v", applied)
	}
	tree, err := b.Freeze(s.ctx)
	s.must(err)
	s.wantFiles(m, tree, map[string]string{"a": lines("one", "2", "3", "4", "5", "6", "7", "8", "9")})
	s.must(b.Close())

	s.commit(s.production, "Cy", "hotfix", map[string]string{"find": lines("one", "2", "3", "4", "hot", "6", "7", "8", "nine"), "dir/c": "hot\n"})
	id = s.move(s.trunk, map[string]string{"find": "last", "dir": "lib"}, map[string]string{"last": lines("1", "2", "3", "4", "five", "6", "7", "8", "nine")})
	m = s.h.Merger(t)
	b = s.bench(m, s.production)
	applied, err = b.Apply(s.ctx, s.pick(id), nil)
	s.must(err)
	if len(applied.Conflicts) != 1 || applied.Conflicts[0].Path != "last" || !strings.Contains(string(applied.Conflicts[0].Base.Content), "5") ||
		!strings.Contains(string(applied.Conflicts[0].Production.Content), "hot") || !strings.Contains(string(applied.Conflicts[0].Theirs.Content), "five") {
		t.Fatalf("both changed it: %+v", applied.Conflicts)
	}
	s.must(b.Close())
	want := map[string]string{"last": lines("1", "2", "3", "4", "five", "6", "7", "8", "nine"), "lib/c": "hot\n", "b@2": "b\n"}
	s.wantFiles(m, s.decided(m, s.pick(id), rollcall.TakeTheirs, "last"), want)
}

// notBoth has two sides that can't both be at a path: one of them is taken whole, and
// nothing but the two is ever there.
func notBoth(t *testing.T, s *scene) {
	type sides struct{ production, theirs map[string]string }
	for name, one := range map[string]sides{
		"file":   {map[string]string{"file": "production's\n"}, map[string]string{"file/a": "theirs\n", "file/b/c": "theirs too\n"}},
		"folder": {map[string]string{"folder/a": "production's\n", "folder/b/c": "too\n"}, map[string]string{"folder": "theirs\n"}},
		"linked": {map[string]string{"linked": "production's\n"}, map[string]string{"linked": "-> b"}},
		"link":   {map[string]string{"link": "-> b"}, map[string]string{"link": "theirs\n"}},
	} {
		s.commit(s.production, "Cy", "hotfix of "+name, one.production)
		step := s.pick(s.commit(s.trunk, "Bo", "another "+name, one.theirs))
		m := s.h.Merger(t)
		b := s.bench(m, s.production)
		before := s.files(m, b)
		applied, err := b.Apply(s.ctx, step, nil)
		s.must(err)
		if len(applied.Conflicts) != 1 || applied.Conflicts[0].Path != name || applied.Conflicts[0].Production == nil || applied.Conflicts[0].Theirs == nil {
			t.Fatalf("%s: %+v", name, applied.Conflicts)
		}
		c := applied.Conflicts[0]
		if c.Production.Type == c.Theirs.Type || c.Words == "" {
			t.Errorf("%s: %q, %c against %c", name, c.Words, c.Production.Type, c.Theirs.Type)
		}
		for take, want := range map[rollcall.Take]map[string]string{rollcall.TakeProduction: one.production, rollcall.TakeTheirs: one.theirs} {
			s.must(b.Reset(s.ctx))
			side := c.Theirs
			if take == rollcall.TakeProduction {
				side = c.Production
			}
			applied, err := b.Apply(s.ctx, step, []rollcall.Resolution{{Path: name, Of: c.Fingerprint(), Take: take, Type: side.Type, Content: side.Content}})
			s.must(err)
			if applied.Changed == (take == rollcall.TakeProduction) || len(applied.Conflicts) > 0 {
				t.Errorf("%s, %s taken: %+v", name, take, applied)
			}
			wanted := maps.Clone(before)
			for path := range one.production {
				delete(wanted, path)
			}
			for path, content := range want {
				kind := "f:"
				if target, isLink := strings.CutPrefix(content, "-> "); isLink {
					kind, content = "l:", target
				}
				wanted[path] = kind + content
			}
			if got := s.files(m, b); !maps.Equal(got, wanted) {
				t.Errorf("%s, %s taken: %q, not %q", name, take, got, wanted)
			}
		}
		s.must(b.Close())
	}
}

// files reads everything that stands on a bench.
func (s *scene) files(m rollcall.Merger, b rollcall.Bench) map[string]string {
	s.Helper()
	tree, err := b.Freeze(s.ctx)
	s.must(err)
	changes, err := m.Changes(s.ctx, "", tree)
	s.must(err)
	all := map[string]string{}
	for _, c := range changes {
		all[c.Path] = string(c.New.Type) + ":" + s.blob(m, c.New.Blob)
	}
	return all
}
