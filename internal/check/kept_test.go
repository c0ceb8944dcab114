package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-dev/rollcall"
)

// counting is a check that writes down what it was given, and passes what holds no "bad".
func (w *world) counting() rollcall.Check {
	w.script("lint", `echo "run:$(basename "$1")" >>"`+w.dir+`/ran"; ! grep -q bad "$1" || { echo "$1:1: it is bad"; exit 1; }`)
	w.script("tool-version", `echo asked >>"`+w.dir+`/asked"; echo 1`)
	version := command("./tool-version")
	return rollcall.Check{Name: "lint", Files: []string{"*.x"}, Run: command("./lint", "{file}"), Version: &version}
}

func (w *world) ran() []string {
	all := w.lines("ran")
	slices.Sort(all)
	os.Remove(filepath.Join(w.dir, "ran"))
	return all
}

func (w *world) wantRan(what string, names ...string) {
	w.t.Helper()
	if diff := cmp.Diff(append([]string{}, names...), w.ran()); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestNothingIsLookedAtTwice(t *testing.T) {
	w := newWorld(t)
	w.script("whole", `echo run:tree >>"`+w.dir+`/ran"; echo "conf/a.conf:7: no such module"; exit 1`)
	w.checks(w.counting(), rollcall.Check{Name: "whole", Run: command("./whole", "{tree}")})
	files := map[string]string{"a.x": "good", "b.x": "bad", "d/c.x": "good", "conf/a.conf": "x"}
	base := w.tree(map[string]string{"b.x": "bad"})
	tree := w.tree(files)
	want := map[string]string{"lint": "b.x:1", "whole": "conf/a.conf:7"}

	first := w.run(tree, base)
	w.wantRan("the first", "run:a.x", "run:b.x", "run:tree")
	second := w.run(tree, base)
	w.wantRan("again")
	for i, report := range []*rollcall.CheckReport{first, second} {
		if diff := cmp.Diff(want, told(report)); diff != "" {
			t.Errorf("%d (-want +got):\n%s", i, diff)
		}
	}
	if diff := cmp.Diff(first.Failures, second.Failures); diff != "" {
		t.Errorf("kept failures differ:\n%s", diff)
	}
	if got := resultOf(t, second, "lint"); got.Ran != 0 || got.Kept != 3 || got.Failed != 1 {
		t.Errorf("%+v", got)
	}
	if got := len(w.lines("asked")); got != 1 {
		t.Errorf("asked for the version %d times", got)
	}

	files["a.x"] = "good too"
	w.run(w.tree(files), base)
	w.wantRan("one changed", "run:a.x", "run:tree")

	// Of the same bytes, another kind of name and the right to run are other contents.
	files["e*"], files["f.x*"] = "good", "good"
	w.code.Checks[0].Files = nil
	w.code.Checks = w.code.Checks[:1]
	w.run(w.tree(files), base)
	w.wantRan("more names", "run:a.conf", "run:e", "run:f.x")

	request := w.request(w.tree(files), base)
	request.Again = true
	if _, err := w.open().Run(context.Background(), request); err != nil {
		t.Fatal(err)
	}
	if got := len(w.ran()); got != 6 {
		t.Errorf("asked to run again, %d ran", got)
	}
}

func TestWhatMakesResultsOld(t *testing.T) {
	w := newWorld(t)
	tree := w.tree(map[string]string{"a.x": "good"})
	lint := w.counting()
	w.checks(lint)
	w.run(tree, "")
	w.wantRan("at first", "run:a.x")
	w.script("interpreter", `exec /bin/sh "$@"`)
	config := filepath.Join(w.dir, "lint.ini")
	for _, one := range []struct {
		what string
		do   func()
		runs bool
	}{
		{"nothing", func() {}, false},
		{"the tool touched", func() { os.Chtimes(filepath.Join(w.dir, "lint"), time.Now(), time.Unix(1, 0)) }, false},
		{"a longer time limit", func() { w.code.Checks[0].Run.Timeout = time.Hour }, false},
		{"another pattern", func() { w.code.Checks[0].Files = []string{"a*"} }, false},
		{"the tool upgraded", func() {
			w.script("lint", `# 2
echo "run:$(basename "$1")" >>"`+w.dir+`/ran"`)
		}, true},
		{"its version", func() { w.script("tool-version", "echo 2") }, true},
		{"an argument", func() { w.code.Checks[0].Run = command("./lint", "{file}", "--config=lint.ini") }, true},
		{"a configuration", func() { os.WriteFile(config, []byte("strict"), 0o644) }, true},
		{"it changed", func() { os.WriteFile(config, []byte("lenien"), 0o644) }, true},
		{"it is the same", func() {}, false},
		{"a limit of size", func() { w.code.Checks[0].MaxSize = 100 }, true},
		{"another name", func() { w.code.Checks[0].Name = "other" }, true},
		{"an interpreter", func() {
			w.script("lint", "")
			os.WriteFile(filepath.Join(w.dir, "lint"), []byte("#!"+w.dir+"/interpreter\necho \"run:$(basename \"$1\")\" >>"+w.dir+"/ran\n"), 0o755)
		}, true},
		{"it was upgraded", func() { w.script("interpreter", `exec /bin/sh -e "$@"`) }, true},
		{"another code", func() { w.code.Name = "other" }, true},
	} {
		one.do()
		w.run(tree, "")
		var want []string
		if one.runs {
			want = []string{"run:a.x"}
		}
		w.wantRan(one.what, want...)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	w.script("slow", `echo "run:$(basename "$1")" >>"`+w.dir+`/ran"; echo "line 3 hangs"; sleep 60 & sleep 60`)
	w.script("killed", `kill -9 $$`)
	slow := rollcall.Check{Name: "slow", Files: []string{"s"}, Run: command("./slow", "{file}")}
	slow.Run.Timeout = 300 * time.Millisecond
	w.checks(slow,
		rollcall.Check{Name: "killed", Files: []string{"s"}, Run: command("./killed", "{file}")},
		rollcall.Check{Name: "quiet", Files: []string{"s"}, Run: command("false", "{file}")},
		rollcall.Check{Name: "size", Run: command("true", "{file}"), MaxSize: 5 << 10},
		rollcall.Check{Name: "shell", Files: []string{"s", "big"}, Run: rollcall.Command{Shell: `test "$(wc -c <"$ROLLCALL_FILE")" -lt 100`}})
	tree := w.tree(map[string]string{"s": "1", "big": strings.Repeat("x\n", 3<<10)})
	for range 2 { // neither a time limit nor a kill is kept: both run again
		begun := time.Now()
		report := w.run(tree, "")
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("took %v: what a check started was waited for", took)
		}
		texts := map[string]string{}
		for _, f := range report.Failures {
			texts[f.Check] = fmt.Sprintf("%s:%d %s", f.Path, f.Line, f.Text)
		}
		want := map[string]string{
			"slow":   "s:3 did not end within 300ms\nline 3 hangs",
			"killed": "s:0 was killed by signal 9",
			"quiet":  "s:0 ended with 1 and said nothing",
			"size":   "big:0 it has 6kB, and this check takes up to 5kB",
			"shell":  "big:0 ended with 1 and said nothing",
		}
		if diff := cmp.Diff(want, texts); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
	}
	w.wantRan("slow", "run:s", "run:s")
}

func TestToolIsMissing(t *testing.T) {
	w := newWorld(t)
	w.checks(w.counting(), rollcall.Check{Name: "php syntax", Run: command("no-such-php", "-l", "{file}")})
	tree := w.tree(map[string]string{"a.x": "good", "bin/check*": "#!/bin/sh\ntest \"$1\" = good\n"})
	_, err := w.open().Run(context.Background(), w.request(tree, ""))
	if rollcall.KindOf(err) != rollcall.KindInvalid || !strings.Contains(err.Error(), `check "php syntax": cannot run no-such-php`) || rollcall.HintOf(err) == "" {
		t.Errorf("%v (%s)", err, rollcall.HintOf(err))
	}
	w.wantRan("before")

	// One in the tree is part of what is checked.
	w.checks(
		rollcall.Check{Name: "there", Run: command("{tree}/bin/check", "good")},
		rollcall.Check{Name: "gone", Run: command("{tree}/bin/gone")})
	report := w.run(tree, "")
	if diff := cmp.Diff(map[string]string{"gone": ""}, told(report)); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
}

// Ctrl-C in the middle keeps what has been found.
func TestStopped(t *testing.T) {
	w := newWorld(t)
	w.checks(rollcall.Check{Name: "lint", Run: command("sh", "lint", "{file}")})
	w.script("lint", `echo "run:$(basename "$1")" >>"`+w.dir+`/ran"; case "$1" in */hang*) sleep 60;; esac`)
	files := map[string]string{}
	for i := range 20 {
		files[fmt.Sprintf("a%02d", i)] = fmt.Sprint(i)
	}
	for i := range 64 {
		files[fmt.Sprintf("hang%02d", i)] = fmt.Sprint(i)
	}
	tree := w.tree(files)
	stop := rollcall.Errorf(rollcall.KindStopped, "stopped by you")
	ctx, cancel := context.WithCancelCause(context.Background())
	request := w.request(tree, "")
	var once sync.Once
	request.Progress = func(done, total int) {
		if total != 84 {
			t.Errorf("%d of %d", done, total)
		}
		if done == 20 {
			once.Do(func() { cancel(stop) })
		}
	}
	begun := time.Now()
	if _, err := w.open().Run(ctx, request); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "state", workplaces+"*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	w.ran()
	w.code.Checks[0].Files = []string{"a*"}
	if report := w.run(tree, ""); resultOf(t, report, "lint").Kept != 20 {
		t.Errorf("%+v", report.Checks)
	}
	w.wantRan("after")
}

// What a killed run left behind goes with the next, and not before its end.
func TestSweep(t *testing.T) {
	w := newWorld(t)
	w.checks(w.counting())
	c := w.open()
	living, err := c.workplace()
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(w.dir, "state", workplaces+"dead")
	if err := os.MkdirAll(filepath.Join(dead, "files"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Run(context.Background(), w.request(w.tree(map[string]string{"a.x": "1"}), "")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := os.Stat(living.temp()); err != nil {
		t.Error(err)
	}
	living.remove()
}

// Several people check at once, on one state.
func TestTogether(t *testing.T) {
	w := newWorld(t)
	w.checks(w.counting())
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("a%02d.x", i)] = fmt.Sprintf("good %d", i)
	}
	files["b.x"] = "bad"
	tree := w.tree(files)
	var wait sync.WaitGroup
	for range 3 {
		c, request := w.open(), w.request(tree, "")
		wait.Go(func() {
			report, err := c.Run(context.Background(), request)
			if err != nil || len(report.Failures) != 1 {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
	wait.Wait()
	w.ran()
	w.run(tree, "")
	w.wantRan("after them")
}

func TestOldRulesGo(t *testing.T) {
	w := newWorld(t)
	w.checks(w.counting())
	tree := w.tree(map[string]string{"a.x": "1"})
	w.run(tree, "")
	c := w.open()
	count := func(table string) (n int) {
		if err := c.db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if _, err := c.db.Exec("UPDATE rules SET used = 1"); err != nil || count("rules") != 2 || count("results") != 2 {
		t.Fatal(err, count("rules"), count("results"))
	}
	w.code.Checks[0].Name = "renamed" // the built-in one is asked for, and stays
	w.run(tree, "")
	if count("rules") != 2 || count("results") != 2 {
		t.Errorf("%d rules, %d results", count("rules"), count("results"))
	}
}

func TestAuthors(t *testing.T) {
	w := newWorld(t)
	w.checks(w.counting())
	request := w.request(w.tree(map[string]string{"a.x": "bad", "b.x": "good", "c.x": "bad\n<<<<<<< a\n=======\n>>>>>>> b\n"}), "")
	request.Authors = func(_ context.Context, paths []string) map[string]string {
		slices.Sort(paths)
		if !slices.Equal(paths, []string{"a.x", "c.x"}) {
			t.Errorf("asked for %v", paths)
		}
		return map[string]string{"c.x": "Ada in r1041\x1b #88"}
	}
	report, err := w.open().Run(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range report.Failures {
		got = append(got, f.Check+" "+f.Path+" "+f.Author)
	}
	want := []string{"conflict markers c.x Ada in r1041\ufffd #88", "lint a.x ", "lint c.x Ada in r1041\ufffd #88"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
