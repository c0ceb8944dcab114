package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// svnIn runs svn in a folder, as a person would at the keyboard.
func (w *world) svnIn(ts *testscript.TestScript, dir string, args ...string) string {
	c := exec.Command("svn", append([]string{"--non-interactive"}, args...)...)
	c.Dir = dir
	c.Env = append(w.environ(ts), "LC_ALL=C.UTF-8")
	out, err := c.CombinedOutput()
	if err != nil {
		ts.Fatalf("svn %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// svncommit MESSAGE [AUTHOR] commits everything in the folder www, which becomes a
// working copy of the trunk of the repository svn. SVN is its address.
func cmdSVNCommit(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 1 || len(args) == 2, "svncommit MESSAGE [AUTHOR]")
	author := "Ada"
	if len(args) == 2 {
		author = args[1]
	}
	www := w.path("www")
	ts.Check(os.MkdirAll(www, 0o755))
	if _, err := os.Stat(w.path("svn")); err != nil {
		out, err := exec.Command("svnadmin", "create", w.path("svn")).CombinedOutput()
		if err != nil {
			ts.Fatalf("svnadmin create: %v\n%s", err, out)
		}
		w.setenv(ts, "SVN", "file://"+w.path("svn"))
		w.svnIn(ts, w.path(), "mkdir", "-q", "-m", "layout", "--username", author, ts.Getenv("SVN")+"/trunk", ts.Getenv("SVN")+"/branches")
	}
	if _, err := os.Stat(filepath.Join(www, ".svn")); err != nil {
		w.svnIn(ts, www, "checkout", "-q", "--force", ts.Getenv("SVN")+"/trunk", ".")
	}
	w.svnIn(ts, www, "add", "-q", "--force", "--no-ignore", ".")
	for line := range strings.Lines(w.svnIn(ts, www, "status")) {
		if name, missing := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "!       "); missing {
			w.svnIn(ts, www, "rm", "-q", name+"@")
		}
	}
	w.svnIn(ts, www, "commit", "-q", "--username", author, "-m", args[0])
	w.svnIn(ts, www, "update", "-q", "--ignore-externals")
}
