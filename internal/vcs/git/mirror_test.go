package git

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/vcs/vcstest"
)

func lockFile(t *testing.T, dir, name string) string {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A git that was killed while it wrote branches leaves locks which no git takes away.
func TestMirrorAfterAKilledFetch(t *testing.T) {
	h := newDeskHistory(t).(*deskHistory)
	h.Commit(t, vcstest.Commit{Branch: "main", Author: "Ada", Message: "one", Files: map[string]string{"a": "1"}})
	mirror := filepath.Join(t.TempDir(), "mirror.git")
	open := func() (*Repository, error) { return OpenMirror(t.Context(), h.bare, mirror, func(string) {}) }
	if _, err := open(); err != nil {
		t.Fatal(err)
	}
	id := h.Commit(t, vcstest.Commit{Branch: "main", Author: "Ada", Message: "two", Files: map[string]string{"a": "2"}})
	for _, name := range []string{"refs/heads/main.lock", "packed-refs.lock", "HEAD.lock", "config.lock", "shallow.lock"} {
		lockFile(t, mirror, name)
	}
	r, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if tip, err := r.Tip(t.Context(), "main"); err != nil || tip.ID != id {
		t.Errorf("the mirror is at %v (%v), want %s", tip, err, id)
	}
}

// A git whose parent was killed still writes: nobody comes between.
func TestMirrorBesideAnOrphan(t *testing.T) {
	held, err := lock(t.Context(), filepath.Join(t.TempDir(), "mirror.lock"))
	if err != nil {
		t.Fatal(err)
	}
	orphan := exec.Command("cat")
	orphan.ExtraFiles = []*os.File{held}
	in, err := orphan.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	held.Close() // as when a process dies
	soon, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := lock(soon, held.Name()); err == nil {
		t.Error("the mirror is free while git writes it")
	}
	in.Close()
	if err := orphan.Wait(); err != nil {
		t.Fatal(err)
	}
	again, err := lock(t.Context(), held.Name())
	if err != nil {
		t.Fatal(err)
	}
	release(again)
}

// What holds the branch's lock in its repository may be a push of our own that goes on: it
// is waited for, and then nobody says that nothing was committed.
func TestPublishBesideAnotherPush(t *testing.T) {
	h := newDeskHistory(t).(*deskHistory)
	h.Commit(t, vcstest.Commit{Branch: "main", Author: "Ada", Message: "one", Files: map[string]string{"a": "1"}})
	r := h.Merger(t).(*Repository)
	tip, err := r.Tip(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	made, err := r.writeCommits(t.Context(), []string{commitText(tip.Tree, parents(tip.ID), stamp("A", "a@b", time.Now()), stamp("A", "a@b", time.Now()), "", "two\n")})
	if err != nil {
		t.Fatal(err)
	}
	name := lockFile(t, h.bare, "refs/heads/main.lock")
	if _, err := r.publish(t.Context(), "main", made[0]); rollcall.KindOf(err) != rollcall.KindInternal || !strings.Contains(err.Error(), "lock") {
		t.Errorf("behind a lock that stays: %v", err)
	}
	os.Remove(name)
	if got, err := r.publish(t.Context(), "main", made[0]); err != nil || got.ID != made[0] {
		t.Errorf("without it: %v, %v", got, err)
	}
}

// The same mark, pushed meanwhile by a process that died over it, is not written twice.
func TestMarkOnce(t *testing.T) {
	h := newDeskHistory(t).(*deskHistory)
	id := h.Commit(t, vcstest.Commit{Branch: "main", Author: "Ada", Message: "one", Files: map[string]string{"a": "1"}})
	h.Branch(t, "production", "main")
	one, other := h.Merger(t), h.Merger(t)
	marks := []rollcall.Mark{{Kind: rollcall.MarkBlocked, ID: id, Why: "late"}}
	first, err := one.Mark(t.Context(), "main", "production", marks, "ada")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := other.Mark(t.Context(), "main", "production", marks, "ada"); err != nil || again.ID != first.ID {
		t.Errorf("it is marked in %s, and again in %s (%v)", first.ID, again.ID, err)
	}
	back := []rollcall.Mark{{Kind: rollcall.MarkUnblocked, ID: id, Why: "now"}}
	if again, err := h.Merger(t).Mark(t.Context(), "main", "production", back, "ada"); err != nil || again.ID == first.ID {
		t.Errorf("the other way round: %s (%v)", again.ID, err)
	}
}
