package svn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

func TestStandings(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "d/x": "x\n", "d/y": "y\n", "e/z": "z\n"})
	merge := func(options ...string) string {
		return d.by("Cy", append([]string{"merge", "-q", "--accept", "mine-full"}, options...))
	}
	whole := d.change("trunk", map[string]string{"a": "one\n2\n3\n4\n5\n6\n7\n8\n9\n"})
	out := d.change("trunk", map[string]string{"a": "one\n2\n3\n4\n5\n6\n7\n8\nnine\n"})
	part := d.change("trunk", map[string]string{"d/x": "X\n", "e/z": "Z\n"})
	sub := d.change("trunk", map[string]string{"d/y": "Y\n"})
	shallow := d.change("trunk", map[string]string{"top": "t\n", "d/deep": "d\n"})
	open := d.change("trunk", map[string]string{"n": "n\n"})
	in := merge("-c", whole[1:], "^/trunk", production)
	merge("-c", out[1:], "^/trunk", production)
	gone := merge("-c", "-"+out[1:], "^/trunk", production)
	merge("-c", part[1:], "^/trunk/d", production+"/d")
	merge("-c", sub[1:], "^/trunk/d", production+"/d")
	merge("-c", shallow[1:], "--depth", "files", "^/trunk", production)
	d.fresh()
	got := d.stands("trunk", production)
	for id, want := range map[string]rollcall.Standing{
		whole: rollcall.StandIntegrated, out: rollcall.StandBackedOut, part: rollcall.StandPartial,
		sub: rollcall.StandIntegrated, shallow: rollcall.StandPartial, open: rollcall.StandEligible,
	} {
		if got[id] != string(want) {
			t.Errorf("%s stands as %q, want %q", id, got[id], want)
		}
	}
	d.crossCheck("trunk", production)
	all, err := d.r.Standees(t.Context(), "trunk", production, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.ID == out && (s.In != gone || s.By != "Cy") {
			t.Errorf("backed out: %+v", s)
		}
		if s.Standing == rollcall.StandIntegrated {
			t.Errorf("%s is listed without all", s.ID)
		}
	}
	d.clean(pick(out))
	revision := d.commit()
	all, err = d.r.Standees(t.Context(), "trunk", production, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.ID == out && (s.In != revision.ID || s.By != "ada" || s.Standing != rollcall.StandIntegrated) {
			t.Errorf("picked again: %+v", s)
		}
		if s.ID == whole && (s.In != in || s.By != "Cy") {
			t.Errorf("integrated: %+v", s)
		}
	}
	// What a part of the branch has of its own is noted there too.
	if _, err := d.r.Mark(t.Context(), "trunk", production, []rollcall.Mark{{Kind: rollcall.MarkIntegrated, ID: part}}, "ada"); err != nil {
		t.Fatal(err)
	}
	d.wantStand("trunk", production, part, rollcall.StandIntegrated)
	if _, err := d.r.Mark(t.Context(), "trunk", production, []rollcall.Mark{{Kind: rollcall.MarkForgotten, ID: part}}, "ada"); err != nil {
		t.Fatal(err)
	}
	d.wantStand("trunk", production, part, rollcall.StandEligible)
}

func TestForgedLedger(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n"})
	one := d.change("trunk", map[string]string{"a": "b\n"})
	d.by("Eve", []string{"propset", "-q", propMergeinfo, "/trunk:2-999", production})
	d.fresh()
	_, err := d.r.Standees(t.Context(), "trunk", production, false)
	if rollcall.KindOf(err) != rollcall.KindRefused || !strings.Contains(err.Error(), "r999") {
		t.Errorf("Standees = %v", err)
	}
	// Revisions that did not touch the source are normal.
	d.by("Eve", []string{"propset", "-q", propMergeinfo, "/trunk:1-" + one[1:] + "\n/branches/nowhere:3", production})
	d.fresh()
	d.wantStand("trunk", production, one, rollcall.StandIntegrated)
}

func TestReplacedTrunk(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n"})
	begin := strings.TrimSpace(d.svn("info", "--show-item", "revision", d.url("")))
	one := d.change("trunk", map[string]string{"a": "b\n"})
	d.by("Cy", []string{"merge", "-q", "-c", one[1:], "^/trunk", production})
	d.svn("rm", "-q", "-m", "gone", d.url("trunk"))
	d.svn("cp", "-q", "-m", "back", d.url("trunk")+"@"+begin, d.url("trunk"))
	d.svn("update", "-q")
	replaced := "r" + strings.TrimSpace(d.svn("info", "--show-item", "revision", d.url("")))
	d.change("trunk", map[string]string{"c": "c\n"})
	d.fresh()
	_, err := d.r.Standees(t.Context(), "trunk", production, false)
	if rollcall.KindOf(err) != rollcall.KindRefused || !strings.Contains(err.Error(), "replaced in "+replaced+": "+one) {
		t.Errorf("Standees = %v", err)
	}
}

