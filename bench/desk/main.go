// Command desk measures what rollcall avail costs on long histories, beside what people
// ask today, in one run.
//
// It makes a git repository and a Subversion one, the same ones at every time: some 2,000
// files; a trunk where most changesets edit a few lines, some files more often than
// others, and many go on with what one before has begun; a production branch with most of
// it promoted, out of order, and hotfixes of its own. Subversion is asked over svn://, from
// a svnserve on this machine.
//
// Each row is a whole command, from its start to its end, with the processes below it:
//
//   - first: nothing is there, so it copies the repository or reads its log;
//   - cold: the mirror is there, and nothing that was found out from it;
//   - warm: nothing has happened since;
//   - one more on the trunk: a changeset was pushed since;
//   - production moved on: a promotion was committed since, so that everything is
//     predicted anew;
//   - the peers: git cherry, git log --cherry-pick, svn mergeinfo --show-revs=eligible and
//     svnmerge.py avail, which know no needs and no conflicts.
//
// Everything is in the page cache. A row's figure is the median of its runs.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

// options are the command line.
type options struct {
	runs         int
	only         string
	dir          string
	rollcall     string
	svnmerge, py string
	strict       bool
	git, svn     size
}

func parseOptions() (options, error) {
	o := options{
		git: size{since: 5000, eligible: 1000, files: 2000, batch: 1},
		svn: size{since: 3000, eligible: 300, files: 2000, batch: 3},
	}
	flag.IntVar(&o.runs, "runs", 3, "how often each is measured; the median counts")
	flag.StringVar(&o.only, "only", "", "git or svn")
	flag.StringVar(&o.dir, "dir", "", "where the repositories are made, and stay for the next run (default: a new folder that goes at the end)")
	flag.StringVar(&o.rollcall, "rollcall", "", "measure this `program`, and not what is built here")
	flag.StringVar(&o.svnmerge, "svnmerge", "", "measure this svnmerge.py too (`path`; it was in Subversion's contrib/client-side)")
	flag.StringVar(&o.py, "python2", "python2", "the `program` that svnmerge.py runs with")
	flag.BoolVar(&o.strict, "strict", false, "exit 1 if a goal is missed")
	flag.IntVar(&o.git.trunk, "commits", 50000, "how many commits the git trunk has; at least 6000")
	flag.IntVar(&o.svn.trunk, "revisions", 8980, "how many revisions the Subversion trunk has; at least 4000 (production adds some 1,000)")
	flag.Parse()
	if o.runs < 1 || o.git.trunk < 6000 || o.svn.trunk < 4000 || flag.NArg() > 0 || o.only != "" && o.only != "git" && o.only != "svn" {
		return o, fmt.Errorf("see -h")
	}
	return o, nil
}

func main() {
	o, err := parseOptions()
	if err != nil {
		fmt.Fprintln(os.Stderr, "desk:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	met, err := measure(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "desk:", err)
		os.Exit(1)
	}
	if o.strict && !met {
		os.Exit(1)
	}
}

func measure(ctx context.Context, o options) (met bool, err error) {
	work, err := os.MkdirTemp("", "bench-desk-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(work)
	if o.dir == "" {
		o.dir = work
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return false, err
	}
	if o.rollcall == "" {
		o.rollcall = filepath.Join(work, "rollcall")
		if err := run(ctx, "", "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", o.rollcall, "./cmd/rollcall"); err != nil {
			return false, err
		}
	}
	fmt.Printf("%d processors, load %s, medians of %d\n", runtime.GOMAXPROCS(0), load(), o.runs)
	met = true
	for _, part := range []struct {
		name string
		do   func(context.Context, options, string) (bool, error)
	}{{"git", measureGit}, {"svn", measureSVN}} {
		if o.only != "" && o.only != part.name {
			continue
		}
		ok, err := part.do(ctx, o, filepath.Join(work, part.name))
		if err != nil {
			return false, err
		}
		met = met && ok
	}
	fmt.Printf("load at the end %s\n", load())
	return met, nil
}

// material makes a repository once, and gives where it is.
func material(ctx context.Context, o options, kind string, z size, makeIt func(context.Context, string, size) error) (string, error) {
	dir := filepath.Join(o.dir, fmt.Sprintf("%s-%d-%d-%d-%d", kind, z.trunk, z.since, z.eligible, z.files))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return "", err
	}
	fmt.Printf("making %s\n", filepath.Base(dir))
	tmp := dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	if err := makeIt(ctx, tmp, z); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, dir)
}
