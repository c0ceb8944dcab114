package svn

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-dev/rollcall"
)

// contents reads a tree: each path with its type and what it holds.
func contents(t *testing.T, r *Repository, tree string) map[string]string {
	t.Helper()
	changes, err := r.Changes(t.Context(), "", tree)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	var blobs []string
	var names []string
	for _, c := range changes {
		if c.New.Module {
			all[c.Path] = "module"
			continue
		}
		all[c.Path] = string(rune(c.New.Type)) + " "
		blobs, names = append(blobs, c.New.Blob), append(names, c.Path)
	}
	err = r.Blobs(t.Context(), blobs, func(i int, _ int64, content io.Reader) error {
		b, err := io.ReadAll(content)
		all[names[i]] += string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantContents(t *testing.T, r *Repository, tree string, want map[string]string) {
	t.Helper()
	got := contents(t, r, tree)
	if !maps.Equal(got, want) {
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if got[name] != want[name] {
				t.Errorf("%s is %q, want %q", name, got[name], want[name])
			}
		}
		t.Errorf("the tree is %q", got)
	}
}

func tip(t *testing.T, r *Repository, branch string) rollcall.Revision {
	t.Helper()
	rev, err := r.Tip(t.Context(), branch)
	if err != nil {
		t.Fatalf("%v\nhint: %s", err, rollcall.HintOf(err))
	}
	return rev
}

// What stands in a working copy is not what is stored: keywords are filled in, line ends
// are the machine's. And names may look like pegs and options.
func TestTreesComeAsStored(t *testing.T) {
	w := newWorld(t)
	for name, content := range map[string]string{
		"trunk/id": "$Id$ $Rev: old $\n", "trunk/native": "a\nb\n", "trunk/crlf": "a\r\nb\r\n", "trunk/a@b.txt": "at", "trunk/ü b": "blank",
		"trunk/-dash": "dash", "trunk/100%25#?": "odd", "trunk/link": "-> ../a b", "trunk/dir@1/x": "in", "trunk/.git/x": "git", "trunk/x.o": "object",
	} {
		w.write(name, content)
	}
	w.svn("add", "-q", "--no-ignore", "trunk")
	w.svn("mkdir", "-q", "trunk/empty")
	w.svn("propset", "-q", "svn:keywords", "Id Rev", "trunk/id")
	w.svn("propset", "-q", "svn:eol-style", "native", "trunk/native")
	w.svn("propset", "-q", "svn:eol-style", "CRLF", "trunk/crlf")
	one := w.commit("Ada", "one")
	r := w.mustOpen()
	rev := tip(t, r, "trunk")
	if rev.ID != one {
		t.Errorf("the tip is %s", rev.ID)
	}
	wantContents(t, r, rev.Tree, map[string]string{
		"id": "f $Id$ $Rev$\n", "native": "f a\nb\n", "crlf": "f a\r\nb\r\n", "a@b.txt": "f at", "ü b": "f blank", "-dash": "f dash",
		"100%25#?": "f odd", "link": "l ../a b", "dir@1/x": "f in", ".git/x": "f git", "x.o": "f object",
	})
	if b, err := os.ReadFile(filepath.Join(r.copyPath("/trunk"), "id")); err != nil || !strings.Contains(string(b), "$Id: id 1 ") {
		t.Errorf("the test does not test: the working copy has %q, %v", b, err)
	}
}

func TestEqualTreesHaveOneName(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "one")
	w.write("trunk/a", "2")
	w.commit("Ada", "two")
	w.write("trunk/a", "1")
	w.svn("propset", "-q", "svn:ignore", "x", "trunk")
	w.commit("Ada", "three")
	w.svn("copy", "-q", "trunk", "production")
	w.commit("Ada", "four")
	r := w.mustOpen()
	one, err := r.At(t.Context(), "trunk", "1")
	if err != nil {
		t.Fatal(err)
	}
	if three := tip(t, r, "trunk"); three.Tree != one.Tree || three.ID != "r3" {
		t.Errorf("trunk is %+v, was %+v", three, one)
	}
	if four := tip(t, r, "production"); four.Tree != one.Tree || four.ID != "r4" {
		t.Errorf("production is %+v", four)
	}
}

// A tree that is known is not read again: the tip is all that is asked for.
func TestNothingIsReadTwice(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "one")
	tip(t, w.mustOpen(), "trunk")
	first := w.commands
	if got := verbs(first); !slices.Equal(got, []string{"info", "log", "checkout", "info", "proplist"}) {
		t.Errorf("at first: %v", got)
	}
	tip(t, w.mustOpen(), "trunk")
	if got := verbs(w.commands); !slices.Equal(got, []string{"info"}) {
		t.Errorf("again: %v", got)
	}
	w.write("trunk/a", "2")
	w.commit("Ada", "two")
	tip(t, w.mustOpen(), "trunk")
	if got := verbs(w.commands); !slices.Equal(got, []string{"info", "log", "info", "update", "info", "proplist"}) {
		t.Errorf("a new one: %v", got)
	}
	if !strings.Contains(w.commands[1], " -r 2:2 ") {
		t.Errorf("the log was read with %s", w.commands[1])
	}
	for _, command := range append(first, w.commands...) {
		for _, want := range []string{" --non-interactive ", " --no-auth-cache ", " --config-dir " + filepath.Join(w.mirror, "config") + " ", " -- "} {
			if !strings.Contains(command, want) {
				t.Errorf("%s lacks %s", command, want)
			}
		}
	}
}

