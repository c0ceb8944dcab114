package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdTrunk makes a repository with a trunk and a production branch, both with what is in
// the folder `begin`, and the site's rollcall.yaml for it, where the script has none. What
// no fleet was started for has a node that is nowhere. Each branch has a working copy in dev.
//
//	trunk
func cmdTrunk(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 0, "trunk")
	d := developer{ts, w}
	if d.isSVN() {
		d.run("", "svnadmin", "create", w.path("repo"))
		hook := w.path("repo", "hooks", "pre-revprop-change")
		ts.Check(os.WriteFile(hook, []byte("#!/bin/sh\nexit 0\n"), 0o755))
		d.run("", "svn", "import", "-q", "-m", "begin", "--username", "Ada", w.path("begin"), d.url()+"/trunk")
		d.run("", "svn", "mkdir", "-q", "-m", "branches", "--username", "Ada", d.url()+"/branches")
		d.run("", "svn", "copy", "-q", "-m", "production", "--username", "Ada", d.url()+"/trunk", d.url()+"/branches/production")
	} else {
		d.run("", "git", "init", "-q", "--bare", "-b", "trunk", w.path("repo"))
		d.run("", "git", "init", "-q", "-b", "trunk", w.path("begin"))
		d.run(w.path("begin"), "git", "add", "-A")
		d.run(w.path("begin"), "git", "-c", "user.name=Ada", "commit", "-q", "-m", "begin")
		d.run(w.path("begin"), "git", "push", "-q", w.path("repo"), "trunk", "trunk:production")
	}
	d.checkout("trunk")
	d.checkout("production")
	d.site()
	w.setenv(ts, "REPO", d.url())
	w.setenv(ts, "TRUNK", d.branch("trunk"))
	w.setenv(ts, "PRODUCTION", d.branch("production"))
}

// cmdBranch makes a developer's branch out of the trunk.
//
//	branch NAME
func cmdBranch(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 1, "branch NAME")
	d := developer{ts, w}
	if d.isSVN() {
		d.run("", "svn", "copy", "-q", "-m", "a branch", "--username", "Ada", d.url()+"/trunk", d.url()+"/"+d.branch(args[0]))
	} else {
		d.run(w.path("begin"), "git", "fetch", "-q", w.path("repo"), "trunk")
		d.run(w.path("begin"), "git", "push", "-q", w.path("repo"), "FETCH_HEAD:refs/heads/"+d.branch(args[0]))
	}
	d.checkout(args[0])
	w.setenv(ts, strings.ToUpper(args[0]), d.branch(args[0]))
}

// cmdChange commits everything in a branch's working copy, behind what others have
// committed, and sets a variable to the changeset's name.
//
//	change VARIABLE BRANCH MESSAGE [AUTHOR]
func cmdChange(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 3 || len(args) == 4, "change VARIABLE BRANCH MESSAGE [AUTHOR]")
	author := "Ada"
	if len(args) == 4 {
		author = args[3]
	}
	d := developer{ts, w}
	dir := w.path("dev", args[1])
	message := filepath.Join(w.path("home"), "message")
	ts.Check(os.WriteFile(message, []byte(strings.ReplaceAll(args[2], `\n`, "\n")), 0o600))
	id := ""
	if d.isSVN() {
		d.run(dir, "svn", "add", "-q", "--force", ".")
		for line := range strings.Lines(d.run(dir, "svn", "status")) {
			if name, gone := strings.CutPrefix(line, "!       "); gone {
				d.run(dir, "svn", "delete", "-q", "--force", strings.TrimSpace(name)+"@")
			}
		}
		d.run(dir, "svn", "update", "-q") // it would bring back what is missing and not deleted
		d.run(dir, "svn", "commit", "-q", "-F", message, "--encoding", "UTF-8", "--username", author)
		d.run(dir, "svn", "update", "-q")
		id = "r" + strings.TrimSpace(d.run(dir, "svn", "info", "--show-item", "last-changed-revision"))
	} else {
		d.run(dir, "git", "add", "-A")
		d.run(dir, "git", "-c", "user.name="+author, "-c", "user.email="+strings.ToLower(strings.Fields(author)[0])+"@example.com", "commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", message)
		d.run(dir, "git", "pull", "-q", "--rebase=merges")
		d.run(dir, "git", "push", "-q")
		id = strings.TrimSpace(d.run(dir, "git", "rev-parse", "HEAD"))
	}
	w.setenv(ts, args[0], id)
	// As people write it.
	if len(id) > 10 {
		id = id[:10]
	}
	w.setenv(ts, args[0]+"_", id)
}

