package fleet

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/desk"
	"github.com/rollcall-dev/rollcall/internal/record/sqlite"
)

// DeskWorld is a world without nodes: a repository with a trunk, a production branch and a
// developer's branch, and what Rollcall keeps of it.
type DeskWorld struct {
	*World
	VCS string
	IDs map[string]string // of the changesets, by a name
}

const deskSite = `code:
  www:
    VCS: ../repo
    trunk: trunk
    production: PRODUCTION
    branches: DEV*
    checks:
      - {name: php syntax, files: ["*.php"], run: 'php -n -l {file}'}
environments:
  production: {code: www, to: "/{dir}/srv"}
`

// NewDesk makes such a world. On the trunk there are css and login, which merge; clash,
// which does not, in two files; and last. Production has a hotfix that clash meets; the
// developer's branch has work.
func NewDesk(t testing.TB, vcs, programs string) *DeskWorld {
	t.Helper()
	if programs == "" {
		programs = Programs(t)
	}
	w := &DeskWorld{World: newWorld(t, programs), VCS: vcs, IDs: map[string]string{}}
	w.check(os.MkdirAll(w.Path("tmp"), 0o755))
	w.env = []string{"TMPDIR=" + w.Path("tmp")}
	site := strings.NewReplacer("VCS", vcs, "PRODUCTION", w.Branch("production"), "DEV*", w.Branch("")+"*").Replace(deskSite)
	w.check(os.WriteFile(w.Path("site", "rollcall.yaml"), []byte(site), 0o644))
	w.check(os.WriteFile(w.Path("site", "nodes", Environment), []byte("app1 dir=srv\n"), 0o644))
	base := map[string]string{
		"index.php": "<?php\necho 'red';\n", "css/a.css": "a { color: red }\n", "css/c.css": "c { color: red }\n", "css/d.css": "d { color: red }\n",
		"lib/e.txt": "one\n", "lib/f.txt": "one\n",
	}
	w.begin(base)
	w.change("css", "trunk", map[string]string{"css/a.css": "a { color: blue }\n"})
	w.change("login", "trunk", map[string]string{"index.php": "<?php\necho 'red';\necho 'login';\n"})
	w.change("clash", "trunk", map[string]string{"css/c.css": "c { color: green }\n", "css/d.css": "d { color: green }\n"})
	w.change("last", "trunk", map[string]string{"lib/e.txt": "two\n"})
	w.change("hotfix", "production", map[string]string{"css/c.css": "c { color: black }\n", "css/d.css": "d { color: black }\n"})
	w.change("work", "x", map[string]string{"lib/f.txt": "two\n"})
	return w
}

// Branch is what a branch is called in the repository.
func (w *DeskWorld) Branch(name string) string {
	switch {
	case name == "trunk", name == "production" && w.VCS == "git":
		return name
	case name == "production":
		return "branches/production"
	case w.VCS == "svn":
		return "branches/dev-" + name
	}
	return "dev/" + name
}

func (w *DeskWorld) url() string {
	if w.VCS == "svn" {
		return "file://" + w.Path("repo")
	}
	return w.Path("repo")
}

func (w *DeskWorld) begin(files map[string]string) {
	w.t.Helper()
	w.write("begin", files)
	if w.VCS == "svn" {
		w.Shell("", "svnadmin", "create", w.Path("repo"))
		w.Shell("", "svn", "import", "-q", "-m", "the first", "--username", "Ada", w.Path("begin"), w.url()+"/trunk")
		w.Shell("", "svn", "mkdir", "-q", "-m", "a place for branches", w.url()+"/branches")
		for _, branch := range []string{"production", "x"} {
			w.Shell("", "svn", "copy", "-q", "-m", "branch "+branch, w.url()+"/trunk", w.url()+"/"+w.Branch(branch))
		}
	} else {
		w.Shell("", "git", "init", "-q", "--bare", "-b", "trunk", w.Path("repo"))
		w.Shell("begin", "git", "init", "-q", "-b", "trunk")
		w.Shell("begin", "git", "add", "-A")
		w.Shell("begin", "git", "commit", "-q", "-m", "begin")
		w.Shell("begin", "git", "push", "-q", w.Path("repo"), "trunk", "trunk:production", "trunk:"+w.Branch("x"))
	}
	for _, branch := range []string{"trunk", "production", "x"} {
		if w.VCS == "svn" {
			w.Shell("", "svn", "checkout", "-q", w.url()+"/"+w.Branch(branch), w.Path("dev", branch))
		} else {
			w.Shell("", "git", "clone", "-q", "-b", w.Branch(branch), w.Path("repo"), w.Path("dev", branch))
		}
	}
}