func TestRecreatedTrunk(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n"})
	d.svn("rm", "-q", "-m", "gone", d.url("trunk"))
	d.svn("update", "-q")
	d.change("trunk", map[string]string{"a": "other\n"})
	d.fresh()
	if _, err := d.r.Standees(t.Context(), "trunk", production, false); rollcall.KindOf(err) != rollcall.KindRefused {
		t.Errorf("Standees = %v", err)
	}
}

// A trunk that was renamed, and a branch that was made from another branch, are what they were.
func TestRenamedBranches(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n", "b": "b\n"})
	one := d.change("trunk", map[string]string{"a": "A\n"})
	d.by("Cy", []string{"merge", "-q", "-c", one[1:], "^/trunk", production})
	two := d.change("trunk", map[string]string{"b": "B\n"})
	d.by("Cy", []string{"mv", "-q", "trunk", "main"})
	three := d.change("main", map[string]string{"c": "C\n"})
	d.Branch(t, "branches/next", production)
	d.fresh()
	for _, target := range []string{production, "branches/next"} {
		if got := fmt.Sprint(d.stands("main", target)); got != fmt.Sprint(map[string]string{one: "integrated", two: "eligible", three: "eligible"}) {
			t.Errorf("towards %s: %s", target, got)
		}
	}
	d.crossCheck("main", production)
	step := pick(two)
	step.Source = "main"
	d.clean(step)
	d.commit()
	d.wantStand("main", production, two, rollcall.StandIntegrated)
	if _, err := d.r.Mark(t.Context(), "main", production, []rollcall.Mark{{Kind: rollcall.MarkIntegrated, ID: three}}, "ada"); err != nil {
		t.Fatal(err)
	}
	d.wantStand("main", production, three, rollcall.StandIntegrated)
}

func TestSvnmerge(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n"})
	var ids []string
	for i := range 6 {
		ids = append(ids, d.change("trunk", map[string]string{"a": fmt.Sprint(i, "\n")}))
	}
	number := func(i int) string { return ids[i][1:] }
	uuid := d.svn("info", "--show-item", "repos-uuid", d.url(""))
	d.by("Cy", []string{"propset", "-q", propIntegrated, fmt.Sprintf("/other:1-9 uuid://%s/trunk:1-%s,%s\nuuid://0000/trunk:%s", uuid, number(1), number(3), number(5)), production},
		[]string{"propset", "-q", propAvoided, "/trunk:" + number(2), production})
	d.fresh()
	want := []string{"integrated", "integrated", "blocked", "integrated", "eligible", "eligible"}
	check := func() {
		t.Helper()
		got := d.stands("trunk", production)
		for i, id := range ids {
			if got[id] != want[i] {
				t.Errorf("%s stands as %s, want %s", id, got[id], want[i])
			}
		}
	}
	check()
	marks, err := d.r.ImportPlan(t.Context(), "trunk", production)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(marks); got != fmt.Sprint([]rollcall.Mark{
		{Kind: rollcall.MarkIntegrated, ID: ids[0]},
		{Kind: rollcall.MarkIntegrated, ID: ids[1]},
		{Kind: rollcall.MarkBlocked, ID: ids[2], Why: svnmergeBlock},
		{Kind: rollcall.MarkIntegrated, ID: ids[3]},
	}) {
		t.Errorf("the plan is %s", got)
	}
	before := tip(t, d.r, production)
	after, err := d.r.Mark(t.Context(), "trunk", production, marks, "ada")
	if err != nil || after.Tree != before.Tree {
		t.Fatalf("Mark = %+v, %v", after, err)
	}
	check()
	d.svn("update", "-q")
	if got := d.svn("propget", propMergeinfo, production); got != fmt.Sprintf("/trunk:%s-%s,%s", number(0), number(1), number(3)) {
		t.Errorf("svn:mergeinfo is %q", got)
	}
	if marks, err = d.r.ImportPlan(t.Context(), "trunk", production); err != nil || len(marks) != 0 {
		t.Errorf("once more: %v, %v", marks, err)
	}
	if again, err := d.r.Mark(t.Context(), "trunk", production, nil, "ada"); err != nil || again.ID != after.ID {
		t.Errorf("no marks: %+v, %v", again, err)
	}
	if _, err := d.r.Mark(t.Context(), "trunk", production, []rollcall.Mark{{Kind: rollcall.MarkUnblocked, ID: ids[2]}}, "ada"); err != nil {
		t.Fatal(err)
	}
	want[2] = "eligible"
	check()
}

