package check

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-dev/rollcall"
)

func itoa(n int) string { return strconv.Itoa(n) }

const (
	goodPHP = "<?php\necho 1;\n"
	badPHP  = "<?php\n\necho (1;\n"
)

// php -l has its traps: of several files it looks at one, a folder passes, a dash begins
// an option, and what stands outside of <?php is none of its business.
func TestPHP(t *testing.T) {
	w := newWorld(t)
	w.checks(phpLint)
	base := w.tree(map[string]string{"old/bad.php": badPHP, "a.php": goodPHP})
	tree := w.tree(map[string]string{
		"old/bad.php": badPHP, "a.php": goodPHP, "b.php": badPHP, "-dash.php": badPHP, "-r.php": "<?php\n(\n",
		"folder.php/in.php": badPHP, "link.php": "-> b.php", "sp ace/ü$(touch x)`'\".php": badPHP,
		"page.html":  "<p>\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> dev/ada\n</p>\n",
		"notes.txt":  "not looked at <?php (",
		"run.php*":   badPHP,
		"Makefile":   "a:\n",
		"mixed.html": "<p><?= $x ?></p>\n",
	})
	report := w.run(tree, base)
	want := map[string]string{
		"php syntax":             "-dash.php:3 -r.php:3 b.php:3 folder.php/in.php:3 old/bad.php:3 run.php:3 sp ace/ü$(touch x)`'\".php:3",
		rollcall.ConflictMarkers: "page.html:2",
	}
	if diff := cmp.Diff(want, told(report)); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	for _, f := range report.Failures {
		if strings.Contains(f.Text, "/files") || f.Check == "php syntax" && !strings.HasPrefix(f.Text, "PHP Parse error: ") && !strings.HasPrefix(f.Text, "Parse error: ") {
			t.Errorf("%s says %q", f.Path, f.Text)
		}
		if f.Check == "php syntax" && !strings.Contains(f.Text, f.Path) {
			t.Errorf("%q does not name %s", f.Text, f.Path)
		}
	}
	// Five files have one content and one kind of name.
	if got := resultOf(t, report, "php syntax"); got.Files != 10 || got.Ran != 6 || got.Kept != 4 || got.Failed != 7 {
		t.Errorf("php syntax: %+v", got)
	}
	if report.Passed() || report.Tree != tree {
		t.Errorf("%+v", report)
	}
}

func TestMessagesFollowTheirFile(t *testing.T) {
	w := newWorld(t)
	w.checks(phpLint)
	first := w.run(w.tree(map[string]string{"one/a.php": badPHP}), "")
	moved := w.run(w.tree(map[string]string{"two/b.php": badPHP}), "")
	if got := resultOf(t, moved, "php syntax"); got.Ran != 0 || got.Failed != 1 {
		t.Errorf("%+v", got)
	}
	if got, want := moved.Failures[0].Text, strings.ReplaceAll(first.Failures[0].Text, "one/a.php", "two/b.php"); got != want || !strings.Contains(got, "two/b.php") {
		t.Errorf("%q, want %q", got, want)
	}
}

// A repository may hold names that no file should have.
func TestHostileNames(t *testing.T) {
	w := newWorld(t)
	w.checks(phpLint, rollcall.Check{Name: "whole", Run: command("ls", "{tree}")})
	long := strings.Repeat("x", 251) + ".php"
	w.tree(map[string]string{"a.php": goodPHP})
	blob := w.git("hash-object", "-w", "a.php")
	index := "100644 " + blob + "\ta\nb.php\x00" + "100644 " + blob + "\tesc\x1b[2J.php\x00" + "100644 " + blob + "\t" + long + "\x00"
	c := exec.Command("git", "-C", w.work, "update-index", "-z", "--index-info")
	c.Stdin = strings.NewReader(index)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	report := w.run(w.git("write-tree"), "")
	want := map[string]string{"php syntax": "a\nb.php esc\x1b[2J.php", "whole": "a\nb.php"}
	if diff := cmp.Diff(want, told(report)); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	for _, f := range report.Failures {
		if f.Text != unclean {
			t.Errorf("%q", f.Text)
		}
	}
}

// odd gives a tree entries that no git has: what is no regular file is never given away.
type odd struct {
	rollcall.Repository
	more []rollcall.TreeChange
}

func (o odd) Changes(ctx context.Context, from, to string) ([]rollcall.TreeChange, error) {
	all, err := o.Repository.Changes(ctx, from, to)
	return append(all, o.more...), err
}

func (o odd) Blobs(ctx context.Context, blobs []string, fn func(int, int64, io.Reader) error) error {
	for _, b := range blobs {
		if b == "never" {
			panic("read")
		}
	}
	return o.Repository.Blobs(ctx, blobs, fn)
}

func TestOnlyRegularFiles(t *testing.T) {
	w := newWorld(t)
	w.checks(phpLint)
	request := w.request(w.tree(map[string]string{"a.php": goodPHP}), "")
	request.Repo = odd{request.Repo, []rollcall.TreeChange{
		{Path: "fifo.php", New: &rollcall.TreeEntry{Path: "fifo.php", Type: 'p', Blob: "never"}},
		{Path: "module.php", New: &rollcall.TreeEntry{Path: "module.php", Module: true, Blob: "never"}},
		{Path: "folder.php", New: &rollcall.TreeEntry{Path: "folder.php", Type: rollcall.TypeFolder}},
	}}
	report, err := w.open().Run(context.Background(), request)
	if err != nil || !report.Passed() || resultOf(t, report, "php syntax").Files != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestExcludedFilesAreNotGiven(t *testing.T) {
	w := newWorld(t)
	w.code.Exclude = []string{"tests/"}
	w.checks(phpLint, rollcall.Check{Name: "listing", Run: command("sh", "list", "{tree}")})
	w.script("list", `cd "$1" && find . -type f -o -type l | sort; exit 1`)
	tree := w.tree(map[string]string{"tests/bad.php": badPHP, "tests/m": "<<<<<<< a\n=======\n>>>>>>> b\n", "a.php": goodPHP, "l": "-> a.php"})
	report := w.run(tree, "")
	want := map[string]string{rollcall.ConflictMarkers: "tests/m:1", "listing": ""}
	if diff := cmp.Diff(want, told(report)); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if got := report.Failures[1].Text; got != "./a.php\n./l" {
		t.Errorf("the tree is %q", got)
	}
	// Another choice is another tree for those that are given all of it.
	w.code.Exclude = []string{"tests/", "l"}
	if got := w.run(tree, "").Failures[1].Text; got != "./a.php" {
		t.Errorf("the tree is %q", got)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "state", "results.db")); err != nil {
		t.Error(err)
	}
}
