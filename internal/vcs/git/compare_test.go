package git

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/vcs/vcstest"
)

// tricky is a history in which everything becomes everything.
func tricky(t *testing.T) (*history, []string) {
	h := newHistory(t)
	var ids []string
	commit := func(message string, files map[string]string, remove ...string) {
		for _, name := range remove {
			if err := os.RemoveAll(filepath.Join(h.work, name)); err != nil {
				t.Fatal(err)
			}
		}
		ids = append(ids, h.Commit(t, vcstest.Commit{Branch: "production", Author: "Ada <Lovelace", Message: message, Files: files}))
	}
	commit("one", map[string]string{"a": "1", "a-b": "1", "a.b": "1", "d/e/f": "1", "d/e/g*": "2", "d/h": "3", "z": "-> a"})
	commit("two\n\nCloses #7", map[string]string{"a/x": "1", "a/y/z": "2", "d/e/f*": "1"}, "a")
	commit("\n\nthree SHOP-3", map[string]string{"d": "now a file", "z": "no link"}, "d")
	commit("four\x02\n", map[string]string{"d": "-> z", "ü/ö b": "x", "q\"uote": "y"})
	commit("five", nil)
	commit("six", map[string]string{"d/e/f": "1", "a": "a file again"}, "d", "a")
	return h, ids
}

func TestCompareIsDiffTree(t *testing.T) {
	h, ids := tricky(t)
	r := h.Repository(t).(*Repository)
	for _, from := range ids {
		for _, to := range ids {
			f, err := r.commit(context.Background(), from)
			if err != nil {
				t.Fatal(err)
			}
			c, err := r.commit(context.Background(), to)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Changes(context.Background(), f.tree, c.tree)
			if err != nil {
				t.Fatal(err)
			}
			lines := map[string]bool{}
			for _, change := range got {
				lines[fmt.Sprintf("%s %+v", change.Path, change.New)] = true
			}
			want := map[string]bool{}
			raw := strings.Split(h.git(t, nil, "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", from, to), "\x00")
			for i := 0; i+1 < len(raw); i += 2 {
				fields := strings.Fields(raw[i])
				var entry *rollcall.TreeEntry
				if fields[4] != "D" {
					if entry, err = treeEntry(raw[i+1], fields[1], fields[3]); err != nil {
						t.Fatal(err)
					}
				}
				want[fmt.Sprintf("%s %+v", raw[i+1], entry)] = true
			}
			if diff := cmp.Diff(want, lines); diff != "" {
				t.Errorf("from %s to %s: %s", from, to, diff)
			}
		}
	}
}

func TestStraightIsLog(t *testing.T) {
	h, ids := tricky(t)
	r := h.Repository(t).(*Repository)
	for i, from := range ids {
		for j, to := range ids {
			got, ok := r.straight(context.Background(), from, to)
			if ok != (i <= j) {
				t.Errorf("from %d to %d: %v", i, j, ok)
			}
			if !ok || i == j { // the same revision twice is nobody's question
				continue
			}
			want, none, err := r.log(context.Background(), from, to)
			if err != nil || none != nil {
				t.Fatal(none, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("from %d to %d: %s", i, j, diff)
			}
			if coming, going, err := r.Changesets(context.Background(), to, from); err != nil || coming != nil || !cmp.Equal(want, going) {
				t.Errorf("back from %d to %d: %v, %v", j, i, coming, err)
			}
		}
	}
}

func TestAnotherProcessIsStarted(t *testing.T) {
	h := newHistory(t)
	one := h.Commit(t, vcstest.Commit{Branch: "production", Author: "A", Message: "one", Files: map[string]string{"a": "1"}})
	r := h.Repository(t).(*Repository)
	if _, err := r.Tip(context.Background(), "production"); err != nil {
		t.Fatal(err)
	}
	r.objects.idle.command.Process.Kill()
	if tip, err := r.Tip(context.Background(), "production"); err != nil || tip.ID != one {
		t.Errorf("after its end: %v, %v", tip, err)
	}
	two := h.Commit(t, vcstest.Commit{Branch: "production", Author: "A", Message: "two", Files: map[string]string{"a": "2"}})
	h.git(t, nil, "gc", "-q")
	if tip, err := r.Tip(context.Background(), "production"); err != nil || tip.ID != two {
		t.Errorf("after the branch went on: %v, %v", tip, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Tip(ctx, "production"); err == nil {
		t.Error("a canceled question was answered")
	}
}

func FuzzParseTree(f *testing.F) {
	f.Add("100644 a\x0001234567890123456789")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := parseTree(text, 20)
		if err == nil && text != "" && len(entries) == 0 {
			t.Error("nothing was read")
		}
	})
}

func TestAnObjectThatEndsEarly(t *testing.T) {
	for text, good := range map[string]bool{"0123\n": true, "0123": false, "01": false, "": false} {
		p := &catFile{out: bufio.NewReader(strings.NewReader(text))}
		if err := p.rest(&io.LimitedReader{R: p.out, N: 4}); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// The tree that a release was last made of may be in no repository any more: then the new
// one is read whole. A tree that lacks some of its own is another thing.
func TestTheOldTreeIsGone(t *testing.T) {
	h := newHistory(t)
	h.Commit(t, vcstest.Commit{Branch: "production", Author: "A", Message: "one", Files: map[string]string{"a": "1"}})
	r := h.Repository(t)
	tip, err := r.Tip(t.Context(), "production")
	if err != nil {
		t.Fatal(err)
	}
	gone := strings.Repeat("7", len(tip.Tree))
	if _, err := r.Changes(t.Context(), gone, tip.Tree); rollcall.KindOf(err) != rollcall.KindNotFound {
		t.Errorf("from a tree that is gone: %v", err)
	}
	if _, err := r.Changes(t.Context(), tip.Tree, gone); rollcall.KindOf(err) != rollcall.KindInternal {
		t.Errorf("to a tree that is not there: %v", err)
	}
}
