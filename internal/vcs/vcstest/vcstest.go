// Package vcstest is the suite that every rollcall.Repository passes. A driver gives
// it a way to write a history; the suite reads it back.
package vcstest

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

// Commit is one changeset to write. A nil content removes the path; a content that
// begins with "-> " makes a link; a path that ends in "*" is executable.
type Commit struct {
	Branch  string
	Author  string
	Message string
	Moves   map[string]string // before all else: to another name, with its history
	Files   map[string]string
	Remove  []string
}

// History can be written and read again.
type History interface {
	// Commit writes one changeset on a branch and returns its id.
	Commit(t *testing.T, c Commit) string
	// Repository opens what was written, as a new process would.
	Repository(t *testing.T) rollcall.Repository
}

// Run runs the suite. Each fresh history has the branch "production".
func Run(t *testing.T, fresh func(t *testing.T) History) {
	ctx := context.Background()

	t.Run("tip and revisions", func(t *testing.T) {
		h := fresh(t)
		one := h.Commit(t, Commit{Branch: "production", Author: "Ada", Message: "one\n\nmore #7", Files: map[string]string{"a": "1"}})
		two := h.Commit(t, Commit{Branch: "production", Author: "Bo", Message: "two", Files: map[string]string{"a": "2"}})
		r := h.Repository(t)
		tip, err := r.Tip(ctx, "production")
		if err != nil || tip.ID != two || tip.Author != "Bo" || tip.Subject != "two" || tip.Time.IsZero() || tip.Tree == "" {
			t.Fatalf("Tip = %+v, %v", tip, err)
		}
		at, err := r.At(ctx, "production", one)
		if err != nil || at.ID != one || at.Subject != "one" || at.Tree == tip.Tree {
			t.Fatalf("At = %+v, %v", at, err)
		}
		if _, err := r.Tip(ctx, "produce"); rollcall.KindOf(err) != rollcall.KindNotFound {
			t.Errorf("an unknown branch: %v", err)
		}
		for _, text := range []string{"--output=/tmp/x", "-1", "a b", "a\nb", "HEAD..x", "", ":/one", "@{-1}", "production:a"} {
			if _, err := r.At(ctx, "production", text); rollcall.ExitCode(err) != 2 {
				t.Errorf("At(%q) = %v", text, err)
			}
		}
	})

	t.Run("a revision of another branch is refused", func(t *testing.T) {
		h := fresh(t)
		h.Commit(t, Commit{Branch: "production", Author: "Ada", Message: "one", Files: map[string]string{"a": "1"}})
		other := h.Commit(t, Commit{Branch: "other", Author: "Ada", Message: "other", Files: map[string]string{"a": "x"}})
		if _, err := h.Repository(t).At(ctx, "production", other); rollcall.KindOf(err) != rollcall.KindRefused {
			t.Errorf("At = %v", err)
		}
	})

	t.Run("changesets", func(t *testing.T) {
		h := fresh(t)
		one := h.Commit(t, Commit{Branch: "production", Author: "Ada", Message: "one", Files: map[string]string{"a": "1"}})
		two := h.Commit(t, Commit{Branch: "production", Author: "Bo Öster", Message: "fix login (#88, SHOP-12)\n\nCloses #88, see also #9.", Files: map[string]string{"a": "2", "dir/ü b": "x"}})
		three := h.Commit(t, Commit{Branch: "production", Author: "Ada", Message: "gone", Remove: []string{"dir/ü b"}})
		r := h.Repository(t)
		coming, going, err := r.Changesets(ctx, one, three)
		if err != nil || len(coming) != 2 || len(going) != 0 {
			t.Fatalf("Changesets = %v, %v, %v", coming, going, err)
		}
		c := coming[1]
		slices.Sort(c.Files)
		if coming[0].ID != three || c.ID != two || c.Author != "Bo Öster" || c.Subject != "fix login (#88, SHOP-12)" ||
			!slices.Equal(c.Tickets, []string{"88", "SHOP-12", "9"}) || !slices.Equal(c.Files, []string{"a", "dir/ü b"}) || c.Date.IsZero() {
			t.Errorf("changeset is %+v", c)
		}
		coming, going, err = r.Changesets(ctx, three, one)
		if err != nil || len(coming) != 0 || len(going) != 2 {
			t.Errorf("backwards: %v, %v, %v", coming, going, err)
		}
		if coming, _, err = r.Changesets(ctx, "", three); err != nil || len(coming) != 0 {
			t.Errorf("from nothing: %v, %v", coming, err)
		}
	})

	t.Run("hostile messages", func(t *testing.T) {
		h := fresh(t)
		one := h.Commit(t, Commit{Branch: "production", Author: "Ada", Message: "one", Files: map[string]string{"a": "1"}})
		two := h.Commit(t, Commit{Branch: "production", Author: "Eve", Message: "\x1b[2Jred \u202eesrever\n\n\x02" + one, Files: map[string]string{"a": "2"}})
		coming, _, err := h.Repository(t).Changesets(ctx, one, two)
		if err != nil || len(coming) != 1 {
			t.Fatalf("Changesets = %v, %v", coming, err)
		}
		if s := coming[0].Subject; strings.ContainsAny(s, "\x1b\u202e") {
			t.Errorf("subject is %q", s)
		}
	})

	t.Run("trees", func(t *testing.T) {
		h := fresh(t)
		one := h.Commit(t, Commit{Branch: "production", Author: "Ada", Message: "one", Files: map[string]string{
			"a": "1", "bin/run*": "#!/bin/sh\n", "link": "-> bin/run", "keep": "same\r\n$Id$\n", "-dash": "x",
		}})
		two := h.Commit(t, Commit{Branch: "production", Author: "Ada", Message: "two", Files: map[string]string{"a": "22", "new": "1"}, Remove: []string{"link"}})
		r := h.Repository(t)
		first, err := r.At(ctx, "production", one)
		if err != nil {
			t.Fatal(err)
		}
		second, err := r.At(ctx, "production", two)
		if err != nil {
			t.Fatal(err)
		}
		changes, err := r.Changes(ctx, "", first.Tree)
		if err != nil {
			t.Fatal(err)
		}
		types := map[string]string{}
		var blobs []string
		for _, c := range changes {
			types[c.Path] = string(c.New.Type)
			blobs = append(blobs, c.New.Blob)
		}
		if got := types["a"] + types["bin/run"] + types["link"] + types["keep"] + types["-dash"]; got != "fxlff" || len(types) != 5 {
			t.Errorf("tree is %v", types)
		}
		want := map[string]string{"a": "1", "bin/run": "#!/bin/sh\n", "link": "bin/run", "keep": "same\r\n$Id$\n", "-dash": "x"}
		err = r.Blobs(ctx, blobs, func(i int, size int64, content io.Reader) error {
			if changes[i].Path == "-dash" {
				return nil // not read: the next one must still be right
			}
			b, err := io.ReadAll(content)
			if string(b) != want[changes[i].Path] || size != int64(len(b)) {
				t.Errorf("%s is %q", changes[i].Path, b)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		changes, err = r.Changes(ctx, first.Tree, second.Tree)
		if err != nil || len(changes) != 3 {
			t.Fatalf("Changes = %v, %v", changes, err)
		}
		for _, c := range changes {
			switch c.Path {
			case "a", "new":
				if c.New == nil || c.New.Type != rollcall.TypeFile {
					t.Errorf("%s: %+v", c.Path, c.New)
				}
			case "link":
				if c.New != nil {
					t.Errorf("the removed link is %+v", c.New)
				}
			default:
				t.Errorf("%s changed", c.Path)
			}
		}
		stop := errors.New("stop")
		if err := r.Blobs(ctx, blobs, func(int, int64, io.Reader) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("Blobs = %v", err)
		}
	})
}