func verbs(commands []string) []string {
	var all []string
	for _, command := range commands {
		all = append(all, strings.Fields(command)[1])
	}
	return all
}

// A branch's history goes on in what it was copied from, up to there.
func TestHistoryFollowsCopies(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.svn("add", "-q", "trunk")
	w.svn("mkdir", "-q", "branches")
	w.commit("Ada", "r1")
	w.write("trunk/a", "2")
	w.commit("Ada", "r2")
	w.svn("copy", "-q", "trunk", "branches/production")
	w.commit("Ada", "r3: branch")
	w.write("trunk/a", "3")
	w.commit("Ada", "r4: trunk goes on")
	w.write("branches/production/a", "hot")
	w.commit("Bo", "r5: hotfix #9")
	w.write("trunk/b", "b")
	w.svn("add", "-q", "trunk/b")
	w.write("branches/production/c", "c")
	w.svn("add", "-q", "branches/production/c")
	w.commit("Bo", "r6: both")
	w.branches = []string{"branches/production", "trunk"}
	r := w.mustOpen()
	ctx := t.Context()
	wantContents(t, r, tip(t, r, "branches/production").Tree, map[string]string{"a": "f hot", "c": "f c"})
	for text, want := range map[string]string{"r1": "f 1", "2": "f 2", "r3": "f 2", "r5": "f hot"} {
		rev, err := r.At(ctx, "branches/production", text)
		if err != nil {
			t.Errorf("At(%s) = %v", text, err)
			continue
		}
		if got := contents(t, r, rev.Tree)["a"]; got != want {
			t.Errorf("a at %s is %q, want %q", text, got, want)
		}
	}
	if _, err := r.At(ctx, "branches/production", "r4"); rollcall.KindOf(err) != rollcall.KindRefused || !strings.Contains(rollcall.HintOf(err), "r3") {
		t.Errorf("At(r4) = %v, %s", err, rollcall.HintOf(err))
	}
	if _, err := r.At(ctx, "branches/production", "r7"); rollcall.KindOf(err) != rollcall.KindNotFound {
		t.Errorf("At(r7) = %v", err)
	}
	ids := func(branch, from, to string) (string, string) {
		t.Helper()
		r.remember(branch)
		coming, going, err := r.Changesets(ctx, from, to)
		if err != nil {
			t.Fatal(err)
		}
		var a, b []string
		for _, c := range coming {
			a = append(a, c.ID)
		}
		for _, c := range going {
			b = append(b, c.ID)
		}
		return strings.Join(a, " "), strings.Join(b, " ")
	}
	for _, c := range []struct{ branch, from, to, coming, going string }{
		{"branches/production", "r3", "r6", "r6 r5", ""},
		{"branches/production", "r1", "r5", "r5 r3 r2", ""},
		{"branches/production", "r6", "r2", "", "r6 r5 r3"},
		{"branches/production", "r4", "r5", "r5 r3", "r4"}, // it rolled from trunk before
		{"trunk", "r2", "r6", "r6 r4", ""},
	} {
		if coming, going := ids(c.branch, c.from, c.to); coming != c.coming || going != c.going {
			t.Errorf("from %s to %s of %s: coming %q, going %q", c.from, c.to, c.branch, coming, going)
		}
	}
	r.remember("branches/production")
	coming, _, err := r.Changesets(ctx, "r5", "r6")
	if err != nil || len(coming) != 1 || !slices.Equal(coming[0].Files, []string{"c"}) {
		t.Errorf("r6 on production is %+v, %v", coming, err)
	}
}