func (w *DeskWorld) write(dir string, files map[string]string) {
	w.t.Helper()
	for name, text := range files {
		file := w.Path(dir, name)
		w.check(os.MkdirAll(filepath.Dir(file), 0o755))
		w.check(os.WriteFile(file, []byte(text), 0o644))
	}
}

func (w *DeskWorld) change(name, branch string, files map[string]string) {
	w.t.Helper()
	dir := filepath.Join("dev", branch)
	w.write(dir, files)
	if w.VCS == "svn" {
		w.Shell(dir, "svn", "commit", "-q", "--force-log", "-m", name, "--username", "Ada")
		w.Shell(dir, "svn", "update", "-q")
		w.IDs[name] = "r" + w.Shell(dir, "svn", "info", "--show-item", "last-changed-revision")
		return
	}
	w.Shell(dir, "git", "commit", "-q", "-a", "-m", name)
	w.Shell(dir, "git", "push", "-q")
	w.IDs[name] = w.Shell(dir, "git", "rev-parse", "HEAD")
}

// Shell runs a program of the machine in a folder of the world.
func (w *DeskWorld) Shell(dir string, args ...string) string {
	w.t.Helper()
	c := exec.Command(args[0], args[1:]...)
	c.Dir = w.Path(dir)
	c.Env = w.plain()
	out, err := c.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// plain is an environment in which programs are the machine's own.
func (w *DeskWorld) plain() []string {
	return append(w.Environ(), "PATH="+os.Getenv("PATH"), "LC_ALL=C.UTF-8")
}

// Save keeps how the repository and the state stand; Restore brings that back.
func (w *DeskWorld) Save() {
	w.t.Helper()
	w.check(os.RemoveAll(w.Path("saved")))
	w.check(os.MkdirAll(w.Path("saved"), 0o755))
	w.copy(w.Dir, w.Path("saved"))
}

// Restore brings back what was saved.
func (w *DeskWorld) Restore() {
	w.t.Helper()
	for _, name := range []string{w.Path("repo"), w.Path("site", ".rollcall"), w.Path("tmp")} {
		w.check(os.RemoveAll(name))
	}
	w.check(os.MkdirAll(w.Path("tmp"), 0o755))
	w.copy(w.Path("saved"), w.Dir)
}

func (w *DeskWorld) copy(from, to string) {
	w.t.Helper()
	for _, name := range []string{"repo", "site/.rollcall"} {
		if _, err := os.Lstat(filepath.Join(from, name)); err == nil {
			w.check(os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755))
			w.Shell("", "cp", "-a", filepath.Join(from, name), filepath.Join(to, name))
		}
	}
}

// For is the same world, whose failures are another test's.
func (w *DeskWorld) For(t testing.TB) *DeskWorld {
	other := *w
	other.World = w.World.For(t)
	return &other
}

// Desk is what the record has of the desk.
func (w *DeskWorld) Desk() (state *rollcall.DeskState) {
	w.t.Helper()
	w.Record(func(record rollcall.Record) (err error) {
		state, err = desk.ReadState(context.Background(), record, "www", rollcall.DeskName)
		return err
	})
	return state
}

