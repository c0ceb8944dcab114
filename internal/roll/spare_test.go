package roll_test

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

// onDisk reads all that stands in a node's live release.
func onDisk(t *testing.T, n rollcall.Node) map[string]string {
	t.Helper()
	files := map[string]string{}
	dir, err := filepath.EvalSymlinks(filepath.Join(n.Folder, "current"))
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		name, _ := filepath.Rel(dir, p)
		if d.IsDir() {
			if children, err := os.ReadDir(p); err != nil || len(children) == 0 {
				files[name+"/"] = ""
			}
			return nil
		}
		files[name] = readFile(t, p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A release that is made out of an old one holds what it should and nothing else,
// whatever the old one held and whatever was done to it meanwhile.
func TestReleasesMadeOutOfOldOnes(t *testing.T) {
	w := newWorld(t)
	w.env.Tiers = w.env.Tiers[:1]
	w.env.Tiers[0].Nodes = w.env.Tiers[0].Nodes[:1]
	n := w.env.Tiers[0].Nodes[0]
	random := rand.New(rand.NewPCG(7, 7))
	w.more = map[string]string{}
	spares := 0
	for i := range 40 {
		for range 6 {
			name := fmt.Sprintf("d%d/e%d/f%d", random.IntN(3), random.IntN(3), random.IntN(4))
			switch random.IntN(4) {
			case 0:
				delete(w.more, name)
			case 1: // a folder's place is taken by a file, and the other way round
				dir := filepath.Dir(name)
				maps.DeleteFunc(w.more, func(p, _ string) bool { return strings.HasPrefix(p, dir+"/") })
				w.more[dir] = fmt.Sprint("a file ", i)
			default:
				delete(w.more, filepath.Dir(name))
				w.more[name] = fmt.Sprint("content ", random.IntN(5))
			}
		}
		if found, _ := filepath.Glob(filepath.Join(n.Folder, ".rollcall", "spare", "*.manifest")); len(found) == 1 {
			spares++
			dir := strings.TrimSuffix(found[0], ".manifest")
			// What an application or a person leaves in an old release.
			for _, stray := range []string{"stray", "d0/stray", "stray.d/x", "d1/e1/stray.d/x"} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, stray)), 0o755); err == nil {
					os.WriteFile(filepath.Join(dir, stray), []byte("stray"), 0o644)
				}
			}
			os.Symlink("/etc", filepath.Join(dir, "linked"))
			os.Remove(filepath.Join(dir, "same"))
			if i%2 == 0 {
				os.WriteFile(filepath.Join(dir, "same"), []byte("not the same"), 0o644)
			}
		}
		if _, err := w.roll(fmt.Sprint("tree ", i), nil); err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(w.repo.files[fmt.Sprint("tree ", i)])
		if got := onDisk(t, n); !maps.Equal(got, want) {
			t.Fatalf("release %d: on disk %v, wanted %v", i, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
		if i > 0 && slices.ContainsFunc(w.notes, func(s string) bool { return strings.Contains(s, "edited") }) {
			t.Fatalf("release %d: %v", i, w.notes)
		}
	}
	if spares < 30 {
		t.Errorf("only %d releases were made out of old ones", spares)
	}
}

func TestAnEditIsToldAlsoWhereNothingIsLinked(t *testing.T) {
	w := newWorld(t)
	w.env.Tiers = w.env.Tiers[:1]
	n := w.env.Tiers[0].Nodes[0]
	for i := range 6 {
		if _, err := w.roll(fmt.Sprint("tree ", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	// As an editor does it: another file under the same name.
	edited := filepath.Join(n.Folder, "current", "same")
	if err := os.Remove(edited); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(edited, []byte("edited"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.notes = nil
	if _, err := w.roll("tree 6", nil); err != nil {
		t.Fatal(err)
	}
	if got := onDisk(t, n)["same"]; got != "same" {
		t.Errorf("the edit was carried over: %q", got)
	}
	if !slices.ContainsFunc(w.notes, func(s string) bool { return strings.Contains(s, "edited by hand") && strings.Contains(s, "same") }) {
		t.Errorf("nobody was told: %v", w.notes)
	}
}