// A folder of a repository is a code's, other folders are others'.
func TestAFolderOfARepository(t *testing.T) {
	w := newWorld(t)
	w.write("pro jects/www/trunk/a", "1")
	w.write("other/x", "x")
	w.svn("add", "-q", "pro jects", "other")
	w.commit("Ada", "one")
	w.write("other/x", "y")
	w.commit("Ada", "two")
	w.svn("move", "-q", "pro jects", "moved")
	w.commit("Ada", "three")
	w.write("moved/www/trunk/a", "2")
	w.commit("Ada", "four")
	w.address = "file://" + w.dir + "/moved/www"
	w.branches = []string{"trunk"}
	r := w.mustOpen()
	rev := tip(t, r, "trunk")
	if rev.ID != "r4" {
		t.Errorf("the tip is %s", rev.ID)
	}
	wantContents(t, r, rev.Tree, map[string]string{"a": "f 2"})
	if before, err := r.At(t.Context(), "trunk", "r3"); err != nil {
		t.Errorf("the move is no revision of it: %v", err)
	} else {
		wantContents(t, r, before.Tree, map[string]string{"a": "f 1"})
	}
	if _, err := r.At(t.Context(), "trunk", "r2"); rollcall.KindOf(err) != rollcall.KindRefused {
		t.Errorf("another folder's: %v", err)
	}
	if id := rollcall.ShortRevision(rev.ID); id != "r4" {
		t.Errorf("it is written %s", id)
	}
	if _, err := r.Tip(t.Context(), "branches/x"); rollcall.KindOf(err) != rollcall.KindNotFound || !strings.Contains(rollcall.HintOf(err), "/moved/www, which has trunk/") {
		t.Errorf("no branch: %v, %s", err, rollcall.HintOf(err))
	}
	for _, bad := range []string{"", "-x", "../other", "a//b", "/trunk", "trunk/", "a\nb", "."} {
		if _, err := r.Tip(t.Context(), bad); rollcall.KindOf(err) != rollcall.KindInvalid {
			t.Errorf("Tip(%q) = %v", bad, err)
		}
	}
}

// A branch that was removed and made again is another one.
func TestABranchMadeAgain(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "one")
	w.svn("copy", "-q", "trunk", "production")
	w.commit("Ada", "two")
	tip(t, w.mustOpen(), "production")
	w.svn("rm", "-q", "production")
	w.commit("Ada", "three")
	if _, err := w.mustOpen().Tip(t.Context(), "production"); rollcall.KindOf(err) != rollcall.KindNotFound {
		t.Errorf("a removed branch: %v", err)
	}
	w.write("production/b", "2")
	w.svn("add", "-q", "production")
	w.commit("Ada", "four")
	r := w.mustOpen()
	rev := tip(t, r, "production")
	wantContents(t, r, rev.Tree, map[string]string{"b": "f 2"})
	if _, err := r.At(t.Context(), "production", "r2"); rollcall.KindOf(err) != rollcall.KindRefused {
		t.Errorf("the old one's revision: %v", err)
	}
}

// What the reader may not see would vanish from every node without a word.
func TestATreeThatIsHiddenInPartIsRefused(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.write("trunk/secret/b", "2")
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "one")
	os.WriteFile(filepath.Join(w.dir, "conf", "authz"), []byte("[/]\n* = r\n[/trunk/secret]\n* =\n"), 0o600)
	w.address = serve(t, w, "[general]\nanon-access = read\nauthz-db = authz\n") + "/r%C3%A9p%20o"
	_, err := w.mustOpen().Tip(t.Context(), "trunk")
	if rollcall.KindOf(err) != rollcall.KindRefused || !strings.Contains(err.Error(), "secret") || rollcall.HintOf(err) == "" {
		t.Errorf("Tip = %v", err)
	}
}