// What only svnmerge.py has on its list is reversed all the same.
func TestBackOutOfSvnmerge(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n"})
	one := d.change("trunk", map[string]string{"a": "b\n"})
	d.change(production, map[string]string{"a": "b\n"})
	d.by("Cy", []string{"propset", "-q", propIntegrated, "/trunk:1-" + one[1:], production})
	d.fresh()
	if !d.clean(rollcall.DeskStep{Kind: rollcall.StepBackOut, Source: "trunk", ID: one}) {
		t.Error("nothing changed")
	}
	d.holds(map[string]string{"a": "f a\n"})
	d.commit()
	if got := d.stands("trunk", production)[one]; got != string(rollcall.StandEligible) {
		t.Errorf("it stands as %s", got)
	}
	step := rollcall.DeskStep{Kind: rollcall.StepBackOut, Source: "trunk", ID: one}
	if _, err := d.b.Apply(t.Context(), step, nil); rollcall.KindOf(err) != rollcall.KindRefused {
		t.Errorf("backed out twice: %v", err)
	}
}

func TestBackOutOfAnAncestor(t *testing.T) {
	d := &desk{deskHistory: newDeskHistory(t), T: t}
	d.change("trunk", map[string]string{"a": "1\n2\n3\n4\n5\n"})
	one := d.change("trunk", map[string]string{"a": "one\n2\n3\n4\n5\n"})
	d.change("trunk", map[string]string{"a": "one\n2\n3\n4\nfive\n"})
	d.Branch(t, production, "trunk")
	d.change("trunk", map[string]string{"b": "b\n"})
	d.fresh()
	if !d.clean(rollcall.DeskStep{Kind: rollcall.StepBackOut, Source: "trunk", ID: one}) {
		t.Error("nothing changed")
	}
	d.holds(map[string]string{"a": "f 1\n2\n3\n4\nfive\n"})
	d.commit()
}

func TestReflected(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "b": "b\n"})
	one := d.change("trunk", map[string]string{"a": "one\n2\n3\n4\n5\n6\n7\n8\n9\n"})
	two := d.change("trunk", map[string]string{"a": "one\n2\n3\n4\n5\n6\n7\n8\nnine\n"})
	d.fresh()
	d.clean(pick(one))
	d.clean(pick(two))
	plain := d.commit()
	// trunk goes on with the same lines: what was merged is still its own.
	three := d.change("trunk", map[string]string{"a": "ONE\n2\n3\n4\n5\n6\n7\n8\nNINE\n", "b": "B\n"})
	d.change(production, map[string]string{"b": "hot\n"})
	d.fresh()
	d.clean(pick(three), rollcall.Resolution{Path: "b", Take: rollcall.TakeFile, Content: []byte("B, hot\n")})
	resolved := d.commit()
	mark, err := d.r.Mark(t.Context(), "trunk", production, []rollcall.Mark{{Kind: rollcall.MarkBlocked, ID: three, Why: "x"}}, "ada")
	if err != nil {
		t.Fatal(err)
	}
	got := d.stands(production, "trunk")
	if got[plain.ID] != "reflected" || got[resolved.ID] != "probable" || got[mark.ID] != "reflected" {
		t.Errorf("towards trunk: %v", got)
	}
	// And so it is on a developer's branch, which follows trunk.
	d.Branch(t, "branches/dev-dee", "trunk")
	d.change("trunk", map[string]string{"c": "c\n"})
	own := d.change("branches/dev-dee", map[string]string{"d": "d\n"})
	sync := d.by("Dee", []string{"merge", "-q", "^/trunk", "branches/dev-dee"})
	d.by("Dee", []string{"copy", "-q", "^/trunk/c@HEAD", "branches/dev-dee/c2"})
	d.fresh()
	got = d.stands("branches/dev-dee", "trunk")
	if got[own] != "eligible" || got[sync] != "reflected" || len(got) != 3 {
		t.Errorf("of the branch: %v", got)
	}
}