// Digest is how the desk's world stands: the trees and the commits of all branches, the
// ledger, and what is on the desk. Times, hashes of commits and tokens are left out.
func (w *DeskWorld) Digest() Digest {
	w.t.Helper()
	lines := w.stored()
	avail := []string{"avail", "www", "--json", "--predict-newest", "0"}
	for _, s := range rollcall.Standings {
		avail = append(avail, "--state", string(s))
	}
	for _, a := range jsonLines[rollcall.Available](w.World, w.ask(avail...)) {
		lines = append(lines, fmt.Sprintf("ledger: %s is %s by %q, %q, on the desk %q", w.name(a.ID), a.Standing, a.By, a.Why, a.OnDesk))
	}
	return Digest(strings.Join(lines, "\n")+"\n") + w.DeskDigest()
}

// DeskDigest is what is on the desk.
func (w *DeskWorld) DeskDigest() Digest {
	w.t.Helper()
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	d := w.Desk()
	add("desk: of %q, %s → %s, %d of %d merged, in doubt %t", d.By, d.Source, d.Target, d.Merged, len(d.Steps), d.Committing != nil)
	for i, step := range d.Steps {
		add("desk: step %d: %s %s", i+1, step.Kind, w.name(step.ID))
	}
	for _, c := range d.Conflict {
		add("desk: %s conflicts", c.Path)
	}
	return Digest(strings.Join(lines, "\n") + "\n")
}

// name is what a changeset is called here.
func (w *DeskWorld) name(id string) string {
	for name, known := range w.IDs {
		if known == id {
			return name
		}
	}
	return "HASH"
}

// stored is what the repository holds.
func (w *DeskWorld) stored() (lines []string) {
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if w.VCS == "svn" {
		for _, line := range w.exported() {
			add("tree: %s", line)
		}
		for line := range strings.Lines(w.Shell("", "svn", "proplist", "-v", "-R", w.url())) {
			add("property: %q", line)
		}
		for _, line := range w.logged() {
			add("commit: %s", line)
		}
		return lines
	}
	for _, branch := range []string{"production", "trunk", "x"} {
		add("%s: tree %s", branch, w.Shell("", "git", "-C", w.Path("repo"), "rev-parse", w.Branch(branch)+"^{tree}"))
		text := w.Shell("", "git", "-C", w.Path("repo"), "log", "-z", "--format=%an <%ae>: %B", w.Branch(branch))
		all := strings.Split(text, "\x00")
		for i, one := range all {
			one = deskToken.ReplaceAllString(one, "Rollcall-Desk")
			add("%s: commit %d: %q", branch, len(all)-i, hashText.ReplaceAllStringFunc(one, w.name))
		}
	}
	return lines
}

var (
	hashText  = regexp.MustCompile(`[0-9a-f]{40}`)
	deskToken = regexp.MustCompile(`Rollcall-Desk: [A-Z0-9]+`)
)

// exported are the files of all branches.
func (w *DeskWorld) exported() (lines []string) {
	dir := w.Path("tmp", "export")
	w.Shell("", "svn", "export", "-q", "--force", w.url(), dir)
	defer os.RemoveAll(dir)
	w.check(filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		lines = append(lines, fmt.Sprintf("%q %q", strings.TrimPrefix(name, dir), b))
		return err
	}))
	return lines
}

// logged are the revisions of all branches.
func (w *DeskWorld) logged() (all []string) {
	var log struct {
		Entries []struct {
			Revision int    `xml:"revision,attr"`
			Author   string `xml:"author"`
			Message  string `xml:"msg"`
			Paths    []struct {
				Action string `xml:"action,attr"`
				Path   string `xml:",chardata"`
			} `xml:"paths>path"`
		} `xml:"logentry"`
	}
	w.check(xml.Unmarshal([]byte(w.Shell("", "svn", "log", "-v", "--xml", w.url())), &log))
	for _, e := range log.Entries {
		all = append(all, fmt.Sprintf("r%d %s %v: %q", e.Revision, e.Author, e.Paths, deskToken.ReplaceAllString(e.Message, "Rollcall-Desk")))
	}
	return all
}