// A site may have rolled another branch before, whose name nobody knows any more.
func TestARevisionOfAForgottenBranch(t *testing.T) {
	w := newWorld(t)
	w.write("old/a", "1")
	w.svn("add", "-q", "old")
	w.commit("Ada", "one")
	w.svn("copy", "-q", "old", "trunk")
	w.commit("Ada", "two")
	w.write("old/a", "2")
	w.commit("Ada", "three")
	w.write("trunk/a", "3")
	w.commit("Ada", "four")
	w.branches = []string{"trunk"}
	for _, want := range []string{"r4 | ", "r4 r2 | r3"} {
		r := w.mustOpen()
		tip(t, r, "trunk")
		coming, going, err := r.Changesets(t.Context(), "r3", "r4")
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for _, c := range coming {
			got += c.ID + " "
		}
		got += "|"
		for _, c := range going {
			got += " " + c.ID
		}
		if strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("from r3 to r4: %s, want %s", got, want)
		}
		tip(t, w.mustOpen(), "old") // now its tree was read
	}
}

// A process that was killed while svn wrote leaves a working copy that is locked, half
// there or nonsense.
func TestWhatAKilledProcessLeaves(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.write("trunk/dir/b", "b")
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "one")
	r := w.mustOpen()
	tip(t, r, "trunk") // there is one to be hurt
	wc := r.copyPath("/trunk")
	for name, hurt := range map[string]func(){
		"nothing":   func() {},
		"locked":    func() { sqliteExec(t, filepath.Join(wc, ".svn", "wc.db"), `INSERT INTO wc_lock VALUES (1, '', -1)`) },
		"no db":     func() { os.Remove(filepath.Join(wc, ".svn", "wc.db")) },
		"a bad db":  func() { os.WriteFile(filepath.Join(wc, ".svn", "wc.db"), []byte("x"), 0o600) },
		"half made": func() { os.RemoveAll(wc); os.MkdirAll(filepath.Join(wc+".new", ".svn"), 0o700) },
		"files": func() {
			os.RemoveAll(filepath.Join(wc, "dir"))
			os.WriteFile(filepath.Join(wc, "a"), []byte("edited"), 0o600)
		},
		"contents": func() {
			os.RemoveAll(filepath.Join(wc, ".svn", "pristine"))
			os.RemoveAll(filepath.Join(w.mirror, "blobs"))
		},
		"config": func() { os.RemoveAll(filepath.Join(w.mirror, "config")) },
	} {
		w.write("trunk/a", "of "+name)
		id := w.commit("Ada", name)
		hurt()
		r := w.mustOpen()
		rev, err := r.Tip(t.Context(), "trunk")
		if err != nil || rev.ID != id {
			t.Errorf("%s: %+v, %v", name, rev, err)
			continue
		}
		wantContents(t, r, rev.Tree, map[string]string{"a": "f of " + name, "dir/b": "f b"})
	}
}

func sqliteExec(t *testing.T, file, statement string) {
	t.Helper()
	db, err := openSQLite(file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		t.Fatal(err)
	}
}

// Several processes may read one repository at once.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "one")
	w.svn("copy", "-q", "trunk", "production")
	w.commit("Ada", "two")
	var all errgroup.Group
	for i := range 6 {
		all.Go(func() error {
			r, err := Open(t.Context(), Options{Address: w.dir, Mirror: w.mirror})
			if err != nil {
				return err
			}
			rev, err := r.Tip(t.Context(), []string{"trunk", "production"}[i%2])
			if err == nil {
				_, err = r.Changes(t.Context(), "", rev.Tree)
			}
			return err
		})
	}
	if err := all.Wait(); err != nil {
		t.Error(err)
	}
}

// A content that is lost is said to be, and is there again when it is next asked for.
func TestALostContentComesBack(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "one")
	r := w.mustOpen()
	rev := tip(t, r, "trunk")
	os.RemoveAll(filepath.Join(w.mirror, "blobs"))
	l, err := r.listing(rev.Tree)
	if err != nil {
		t.Fatal(err)
	}
	err = r.Blobs(t.Context(), []string{l[0].Blob}, func(int, int64, io.Reader) error { return nil })
	if rollcall.KindOf(err) != rollcall.KindNotFound || rollcall.HintOf(err) == "" {
		t.Errorf("Blobs = %v", err)
	}
	r = w.mustOpen()
	wantContents(t, r, tip(t, r, "trunk").Tree, map[string]string{"a": "f 1"})
}