// A revision that changed two branches is noted as that of the one that was named, and of no
// other.
func TestMarkNamesItsSource(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n"})
	d.Branch(t, "branches/dev-dee", "trunk")
	both := d.by("Bo", []string{"propset", "-q", "x", "y", "trunk/a", "branches/dev-dee/a"})
	only := d.change("trunk", map[string]string{"a": "more\n"})
	d.fresh()
	mark := func(id string) error {
		_, err := d.r.Mark(t.Context(), "branches/dev-dee", production, []rollcall.Mark{{Kind: rollcall.MarkIntegrated, ID: id}}, "ada")
		return err
	}
	if err := mark(both); err != nil {
		t.Fatal(err)
	}
	d.wantStand("branches/dev-dee", production, both, rollcall.StandIntegrated)
	d.wantStand("trunk", production, both, rollcall.StandEligible)
	if err := mark(only); rollcall.KindOf(err) != rollcall.KindInvalid {
		t.Errorf("what is none of its changesets: %v", err)
	}
}

func TestMarkManyAtOnce(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "a\n"})
	var marks []rollcall.Mark
	for i := range 30 {
		if id := d.change("trunk", map[string]string{"a": fmt.Sprint(i)}); i%2 == 0 {
			marks = append(marks, rollcall.Mark{Kind: rollcall.MarkIntegrated, ID: id})
		}
	}
	d.fresh()
	before := d.r.head
	if _, err := d.r.Mark(t.Context(), "trunk", production, marks, "ada"); err != nil {
		t.Fatal(err)
	}
	if d.r.head != before+1 {
		t.Errorf("it took %d revisions", d.r.head-before)
	}
	got := d.stands("trunk", production)
	for _, m := range marks {
		if got[m.ID] != "integrated" {
			t.Errorf("%s stands as %s", m.ID, got[m.ID])
		}
	}
	d.crossCheck("trunk", production)
}

func TestTouched(t *testing.T) {
	d := newDesk(t, map[string]string{"a@b c": "1\n2\n3\n4\n5\n6\n", "gone": "g\n", "moved": "1\n2\n3\n", "bin": "\x00\x01"})
	one := d.change("trunk", map[string]string{"a@b c": "1\ntwo\n@@ -1,9 +1,9 @@\n4\n5\n6\n", "gone": "G\nG\n", "new": "n\n", "bin": "\x00\x02"})
	two := d.change("trunk", map[string]string{"a@b c": "1\ntwo\n@@ -1,9 +1,9 @@\n4\nfive\n6\n", "moved": "1\ntwo\n3\n"})
	d.svn("mv", "-q", "trunk/moved", "trunk/m2")
	d.svn("rm", "-q", "trunk/gone")
	three := d.change("trunk", map[string]string{"a@b c": "1\nTWO\n-- x\n4\nFIVE\n6\n7\n", "new": "N\n", "m2": "1\nTWO\n3\n", "bin": "\x00\x03"})
	d.fresh()
	for range 2 {
		got, err := d.r.Touched(t.Context(), "trunk", production, three)
		if err != nil {
			t.Fatal(err)
		}
		want := []rollcall.Touch{{ID: one, Path: "a@b c", Lines: 2}, {ID: two, Path: "a@b c", Lines: 1}, {ID: one, Path: "gone", Lines: 2}, {ID: two, Path: "m2", Lines: 1}, {ID: one, Path: "new", Lines: 1}}
		slices.SortStableFunc(got.Touches, func(a, b rollcall.Touch) int { return strings.Compare(a.Path+a.ID, b.Path+b.ID) })
		if !slices.Equal(got.Touches, want) {
			t.Errorf("Touched = %v\nwant %v", got, want)
		}
	}
	many, err := d.r.TouchedByEach(t.Context(), "trunk", production, []string{one, two, three})
	if err != nil || len(many[one].Touches) != 0 || len(many[two].Touches) != 0 || len(many[three].Touches) != 5 {
		t.Errorf("of many: %v, %v", many, err)
	}
	if _, err := d.r.Touched(t.Context(), "trunk", production, "r2"); rollcall.KindOf(err) != rollcall.KindNotFound {
		t.Errorf("of a changeset before the parting: %v", err)
	}
}

