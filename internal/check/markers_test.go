package check

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-dev/rollcall"
)

const conflict = "a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> dev/ada\n"

func TestMarkers(t *testing.T) {
	for name, c := range map[string]struct {
		base, now string // "" is none
		want      []int  // with a base
		whole     []int  // without one
	}{
		"none":               {"a\n", "b\n", nil, nil},
		"whole":              {"a\n", conflict, []int{2, 4, 6}, []int{2, 4, 6}},
		"new file":           {"", conflict, []int{2, 4, 6}, []int{2, 4, 6}},
		"as it was":          {conflict, conflict + "more\n", nil, []int{2, 4, 6}},
		"one more":           {conflict, conflict + ">>>>>>> dev/ada\n", []int{7}, []int{2, 4, 6}},
		"one left":           {"a\n", "a\n>>>>>>> x\n", []int{2}, nil},
		"svn":                {"a\n", "<<<<<<< .mine\n||||||| .r3\n=======\n>>>>>>> .r4\n", []int{1, 2, 3, 4}, []int{1, 2, 3, 4}},
		"crlf":               {"a\r\n", strings.ReplaceAll(conflict, "\n", "\r\n"), []int{2, 4, 6}, []int{2, 4, 6}},
		"heading":            {"a\n", "Heading\n=======\n", nil, nil},
		"heading and one":    {"Heading\n=======\n", "Heading\n=======\n<<<<<<< x\n", []int{3}, nil},
		"longer":             {"a\n", "<<<<<<<< x\n========\n>>>>>>>> y\n", nil, nil},
		"no label":           {"a\n", "<<<<<<<\n>>>>>>>\n", nil, nil},
		"indented":           {"a\n", "  <<<<<<< x\n", nil, nil},
		"order":              {"a\n", ">>>>>>> x\n=======\n<<<<<<< y\n", []int{1, 2, 3}, nil},
		"begun twice":        {"a\n", "<<<<<<< x\n" + conflict, []int{1, 3, 5, 7}, []int{3, 5, 7}},
		"mark of order":      {"a\n", "\ufeff<<<<<<< x\n=======\n>>>>>>> y\n", []int{1, 2, 3}, []int{1, 2, 3}},
		"binary":             {"a\n", "\x00\n" + conflict, nil, nil},
		"no end of line":     {"a\n", "<<<<<<< x", []int{1}, nil},
		"in a long line":     {"a\n", strings.Repeat("x", 32<<10) + "<<<<<<< x\n", nil, nil},
		"behind a long line": {"a\n", strings.Repeat("x", 100<<10) + "\n<<<<<<< x\n", []int{2}, nil},
		"zero far behind":    {"a\n", conflict + strings.Repeat("x", 9000) + "\x00", []int{2, 4, 6}, []int{2, 4, 6}},
	} {
		find := func(text string) []marker {
			all, err := findMarkers(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			return all
		}
		if diff := cmp.Diff(c.want, newMarkers(find(c.now), find(c.base))); diff != "" {
			t.Errorf("%s, with a base (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(c.whole, conflictLines(find(c.now))); diff != "" {
			t.Errorf("%s, without (-want +got):\n%s", name, diff)
		}
	}
}

// Markers are looked for where no site asks for anything.
func TestMarkersOfChangedFiles(t *testing.T) {
	w := newWorld(t)
	base := w.tree(map[string]string{"old.html": conflict, "was.html": conflict, "new.txt": "x\n", "link": "-> old.html", "mode.sh": conflict})
	tree := w.tree(map[string]string{
		"old.html": conflict, "was.html": conflict + "<<<<<<< HEAD\n", "new.txt": "x\n||||||| base\n", "link": conflict,
		"mode.sh*": conflict, "added.html": "\n\n<<<<<<< HEAD\n",
	})
	for what, c := range map[string]struct {
		base string
		all  bool
		want string
	}{
		"with a base":    {base, false, "added.html:3 link:2 new.txt:2 was.html:7"},
		"all of it":      {base, true, "added.html:3 link:2 new.txt:2 old.html:2 was.html:7"},
		"without a base": {"", false, "link:2 mode.sh:2 old.html:2 was.html:2"},
	} {
		for _, again := range []bool{false, true} {
			request := w.request(tree, c.base)
			request.All = c.all
			report, err := w.open().Run(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if got := told(report)[rollcall.ConflictMarkers]; got != c.want {
				t.Errorf("%s: %s, want %s", what, got, c.want)
			}
			if got := report.Checks[0]; again && (got.Ran != 0 || got.Kept != got.Files) {
				t.Errorf("%s: again %+v", what, got)
			}
		}
	}
}

func FuzzMarkers(f *testing.F) {
	f.Add(conflict, "a\n")
	f.Add("\ufeff=======\r\n>>>>>>> x", conflict)
	f.Fuzz(func(t *testing.T, now, before string) {
		a, err := findMarkers(strings.NewReader(now))
		b, err2 := findMarkers(strings.NewReader(before))
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if lines := newMarkers(a, a); lines != nil {
			t.Fatalf("a text has lines that it does not have: %v", lines)
		}
		count := strings.Count(now, "\n") + 1
		last := 0
		for _, line := range newMarkers(a, b) {
			if line <= last || line > count {
				t.Fatalf("line %d of %d", line, count)
			}
			last = line
		}
		conflictLines(a)
	})
}

// What holds markers on purpose passes, and nothing else: not even with the same content.
func TestMarkersOnPurpose(t *testing.T) {
	w := newWorld(t)
	w.code.Exclude = []string{"tests/"}
	tree := w.tree(map[string]string{"tests/merge/m": conflict, "tests/other": conflict, "docs/git.md": conflict, "git.md": conflict})
	for _, c := range []struct {
		exclude []string
		want    map[string]string
	}{
		{nil, map[string]string{"tests/merge/m": "", "tests/other": "", "docs/git.md": "", "git.md": ""}},
		{[]string{"tests/merge/", "docs/git.md"}, map[string]string{"tests/other": "", "git.md": ""}},
	} {
		w.code.Markers.Exclude = c.exclude
		got := map[string]string{}
		for _, f := range w.run(tree, "").Failures {
			got[f.Path] = ""
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("without %v (-want +got):\n%s", c.exclude, diff)
		}
	}
}
