package git

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/vcs/vcstest"
)

// deskHistory is a bare repository that a work tree pushes to, as people's do.
type deskHistory struct {
	*history
	bare string
}

func newDeskHistory(t *testing.T) vcstest.MergerHistory {
	h := &deskHistory{history: newHistory(t), bare: filepath.Join(t.TempDir(), "www.git")}
	h.git(t, nil, "init", "-q", "--bare", h.bare)
	return h
}

func (h *deskHistory) Names() (trunk, production, developer string) {
	return "main", "production", "dev/dee"
}

func (h *deskHistory) Commit(t *testing.T, c vcstest.Commit) string {
	h.catchUp(t)
	id := h.history.Commit(t, c)
	h.git(t, nil, "push", "-q", h.bare, c.Branch)
	return id
}

// catchUp brings what was pushed by others.
func (h *deskHistory) catchUp(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.work, ".git", "HEAD"), []byte("ref: refs/heads/nowhere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.git(t, nil, "fetch", "-q", h.bare, "+refs/heads/*:refs/heads/*")
	h.git(t, nil, "rm", "-rfq", "--cached", "--ignore-unmatch", ".")
	h.git(t, nil, "clean", "-fdxq")
}

func (h *deskHistory) Branch(t *testing.T, name, from string) {
	h.catchUp(t)
	h.git(t, nil, "branch", name, from)
	h.git(t, nil, "push", "-q", h.bare, name)
}

func (h *deskHistory) Bring(t *testing.T, _, into, id string, edits map[string]string) string {
	h.catchUp(t)
	h.git(t, nil, "checkout", "-q", "-f", into)
	h.git(t, []string{"GIT_AUTHOR_NAME=H", "GIT_AUTHOR_EMAIL=h@example.com"}, "cherry-pick", "-x", id)
	for name, content := range edits {
		if err := os.WriteFile(filepath.Join(h.work, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		h.git(t, nil, "add", name)
	}
	if len(edits) > 0 {
		h.git(t, nil, "commit", "-q", "--amend", "--no-edit")
	}
	h.git(t, nil, "push", "-q", h.bare, into)
	return h.git(t, nil, "rev-parse", "HEAD")
}

func (h *deskHistory) Merger(t *testing.T) rollcall.Merger {
	t.Helper()
	r, err := OpenMirror(context.Background(), h.bare, filepath.Join(t.TempDir(), "mirror.git"), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMerger(t *testing.T) {
	vcstest.RunMerger(t, newDeskHistory)
}

// A trunk that has nothing in common with production: its first commit has no parent.
func TestRootIsAChangeset(t *testing.T) {
	h := newDeskHistory(t).(*deskHistory)
	h.Commit(t, vcstest.Commit{Branch: "production", Author: "A", Message: "live", Files: map[string]string{"a": "live\n"}})
	root := h.Commit(t, vcstest.Commit{Branch: "main", Author: "B", Message: "root", Files: map[string]string{"b": "new\n"}})
	m := h.Merger(t)
	all, err := m.Standees(t.Context(), "main", "production", false)
	if err != nil || len(all) != 1 || all[0].ID != root || all[0].Standing != rollcall.StandEligible {
		t.Fatalf("Standees = %+v, %v", all, err)
	}
	base, err := m.Tip(t.Context(), "production")
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Bench(t.Context(), "", "production", base)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	applied, err := b.Apply(t.Context(), rollcall.DeskStep{Kind: rollcall.StepPick, Source: "main", ID: root}, nil)
	if err != nil || !applied.Changed || len(applied.Conflicts) > 0 {
		t.Errorf("Apply = %+v, %v", applied, err)
	}
	if touched, err := m.Touched(t.Context(), "main", "production", root); err != nil || len(touched.Touches) > 0 {
		t.Errorf("Touched = %v, %v", touched, err)
	}
}
