package git

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/vcs/vcstest"
)

// history writes through a work tree of the git command.
type history struct {
	work    string
	address string
	mirror  string
}

func (h *history) git(t *testing.T, env []string, args ...string) string {
	t.Helper()
	c := exec.Command("git", append([]string{"-C", h.work}, args...)...)
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.com")
	c.Env = append(c.Env, env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (h *history) Commit(t *testing.T, c vcstest.Commit) string {
	t.Helper()
	if err := exec.Command("git", "-C", h.work, "rev-parse", "-q", "--verify", "refs/heads/"+c.Branch).Run(); err == nil {
		h.git(t, nil, "checkout", "-q", c.Branch)
	} else {
		h.git(t, nil, "checkout", "-q", "--orphan", c.Branch)
	}
	for from, to := range c.Moves {
		h.git(t, nil, "mv", from, to)
	}
	for name, content := range c.Files {
		name, executable := strings.CutSuffix(name, "*")
		path := filepath.Join(h.work, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		os.Remove(path)
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		mode := os.FileMode(0o644)
		if executable {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range c.Remove {
		os.Remove(filepath.Join(h.work, name))
	}
	h.git(t, nil, "add", "-A", ".")
	message := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(message, []byte(c.Message), 0o600); err != nil {
		t.Fatal(err)
	}
	h.git(t, []string{"GIT_AUTHOR_NAME=" + c.Author, "GIT_AUTHOR_EMAIL=a@example.com"}, "commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", message)
	return h.git(t, nil, "rev-parse", "HEAD")
}

func (h *history) Repository(t *testing.T) rollcall.Repository {
	t.Helper()
	r, err := Open(context.Background(), h.address, h.mirror, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newHistory(t *testing.T) *history {
	h := &history{work: filepath.Join(t.TempDir(), "work"), mirror: filepath.Join(t.TempDir(), "m", "www.git")}
	if err := os.Mkdir(h.work, 0o755); err != nil {
		t.Fatal(err)
	}
	h.git(t, nil, "init", "-q", "-b", "production")
	h.address = h.work
	return h
}

func TestWorkTree(t *testing.T) {
	vcstest.Run(t, func(t *testing.T) vcstest.History { return newHistory(t) })
}

func TestMirror(t *testing.T) {
	vcstest.Run(t, func(t *testing.T) vcstest.History {
		h := newHistory(t)
		h.address = "file://" + h.work
		return h
	})
}

func TestMirrorFollowsARewrittenBranch(t *testing.T) {
	h := newHistory(t)
	h.address = "file://" + h.work
	h.Commit(t, vcstest.Commit{Branch: "production", Author: "A", Message: "one", Files: map[string]string{"a": "1"}})
	old := h.Commit(t, vcstest.Commit{Branch: "production", Author: "A", Message: "two", Files: map[string]string{"a": "2"}})
	h.Repository(t)
	h.git(t, nil, "reset", "-q", "--hard", "HEAD~1")
	rewritten := h.Commit(t, vcstest.Commit{Branch: "production", Author: "A", Message: "three", Files: map[string]string{"a": "3"}})
	r := h.Repository(t)
	tip, err := r.Tip(context.Background(), "production")
	if err != nil || tip.ID != rewritten {
		t.Fatalf("Tip = %v, %v", tip, err)
	}
	coming, going, err := r.Changesets(context.Background(), old, rewritten)
	if err != nil || len(coming) != 1 || len(going) != 1 {
		t.Errorf("Changesets = %v, %v, %v", coming, going, err)
	}
}

func TestMergeIsOneChangeset(t *testing.T) {
	h := newHistory(t)
	one := h.Commit(t, vcstest.Commit{Branch: "production", Author: "A", Message: "one", Files: map[string]string{"a": "1"}})
	h.git(t, nil, "checkout", "-q", "-b", "dev")
	h.Commit(t, vcstest.Commit{Branch: "dev", Author: "B", Message: "x", Files: map[string]string{"b": "1"}})
	h.Commit(t, vcstest.Commit{Branch: "dev", Author: "B", Message: "y", Files: map[string]string{"c": "1"}})
	h.git(t, nil, "checkout", "-q", "production")
	h.git(t, []string{"GIT_AUTHOR_NAME=B", "GIT_AUTHOR_EMAIL=b@example.com"}, "merge", "-q", "--no-ff", "-m", "merge dev #5", "dev")
	r := h.Repository(t)
	coming, _, err := r.Changesets(context.Background(), one, h.git(t, nil, "rev-parse", "HEAD"))
	if err != nil || len(coming) != 1 || len(coming[0].Files) != 2 || coming[0].Tickets[0] != "5" {
		t.Errorf("Changesets = %+v, %v", coming, err)
	}
}

func TestHooksAndReplaceRefsHaveNoSay(t *testing.T) {
	h := newHistory(t)
	one := h.Commit(t, vcstest.Commit{Branch: "production", Author: "A", Message: "one", Files: map[string]string{"a": "1"}})
	two := h.Commit(t, vcstest.Commit{Branch: "production", Author: "A", Message: "two", Files: map[string]string{"a": "2"}})
	h.git(t, nil, "replace", two, one)
	tip, err := h.Repository(t).Tip(context.Background(), "production")
	if err != nil || tip.Subject != "two" {
		t.Errorf("Tip = %+v, %v", tip, err)
	}
}

func TestAFolderInsideAnotherRepositoryIsNotIt(t *testing.T) {
	h := newHistory(t)
	h.Commit(t, vcstest.Commit{Branch: "production", Author: "A", Message: "one", Files: map[string]string{"sub/a": "1"}})
	_, err := Open(context.Background(), filepath.Join(h.work, "sub"), "", func(string) {})
	if rollcall.KindOf(err) != rollcall.KindNotFound || rollcall.HintOf(err) == "" {
		t.Errorf("Open = %v", err)
	}
}

func TestCheckAddress(t *testing.T) {
	for _, good := range []string{
		"../www", "/srv/git/www.git", "www.git", "git@example.com:www.git", "example.com:~ada/www", "ssh://git@example.com:2222/www.git",
		"https://example.com/www.git", "file:///srv/www.git",
	} {
		if err := CheckAddress(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "-u", "--upload-pack=x", "ext::sh -c x", "ssh://-oProxyCommand=x/y", "-oProxyCommand=x:y", "git@-oProxyCommand=x:y",
		"ssh://git;x@example.com/y", "https://ada:secret@example.com/y", "ftp://example.com/x", "file://host/x", "a\nb", "fd::7", "ssh://a b/c", "example.com:-x",
	} {
		if err := CheckAddress(bad); err == nil {
			t.Errorf("%q is let through", bad)
		}
	}
}

func TestOnlyTheAllowListReachesGit(t *testing.T) {
	t.Setenv("GIT_DIR", "/nonexistent")
	t.Setenv("GIT_EXTERNAL_DIFF", "false")
	for _, variable := range environment() {
		if strings.HasPrefix(variable, "GIT_DIR=") || strings.HasPrefix(variable, "GIT_EXTERNAL_DIFF=") {
			t.Error(variable)
		}
	}
}