// Unsound lists what is not whole: the record, the repository, the mirror, and locks that
// somebody still has.
func (w *DeskWorld) Unsound() (all []string) {
	w.t.Helper()
	add := func(err error, out []byte, format string, args ...any) {
		if err != nil {
			all = append(all, fmt.Sprintf("%s: %v %s", fmt.Sprintf(format, args...), err, out))
		}
	}
	state := w.Path("site", ".rollcall")
	record, err := sqlite.Open(context.Background(), filepath.Join(state, "record.db"))
	add(err, nil, "open the record")
	if err == nil {
		_, err = record.Read(context.Background(), rollcall.DeskStream("www", rollcall.DeskName), 0)
		add(err, nil, "read the record")
		record.Close()
	}
	check := func(dir string, args ...string) {
		c := exec.Command(args[0], args[1:]...)
		c.Dir, c.Env = dir, w.plain()
		out, err := c.CombinedOutput()
		if err == nil && strings.Contains(string(out), "error") {
			err = errors.New("it complains")
		}
		add(err, out, "%v", args)
	}
	if w.VCS == "git" {
		for _, dir := range []string{w.Path("repo"), filepath.Join(state, "mirrors", "www.git")} {
			check(dir, "git", "--git-dir=.", "fsck", "--full", "--strict", "--no-dangling")
			for _, lock := range files(dir, func(name string) bool { return strings.HasSuffix(name, ".lock") }) {
				all = append(all, "there is "+lock)
			}
		}
	} else {
		check("", "svnadmin", "verify", "-q", w.Path("repo"))
		for _, wc := range files(state, func(name string) bool { return filepath.Base(name) == "wc.db" }) {
			dir := filepath.Dir(filepath.Dir(wc))
			c := exec.Command("svn", "status", "--non-interactive", dir)
			c.Env = w.plain()
			out, err := c.CombinedOutput()
			add(err, out, "svn status %s", dir)
			for line := range strings.Lines(string(out)) {
				if len(line) > 2 && line[2] == 'L' {
					all = append(all, "svn has locked "+line)
				}
			}
		}
	}
	for _, name := range files(state, func(name string) bool { return strings.HasSuffix(name, ".lock") }) {
		f, err := os.Open(name)
		if err == nil {
			err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
			f.Close()
		}
		add(err, nil, "lock %s", name)
	}
	return all
}

func files(dir string, is func(name string) bool) (all []string) {
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && is(name) {
			all = append(all, name)
		}
		return nil
	})
	return all
}

// As is the same world as another person sees it: behind sudo, who said that.
func (w *DeskWorld) As(person string) *DeskWorld {
	other := w.For(w.t)
	other.env = append(slices.Clone(w.env), "SUDO_USER="+person)
	return other
}

// Elsewhere is a commit to production by somebody who has no Rollcall.
func (w *DeskWorld) Elsewhere() {
	w.t.Helper()
	// Nobody's working copy is brought back with the rest.
	dir := w.Path("tmp", "elsewhere")
	name := filepath.Join("tmp", "elsewhere")
	if w.VCS == "svn" {
		w.Shell("", "svn", "checkout", "-q", w.url()+"/"+w.Branch("production"), dir)
		w.write(name, map[string]string{"lib/f.txt": "three\n"})
		w.Shell(name, "svn", "commit", "-q", "--force-log", "-m", "by hand", "--username", "Cy")
		return
	}
	w.Shell("", "git", "clone", "-q", "-b", "production", w.Path("repo"), dir)
	w.write(name, map[string]string{"lib/f.txt": "three\n"})
	w.Shell(name, "git", "commit", "-q", "-a", "-m", "by hand")
	w.Shell(name, "git", "push", "-q")
}
