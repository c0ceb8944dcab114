package check

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/vcs/git"
)

// world is a git repository and a checker beside it.
type world struct {
	t    *testing.T
	dir  string // the site; the repository's work tree is in work
	work string
	code *rollcall.Code
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), code: &rollcall.Code{Name: "www"}}
	w.work = filepath.Join(w.dir, "work")
	if err := os.Mkdir(w.work, 0o755); err != nil {
		t.Fatal(err)
	}
	w.git("init", "-q", "-b", "main")
	return w
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	c := exec.Command("git", append([]string{"-C", w.work, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "core.quotePath=false"}, args...)...)
	out, err := c.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// tree makes the repository's files these, and gives the tree. A text that begins with
// "-> " makes a link; a path that ends in * is executable.
func (w *world) tree(files map[string]string) string {
	w.t.Helper()
	for _, name := range strings.Split(w.git("ls-files", "-z"), "\x00") {
		if name != "" {
			os.Remove(filepath.Join(w.work, name))
		}
	}
	for name, text := range files {
		name, executable := strings.CutSuffix(name, "*")
		path := filepath.Join(w.work, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if target, ok := strings.CutPrefix(text, "-> "); ok && err == nil {
			err = os.Symlink(target, path)
		} else if err == nil {
			mode := os.FileMode(0o644)
			if executable {
				mode = 0o755
			}
			err = os.WriteFile(path, []byte(text), mode)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.git("add", "-A")
	return w.git("write-tree")
}

// script writes a program of the site.
func (w *world) script(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		w.t.Fatal(err)
	}
}

// lines is what a script of this world has written down so far.
func (w *world) lines(name string) []string {
	b, _ := os.ReadFile(filepath.Join(w.dir, name))
	return strings.Fields(string(b))
}

func (w *world) checks(all ...rollcall.Check) {
	for i := range all {
		if all[i].Run.Timeout == 0 {
			all[i].Run.Timeout = time.Minute
		}
	}
	w.code.Checks = all
}

func command(words ...string) rollcall.Command { return rollcall.Command{Args: words} }

var phpLint = rollcall.Check{Name: "php syntax", Files: []string{"*.php", "*.html"}, Run: command("php", "-n", "-l", "{file}")}

func (w *world) open() *Checker {
	w.t.Helper()
	c, err := Open(context.Background(), filepath.Join(w.dir, "state"), w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

func (w *world) request(tree, base string) Request {
	w.t.Helper()
	repo, err := git.Open(context.Background(), w.work, "", func(string) {})
	if err != nil {
		w.t.Fatal(err)
	}
	return Request{Code: w.code, Repo: repo, Tree: tree, Base: base}
}

// run checks as a new process would.
func (w *world) run(tree, base string) *rollcall.CheckReport {
	w.t.Helper()
	report, err := w.open().Run(context.Background(), w.request(tree, base))
	if err != nil {
		w.t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "state", workplaces+"*")); len(left) > 0 {
		w.t.Errorf("left behind: %v", left)
	}
	return report
}

// told gives a report's failures as path:line, by the check's name.
func told(report *rollcall.CheckReport) map[string]string {
	all := map[string]string{}
	for _, f := range report.Failures {
		at := f.Path
		if f.Line > 0 {
			at += ":" + itoa(f.Line)
		}
		all[f.Check] = strings.TrimSpace(all[f.Check] + " " + at)
	}
	return all
}

func resultOf(t *testing.T, report *rollcall.CheckReport, name string) rollcall.CheckResult {
	t.Helper()
	for _, c := range report.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q in %+v", name, report.Checks)
	return rollcall.CheckResult{}
}