func TestLastChanged(t *testing.T) {
	d := newDesk(t, map[string]string{"old/a": "a\n", "old/b": "b\n", "x": "x\n", "y": "y\n"})
	begin := "r2"
	b := d.change("trunk", map[string]string{"old/b": "B\n"})
	moved := d.by("Bo", []string{"mv", "-q", "trunk/old", "trunk/new"})
	gone := d.by("Bo", []string{"rm", "-q", "trunk/x"})
	hot := d.change(production, map[string]string{"y": "Y\n"})
	d.fresh()
	for branch, want := range map[string]map[string]string{
		"trunk":    {"new/a": moved, "new/b": moved, "old/a": moved, "x": gone, "y": begin},
		production: {"old/a": begin, "old/b": begin, "x": begin, "y": hot},
	} {
		got, err := d.r.LastChanged(t.Context(), branch, []string{"new/a", "new/b", "old/a", "old/b", "x", "y", "no", "new/no", "", "../x"})
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]string{}
		for path, c := range got {
			ids[path] = c.ID
		}
		if branch == "trunk" {
			want["old/b"] = moved
		}
		if fmt.Sprint(ids) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", branch, ids, want)
		}
	}
	_ = b
}

// A code that is a folder of a repository, and a changeset whose revision touches others too.
func TestInAFolder(t *testing.T) {
	t.Parallel()
	d := &desk{deskHistory: newDeskHistory(t), T: t}
	d.change("projects/www/trunk", map[string]string{"a": "a\n"})
	d.svn("mkdir", "-q", "-m", "folder", d.url("projects/www/branches"))
	d.svn("copy", "-q", "-m", "branch", d.url("projects/www/trunk"), d.url("projects/www/"+production))
	d.change("projects/www/trunk", map[string]string{"before": "b\n"})
	d.write("projects/other", "o\n")
	d.svn("add", "-q", "projects/other")
	one := d.change("projects/www/trunk", map[string]string{"a": "A\n"})
	d.address = d.dir + "/projects/www"
	d.fresh()
	if got := d.stands("trunk", production); got[one] != "eligible" || len(got) != 2 {
		t.Errorf("they stand as %v", got)
	}
	d.clean(pick(one))
	d.holds(map[string]string{"a": "f A\n"})
	d.commit()
	if got := d.stands("trunk", production); got[one] != "integrated" || len(got) != 2 {
		t.Errorf("they stand as %v", got)
	}
	if names, err := d.r.Branches(t.Context(), ""); err != nil || !slices.Equal(names, []string{production, "trunk"}) {
		t.Errorf("Branches = %v, %v", names, err)
	}
}

func TestBlocksAreKept(t *testing.T) {
	all := map[int64]blocked{7: {"ada", "why: not"}, 9: {"bo b", ""}, 1041: {"c", "line"}}
	text := formatBlocked(all)
	if text != "7 by ada: why: not\n9 by bo b:\n1041 by c: line" {
		t.Errorf("%q", text)
	}
	if got := fmt.Sprint(parseBlocked(text + "\nnonsense\n\nr12 by x: y")); got != fmt.Sprint(map[int64]blocked{7: {"ada", "why: not"}, 9: {"bo b", ""}, 12: {"x", "y"}, 1041: {"c", "line"}}) {
		t.Errorf("read again: %s", got)
	}
}

func TestSvnmergeOfOthersStays(t *testing.T) {
	value := rewriteSvnmerge("/trunk:1-9 uuid://0/trunk:3 junk", "u", mergeinfo{"/trunk": {{from: 1, to: 4}}})
	if value != "uuid://0/trunk:3 junk /trunk:1-4" {
		t.Errorf("%q", value)
	}
}

// Whatever people do with svn alone, the ledger agrees with what svn finds eligible.
func TestLedgerAgainstSvn(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			d := newDesk(t, map[string]string{"a": "a\n", "b": "b\n", "d/x": "x\n", "d/y": "y\n"})
			dice := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // a test's dice
			files := []string{"a", "b", "d/x", "d/y", "new", "d/new"}
			var ids []string
			change := func() {
				ids = append(ids, d.change("trunk", map[string]string{files[dice.IntN(len(files))]: fmt.Sprintln(len(ids))}))
			}
			change()
			change()
			for range 14 {
				id := ids[dice.IntN(len(ids))][1:]
				from, into := "^/trunk", production
				if dice.IntN(4) == 0 {
					from, into = "^/trunk/d", production+"/d"
				}
				options := [][]string{{"-c", id}, {"-c", id}, {"-c", "-" + id}, {"--record-only", "-c", id}, nil}[dice.IntN(5)]
				if options == nil {
					change()
					continue
				}
				d.svn("update", "-q")
				d.svn(append(append([]string{"merge", "-q", "--accept", "working"}, options...), from, into)...)
				d.svn("resolve", "-q", "-R", "--accept", "working", into)
				if d.svn("status", "-q") != "" {
					d.world.commit("Cy", "merge")
				}
			}
			d.fresh()
			d.crossCheck("trunk", production)
			d.crossCheck(production, "trunk")
		})
	}
}