// cmdUpdate brings a working copy up to date.
//
//	update BRANCH
func cmdUpdate(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 1, "update BRANCH")
	d := developer{ts, w}
	if d.isSVN() {
		d.run(w.path("dev", args[0]), "svn", "update", "-q")
	} else {
		d.run(w.path("dev", args[0]), "git", "pull", "-q", "--ff-only")
	}
}

// cmdBring merges a changeset by hand into a branch's working copy, which is not
// committed: change does that.
//
//	bring CHANGESET FROM INTO
func cmdBring(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 3, "bring CHANGESET FROM INTO")
	d := developer{ts, w}
	dir := w.path("dev", args[2])
	if d.isSVN() {
		d.run(dir, "svn", "update", "-q")
		d.run(dir, "svn", "merge", "-q", "--non-interactive", "-c", strings.TrimPrefix(args[0], "r"), d.url()+"/"+d.branch(args[1]), ".")
	} else {
		d.run(dir, "git", "pull", "-q", "--rebase=merges")
		d.run(dir, "git", "fetch", "-q", "origin")
		d.run(dir, "git", "cherry-pick", "-n", args[0])
	}
}

// developer writes to the repository as people do: with the real commands.
type developer struct {
	ts *testscript.TestScript
	w  *world
}

func (d developer) isSVN() bool { return d.ts.Getenv("VCS") == "svn" }

func (d developer) url() string {
	if d.isSVN() {
		return "file://" + d.w.path("repo")
	}
	return d.w.path("repo")
}

// site writes what the script has not written of the site.
func (d developer) site() {
	vcs := "git"
	if d.isSVN() {
		vcs = "svn"
	}
	text := fmt.Sprintf(deskSite, vcs, d.branch("production"), d.branch("*"))
	if _, err := os.Stat(d.w.path("site", "keys", "deploy")); err == nil {
		text += "ssh: {key_file: keys/deploy, known_hosts: known_hosts}\n"
	}
	d.ts.Check(os.MkdirAll(d.w.path("site", "nodes"), 0o755))
	for file, text := range map[string]string{
		"rollcall.yaml": text, "nodes/production": "[app]\napp1 dir=nowhere\n", "nodes/staging": "[app]\nstage1 dir=nowhere\n",
	} {
		file = d.w.path("site", file)
		have, err := os.ReadFile(file)
		if err == nil && string(have) != plainSite {
			continue
		}
		d.ts.Check(os.WriteFile(file, []byte(text), 0o644))
	}
}

// deskSite is a site with a desk: its version control, production branch and developers'
// branches are filled in.
const deskSite = `code:
  www:
    %s: ../repo
    trunk: trunk
    production: %s
    branches: %s
    checks:
      - name: php syntax
        files: ["*.php"]
        run: php -n -l {file}
environments:
  staging: {code: www, from: candidate, to: "/{dir}/srv"}
  production: {code: www, to: "/{dir}/srv"}
`

// branch is what a branch is called in the repository.
func (d developer) branch(name string) string {
	switch {
	case name == "trunk":
		return name
	case d.isSVN() && name == "production":
		return "branches/production"
	case d.isSVN():
		return "branches/dev-" + name
	case name == "production":
		return name
	}
	return "dev/" + name
}

func (d developer) checkout(name string) {
	dir := d.w.path("dev", name)
	if d.isSVN() {
		d.run("", "svn", "checkout", "-q", d.url()+"/"+d.branch(name), dir)
		return
	}
	d.run("", "git", "clone", "-q", "-b", d.branch(name), d.w.path("repo"), dir)
}

func (d developer) run(dir, program string, args ...string) string {
	c := exec.Command(program, args...)
	c.Dir = dir
	// svn waits after every command for the clock to move on, unless it is told not to.
	c.Env = append(d.w.environ(d.ts), "LC_ALL=C.UTF-8", "SVN_I_LOVE_CORRUPTED_WORKING_COPIES_SO_DISABLE_SLEEP_FOR_TIMESTAMPS=yes")
	out, err := c.CombinedOutput()
	if err != nil {
		d.ts.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// deskConditions tell which version control a script of the desk runs with.
func deskCondition(vcs, name string) (bool, error) {
	switch name {
	case "git", "svn":
		return vcs == name, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}