func TestAnotherRepositoryIsRefused(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "one")
	w.must("svnadmin", "hotcopy", w.dir, w.dir+".backup")
	w.write("trunk/a", "2")
	w.commit("Ada", "two")
	w.mustOpen()
	w.address = w.dir + ".backup"
	if _, err := w.open(); rollcall.KindOf(err) != rollcall.KindRefused || !strings.Contains(err.Error(), "is at r1, and was at r2") || rollcall.HintOf(err) == "" {
		t.Errorf("an older copy: %v", err)
	}
	w.must("svnadmin", "setuuid", w.dir+".backup")
	if _, err := w.open(); rollcall.KindOf(err) != rollcall.KindRefused || !strings.Contains(err.Error(), "UUID") || rollcall.HintOf(err) == "" {
		t.Errorf("another one: %v", err)
	}
	w.address = w.dir + ".none"
	if _, err := w.open(); rollcall.KindOf(err) != rollcall.KindNotFound || rollcall.HintOf(err) == "" {
		t.Errorf("none: %v", err)
	}
	w.address = w.dir + "/nowhere"
	if _, err := w.open(); rollcall.KindOf(err) != rollcall.KindNotFound || rollcall.HintOf(err) == "" {
		t.Errorf("no such folder: %v", err)
	}
}

// The same repository may move to another address.
func TestAnotherAddress(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "one")
	tip(t, w.mustOpen(), "trunk")
	w.write("trunk/a", "2")
	w.commit("Ada", "two")
	w.address = serve(t, w, "") + "/r%C3%A9p%20o"
	r := w.mustOpen()
	wantContents(t, r, tip(t, r, "trunk").Tree, map[string]string{"a": "f 2"})
	if !strings.Contains(w.commands[1], " -r 2:2 ") {
		t.Errorf("the log was read with %s", w.commands[1])
	}
}

func TestExternalsAreModules(t *testing.T) {
	w := newWorld(t)
	w.write("lib/x", "x")
	w.write("trunk/a", "1")
	w.svn("add", "-q", "trunk", "lib")
	w.svn("mkdir", "-q", "trunk/sub")
	w.svn("propset", "-q", "svn:externals", "^/lib vendor/lib\n-r1 ^/lib 'in quotes'\n# a comment\n\nold -r 1 "+w.url("lib")+"\n^/lib/x@1 file.txt", "trunk")
	w.svn("propset", "-q", "svn:externals", "//host/lib deep\n/svn/lib abs\n../lib rel", "trunk/sub")
	w.must("svn", "commit", "-q", "-m", "one")
	r := w.mustOpen()
	wantContents(t, r, tip(t, r, "trunk").Tree, map[string]string{
		"a": "f 1", "vendor/lib": "module", "in quotes": "module", "old": "module", "file.txt": "module",
		"sub/deep": "module", "sub/abs": "module", "sub/rel": "module",
	})
	if _, err := os.Stat(filepath.Join(r.copyPath("/trunk"), "vendor")); err == nil {
		t.Error("an external was brought in")
	}
}

func TestWhatAnExternalSays(t *testing.T) {
	for line, want := range map[string]string{
		"": "", "# x": "", "^/lib lib": "d/lib", "lib ^/lib": "d/lib", "-r 5 ^/lib lib": "d/lib", "lib -r5 http://h/x": "d/lib", "http://h/x@5 a\\ b": "d/a b",
		`"^/a b" "c d"`: "d/c d", "^/lib ./lib/": "d/lib", "nonsense": "d/svn:externals", "a b c": "d/svn:externals", "^/x ../../up": "d/up", "^/x .": "d/svn:externals",
	} {
		if got := strings.Join(externals("d", line), "|"); got != want {
			t.Errorf("%q names %q, want %q", line, got, want)
		}
	}
}

