package fleet

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const gitConfig = "[user]\n\tname = Test\n\temail = test@example.com\n[init]\n\tdefaultBranch = production\n"

// Repo is the repository that rolls, with a commit for every round.
type Repo struct {
	w       *World
	Commits []*Commit
}

// Commit is one of its trees. A file's content begins with "-> " where it is a link; a
// name that ends in "*" is executable.
type Commit struct {
	Number int
	Files  map[string]string
	// Release is its id, once it was learned: see World.Learn.
	Release string
}

func (w *World) newRepo() *Repo {
	w.t.Helper()
	w.check(os.MkdirAll(w.Path("www"), 0o755))
	w.Git("init", "-q")
	return &Repo{w: w}
}

// Git runs git in the repository.
func (w *World) Git(args ...string) string {
	w.t.Helper()
	c := exec.Command("git", append([]string{"-C", w.Path("www")}, args...)...)
	c.Env = w.Environ()
	out, err := c.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Page is a small site whose every commit changes pages, and an asset with a new name,
// as builds leave them. Sick makes its health check fail.
func Page(number int, sick bool) map[string]string {
	health := "ok\n"
	if sick {
		health = fmt.Sprintf("sick %d\n", number)
	}
	style := fmt.Sprintf("body { margin: %dpx }\n", number)
	asset := fmt.Sprintf("assets/app.%x.css", sha256.Sum256([]byte(style)))[:len("assets/app.")+8] + ".css"
	files := map[string]string{
		"health":       health,
		asset:          style,
		"index.html":   fmt.Sprintf("<html data-release=\"%d\"><link href=\"/%s\"></html>\n", number, asset),
		"lib/code.php": strings.Repeat("<?php // the same in every release\n", 100),
		"lib/link":     "-> code.php",
		"bin/tool*":    "#!/bin/sh\necho tool\n",
		"RELEASE":      fmt.Sprintf("%d\n", number),
	}
	if number%2 == 0 {
		files["only/even"] = "a folder that comes and goes\n"
	}
	for i := range 20 {
		files[fmt.Sprintf("data/%02d", i)] = fmt.Sprintf("%d\n", number/(i+1))
	}
	return files
}

// Commit makes the next commit out of what a function says for its number.
func (r *Repo) Commit(tree func(number int) map[string]string) *Commit {
	r.w.t.Helper()
	c := &Commit{Number: len(r.Commits) + 1}
	c.Files = tree(c.Number)
	r.Commits = append(r.Commits, c)
	entries, err := os.ReadDir(r.w.Path("www"))
	r.w.check(err)
	for _, e := range entries {
		if e.Name() != ".git" {
			r.w.check(os.RemoveAll(r.w.Path("www", e.Name())))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		content := c.Files[name]
		bare, executable := strings.CutSuffix(name, "*")
		file := r.w.Path("www", bare)
		r.w.check(os.MkdirAll(filepath.Dir(file), 0o755))
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			r.w.check(os.Symlink(target, file))
			continue
		}
		mode := os.FileMode(0o644)
		if executable {
			mode = 0o755
		}
		r.w.check(os.WriteFile(file, []byte(content), mode))
	}
	r.w.Git("add", "-A")
	r.w.Git("commit", "-q", "-m", fmt.Sprintf("change %d", c.Number))
	return c
}

// Tip is the newest commit.
func (r *Repo) Tip() *Commit { return r.Commits[len(r.Commits)-1] }
