package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// made is a repository with a history that a test knows all about.
type made struct {
	t   *testing.T
	dir string
	at  int // minutes
}

func (m *made) git(args ...string) string {
	m.t.Helper()
	c := exec.Command("git", append([]string{"-C", m.dir}, args...)...)
	when := fmt.Sprintf("2020-01-01T%02d:%02d:00Z", m.at/60, m.at%60)
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_DATE="+when, "GIT_COMMITTER_DATE="+when,
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.com")
	out, err := c.CombinedOutput()
	if err != nil {
		m.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// edit replaces one line of a file of twenty.
func (m *made) edit(file string, line int, text string) {
	m.t.Helper()
	b, err := os.ReadFile(filepath.Join(m.dir, file))
	if err != nil {
		m.t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	lines[line-1] = text
	m.write(file, strings.Join(lines, "\n"))
}

func (m *made) write(file, content string) {
	m.t.Helper()
	path := filepath.Join(m.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *made) commit(message string) string {
	m.t.Helper()
	m.at++
	m.git("add", "-A")
	m.git("commit", "-q", "--allow-empty", "-m", message)
	return m.git("rev-parse", "HEAD")
}

func twenty(name string) string {
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, "%s, line %d\n", name, i+1)
	}
	return b.String()
}

// newMade makes a trunk, and a stable branch with a commit of every kind. It gives the
// trunk's commits by number.
func newMade(t *testing.T) (m *made, trunk map[int]string) {
	m = &made{t: t, dir: t.TempDir()}
	m.git("init", "-q", "-b", "trunk")
	for _, file := range []string{"a", "b", "c", "d", "lib/one", "lib/two"} {
		m.write(file, twenty(file))
	}
	m.write("VERSION", "1\n")
	m.commit("begin")
	m.git("branch", "stable")
	trunk = map[int]string{}
	for i, change := range []func(){
		1:  func() { m.edit("a", 3, "a, first") },
		2:  func() { m.edit("a", 3, "a, second") }, // needs 1
		3:  func() { m.edit("b", 10, "b, first") },
		4:  func() { m.edit("c", 5, "c, first") },
		5:  func() { m.edit("a", 15, "a, far away") },
		6:  func() { m.write("new", "a new file\n") },
		7:  func() { m.edit("b", 10, "b, second") }, // needs 3, which is never promoted
		8:  func() { m.edit("c", 15, "c, far away") },
		9:  func() { m.edit("d", 2, "d, first"); m.write("test/d", "a test\n") },
		10: func() { m.git("mv", "lib", "src") },
		11: func() { m.write("src/three", "a file in a folder of another name\n") },
		12: func() { m.edit("d", 18, "d, if (x) {") },
		13: func() { m.edit("d", 10, "d, wrote one thing") },
	} {
		if change != nil {
			change()
			trunk[i] = m.commit(fmt.Sprintf("change %d", i))
		}
	}
	m.git("checkout", "-q", "stable")
	return m, trunk
}

// promote commits what stands there as a promotion.
func (m *made) promote(what string, ids ...string) string {
	m.t.Helper()
	for i, id := range ids {
		sep := "\n"
		if i == 0 {
			sep = "\n\n"
		}
		what += sep + "(cherry picked from commit " + id + ")"
	}
	return m.commit(what)
}

func (m *made) stable(t map[int]string) {
	m.edit("a", 3, "a, first")
	m.promote("clean", t[1])
	m.edit("a", 3, "a, second")
	m.promote("clean, and needs the one before", t[2])
	m.edit("c", 5, "c, the stable branch's own")
	own := m.commit("no promotion")
	m.edit("c", 5, "c, first and the stable branch's own")
	m.promote("a conflict resolved by hand", t[4])
	m.edit("a", 15, "a, far away")
	m.write("VERSION", "2\n")
	m.promote("with another edit", t[5])
	m.edit("b", 10, "b, second")
	m.promote("without what it needs", t[7])
	m.promote("names nothing", strings.Repeat("12", 20))
	m.promote("names what is not on the trunk", own)
	m.commit("a backport that names nothing")
	m.write("new", "a new file\n")
	m.edit("c", 15, "c, far away")
	m.promote("two in one, in the wrong order", t[8], t[6])
	m.edit("d", 2, "d, first")
	m.promote("left a file out", t[9])
	m.write("src/three", "a file in a folder of another name\n")
	m.promote("a false alarm", t[11])
	m.edit("d", 18, "d, if (x)  {")
	m.promote("white space", t[12])
	m.edit("d", 10, "d, wrote another thing")
	m.promote("wrote it differently", t[13])
}

func TestReplay(t *testing.T) {
	m, trunk := newMade(t)
	m.stable(trunk)
	refs := m.git("for-each-ref")
	objects := m.git("count-objects", "-v")
	o, err := parse([]string{"-repo", m.dir, "-stable", "stable", "-trunk", "trunk"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r, err := replay(context.Background(), o, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if now := m.git("for-each-ref"); now != refs || m.git("count-objects", "-v") != objects {
		t.Error("the repository was written to")
	}

	var got []string
	for _, j := range r.Promotions {
		line := fmt.Sprintf("%s: %s", j.Subject, j.Verdict)
		if j.Plain {
			line += ", plain"
		}
		for _, c := range j.Causes {
			line += "; " + c.Kind + ": " + strings.Join(c.Paths, " ")
		}
		got = append(got, line)
	}
	want := []string{
		"clean: clean, the same tree, plain",
		"clean, and needs the one before: clean, the same tree, plain",
		"a conflict resolved by hand: conflict, resolved by hand",
		"with another edit: clean, another tree; also edited other files: VERSION",
		"without what it needs: conflict, resolved by hand",
		"two in one, in the wrong order: clean, the same tree, plain",
		"left a file out: clean, another tree; left a file of the change out: test/d",
		"a false alarm: conflict, would have applied, plain; would have applied: lib/three",
		"white space: clean, another tree; white space: d",
		"wrote it differently: clean, another tree; wrote lines of the change differently: d",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p := r.Promotions[5].Picks; p[0] != trunk[6] || p[1] != trunk[8] {
		t.Errorf("the picks are not in the trunk's order: %v", p)
	}
	got = nil
	for _, e := range append(r.Excluded, r.Unmarked...) {
		got = append(got, e.Subject+": "+generalised(e.Why))
	}
	want = []string{
		"names nothing: names what is not in the repository",
		"names what is not on the trunk: names what is no first-parent commit of the trunk",
		"a backport that names nothing: speaks of a backport and names no commit in the form that is read",
		"no promotion: ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if r.Commits != 14 || r.Agreed != 5 || r.Several != 1 || r.SeveralOK != 1 || r.Plain != 4 || r.PlainSame != 3 || r.PlainClash != 1 {
		t.Errorf("counted: %+v", r)
	}
	n := r.Needs
	if n.Pairs != 1 || n.Named != 1 || len(n.Missed) != 0 || len(n.TooMany) != 0 {
		t.Errorf("pairs: %+v", n)
	}
	if n.Asked != 5 || len(n.Alarms) != 0 || n.Others != 6 || n.OthersNamed != 1 {
		t.Errorf("needs: %+v", n)
	}
	if needs := r.Promotions[4].Needs; len(needs) != 1 || needs[0] != trunk[3] {
		t.Errorf("the missing need is %v", needs)
	}
}

// What a project edits with every promotion is no disagreement where it is named.
func TestBesideAndRange(t *testing.T) {
	m, trunk := newMade(t)
	m.stable(trunk)
	var out bytes.Buffer
	o, err := parse([]string{
		"-repo", m.dir, "-stable", "stable", "-trunk", "trunk", "-beside", "VERSION", "-needs=false",
		"-from", m.git("rev-parse", ":/^clean, and needs"), "-to", m.git("rev-parse", ":/^without what"), "-json",
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(context.Background(), o, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.Commits != 4 || len(r.Promotions) != 3 || r.Agreed != 3 || r.Counts[sameBeside] != 1 {
		t.Errorf("%s", out.String())
	}
}

// A stable branch that its trunk was merged into, and whose promotions name Subversion's
// numbers.
func TestMergedAndNumbered(t *testing.T) {
	m := &made{t: t, dir: t.TempDir()}
	number := func(n int) string {
		return fmt.Sprintf("\n\ngit-svn-id: https://svn.example.com/trunk@%d 0000", n)
	}
	m.git("init", "-q", "-b", "trunk")
	m.write("a", twenty("a"))
	m.commit("begin" + number(100))
	m.git("branch", "stable")
	for i := range 4 {
		m.edit("a", 5*i+1, "changed")
		m.commit("a change" + number(101+i))
	}
	m.git("checkout", "-q", "stable")
	m.edit("a", 1, "changed")
	m.commit("Merged r101 from trunk (#7).")
	tree := m.git("rev-parse", "HEAD^{tree}")
	merge := m.git("commit-tree", tree, "-p", "HEAD", "-p", "trunk~1", "-m", "Merge branch 'trunk', says git")
	m.git("reset", "-q", "--hard", merge)
	m.edit("a", 6, "changed")
	m.edit("a", 11, "changed")
	m.commit("Merged r102-r103 to 1-stable.")
	var out bytes.Buffer
	o, err := parse([]string{"-repo", m.dir, "-stable", "stable", "-trunk", "trunk", "-marks", "svn", "-unmarked"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(context.Background(), o, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"agreed  ", "2 of 2 (100.0%)", "Merge branch 'trunk', says git"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