// freeze is what a candidate is made with: it must come to what a commit comes to.
func TestFreezeIsWhatACommitWouldStore(t *testing.T) {
	w := newWorld(t)
	w.svn("mkdir", "-q", "trunk")
	for name, content := range map[string]string{
		"id": "$Id$\none\n", "rev": "$Rev$", "native": "a\nb\n", "crlf": "a\r\n", "plain": "p", "tool": "t", "gone": "g", "link": "-> a", "file": "f",
		"dir/x": "x", "dir/y": "y", "dir/z@1": "z", "stays": "$Id$ unchanged", "old link": "-> old",
	} {
		w.write("trunk/"+name, content)
	}
	w.svn("add", "-q", "--force", "trunk")
	for _, name := range []string{"id", "rev", "stays"} {
		w.svn("propset", "-q", "svn:keywords", "Id Rev Custom=%r_%a", "trunk/"+name)
	}
	w.svn("propset", "-q", "svn:eol-style", "native", "trunk/native")
	w.svn("propset", "-q", "svn:eol-style", "native", "trunk/id")
	w.svn("propset", "-q", "svn:eol-style", "CRLF", "trunk/crlf")
	w.svn("propset", "-q", "svn:executable", "*", "trunk/rev")
	w.commit("Ada", "one")

	r := w.mustOpen()
	tip(t, r, "trunk")
	candidate := filepath.Join(t.TempDir(), "candidate")
	if err := r.checkoutAt(t.Context(), r.client, candidate, "/trunk", 1, false); err != nil {
		t.Fatal(err)
	}
	same, err := r.freeze(t.Context(), candidate)
	if err != nil || same != tip(t, r, "trunk").Tree {
		t.Errorf("an unchanged copy is %s, %v", same, err)
	}

	w.work = candidate
	expanded, err := os.ReadFile(w.file("id"))
	if err != nil || !strings.Contains(string(expanded), "$Id: ") {
		t.Fatalf("the test does not test: %q, %v", expanded, err)
	}
	w.write("id", string(expanded)+"two $Rev: 77 $ $Custom: x $\n")
	w.write("native", "a\nb\nc\n")
	w.write("crlf", "a\r\nb\r\n")
	w.write("plain", "plain $Id: x $")
	w.svn("propset", "-q", "svn:executable", "*", "tool")
	w.svn("propdel", "-q", "svn:executable", "rev")
	w.svn("rm", "-q", "gone")
	w.write("new link", "-> ../else where")
	w.svn("add", "-q", "new link")
	os.Remove(w.file("old link"))
	os.Symlink("new", w.file("old link"))
	w.svn("rm", "-q", "link")
	w.write("link", "a file now")
	w.svn("add", "-q", "link")
	w.svn("copy", "-q", "dir", "copied")
	w.write("copied/x", "x changed")
	w.svn("rm", "-q", "copied/y")
	w.svn("copy", "-q", "plain", "plain@copy@")
	w.write("new/dir/n", "n")
	w.svn("add", "-q", "new")
	w.write("unversioned", "u")
	w.svn("propset", "-q", "svn:externals", "^/trunk ext", "new")

	tree, err := r.freeze(t.Context(), candidate)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"id": "f $Id$\none\ntwo $Rev$ $Custom$\n", "rev": "f $Rev$", "native": "f a\nb\nc\n", "crlf": "f a\r\nb\r\n", "plain": "f plain $Id: x $",
		"tool": "x t", "new link": "l ../else where", "old link": "l new", "link": "f a file now", "file": "f f", "stays": "f $Id$ unchanged",
		"dir/x": "f x", "dir/y": "f y", "dir/z@1": "f z", "copied/x": "f x changed", "copied/z@1": "f z", "plain@copy": "f plain $Id: x $",
		"new/dir/n": "f n", "new/ext": "module",
	}
	wantContents(t, r, tree, want)

	w.must("svn", "commit", "-q", "-m", "two")
	r = w.mustOpen()
	if after := tip(t, r, "trunk"); after.Tree != tree {
		wantContents(t, r, after.Tree, want)
		t.Errorf("committed it is %s, frozen it was %s", after.Tree, tree)
	}
}

func TestFreezeRefusesADamagedCopy(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "one")
	r := w.mustOpen()
	candidate := filepath.Join(t.TempDir(), "candidate")
	if err := r.checkoutAt(t.Context(), r.client, candidate, "/trunk", 1, false); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(candidate, "a"))
	if _, err := r.freeze(t.Context(), candidate); err == nil || !strings.Contains(err.Error(), "a is missing") {
		t.Errorf("freeze = %v", err)
	}
}

// A log entry may lack everything but its number, where the server hides it.
func TestALogThatHidesMuch(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "\n\n  a \x02 subject\nmore")
	for _, name := range []string{"svn:author", "svn:date"} {
		w.must("svnadmin", "delrevprop", w.dir, "-r", "1", name)
	}
	rev := tip(t, w.mustOpen(), "trunk")
	if rev.ID != "r1" || rev.Author != "" || rev.Time.IsZero() {
		t.Errorf("the tip is %+v", rev)
	}
}
