package site

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMistakes reads the sites of testdata/mistakes, each a file of files, and holds
// what Load says of them against the part called "want".
func TestMistakes(t *testing.T) {
	cases, err := filepath.Glob("testdata/mistakes/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			order, files := parts(string(text))
			want := files["want"]
			delete(files, "want")
			var got strings.Builder
			for _, line := range mistakesOf(t, folder(t, files)) {
				got.WriteString(line + "\n")
			}
			if *update {
				writeParts(t, file, order, files, got.String())
			} else if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got.String(), "\n")); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}

// parts takes a file apart at its lines "-- name --".
func parts(text string) (order []string, files map[string]string) {
	files = map[string]string{}
	name := ""
	for line := range strings.Lines(text) {
		if inside, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(inside, " --\n") {
			name = strings.TrimSuffix(inside, " --\n")
			order = append(order, name)
			files[name] = ""
			continue
		}
		files[name] += line
	}
	delete(files, "")
	return order, files
}

func writeParts(t *testing.T, file string, order []string, files map[string]string, want string) {
	t.Helper()
	var b strings.Builder
	for _, name := range order {
		if name != "want" {
			b.WriteString("-- " + name + " --\n" + files[name])
		}
	}
	b.WriteString("-- want --\n" + want)
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("wrote %s of %v", file, slices.Sorted(maps.Keys(files)))
}
