package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The goals.
const (
	gitWarm    = time.Second
	gitCold    = 5 * time.Second
	svnWarm    = 2 * time.Second
	svnPredict = 200 * time.Millisecond // a changeset
	predicted  = 100                    // changesets that avail predicts
)

func measureGit(ctx context.Context, o options, work string) (bool, error) {
	dir, err := material(ctx, o, "git", o.git, makeGit)
	if err != nil {
		return false, err
	}
	s, err := newSite(work, o.rollcall, "git: "+dir+", trunk: main, production: production")
	if err != nil {
		return false, err
	}
	tips := map[string]string{}
	for _, name := range []string{"main", "production"} {
		out, err := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", name).Output()
		if err != nil {
			return false, err
		}
		tips[name] = strings.TrimSpace(string(out))
	}
	move := func(name, to string) error {
		return run(ctx, dir, "git", "update-ref", "refs/heads/"+name, to)
	}
	// A run that was broken off left them elsewhere.
	defer func() {
		for name, tip := range tips {
			_ = exec.Command("git", "-C", dir, "update-ref", "refs/heads/"+name, tip).Run()
		}
	}()
	first, cold := &row{name: "rollcall avail, first"}, &row{name: "rollcall avail, cold", goal: gitCold}
	warm, more := &row{name: "rollcall avail, warm", goal: gitWarm}, &row{name: "rollcall avail, one more on the trunk", goal: gitWarm}
	moved := &row{name: "rollcall avail, production moved on"}
	cherry, logged := &row{name: "git cherry"}, &row{name: "git log --cherry-pick"}
	for i := range o.runs {
		if i == 0 {
			err = s.steps(ctx, func() error { return s.forget("*") }, first)
		}
		if err == nil {
			err = s.steps(ctx, func() error { return s.forget("desks", "mirrors/*/rollcall") }, cold, warm, warm)
		}
		for _, one := range []struct {
			name string
			into *row
		}{{"main", more}, {"production", moved}} {
			if err == nil {
				err = move(one.name, tips[one.name]+"~1")
			}
			if err == nil {
				err = s.avail(ctx, nil)
			}
			if err == nil && one.name == "main" { // what it knows of that one goes
				err = s.forget("desks")
			}
			if err == nil {
				err = s.avail(ctx, nil)
			}
			if err == nil && one.name == "production" { // not of this tree
				err = s.forget("desks")
			}
			if err == nil {
				err = s.steps(ctx, func() error { return move(one.name, tips[one.name]) }, one.into)
			}
		}
		for _, peer := range []struct {
			into *row
			args []string
		}{
			{cherry, []string{"cherry", "production", "main"}},
			{logged, []string{"log", "--oneline", "--cherry-pick", "--right-only", "--no-merges", "production...main"}},
		} {
			if err == nil && len(peer.into.all) < 3 {
				var out []byte
				out, err = s.time(ctx, peer.into, "git", append([]string{"-C", dir}, peer.args...)...)
				peer.into.more = fmt.Sprintf("%d lines", strings.Count(string(out), "\n"))
			}
		}
		if err != nil {
			return false, err
		}
	}
	fmt.Printf("git: %d commits on the trunk, %d of them since production\n", o.git.trunk, o.git.since)
	return table([]*row{first, cold, warm, more, moved, cherry, logged}), nil
}

// steps does something and then runs rollcall avail for each row.
func (s *site) steps(ctx context.Context, before func() error, rows ...*row) error {
	if err := before(); err != nil {
		return err
	}
	for _, r := range rows {
		if err := s.avail(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func measureSVN(ctx context.Context, o options, work string) (bool, error) {
	dir, err := material(ctx, o, "svn", o.svn, makeSVN)
	if err != nil {
		return false, err
	}
	url, used, stop, err := serve(ctx, dir)
	if err != nil {
		return false, err
	}
	defer stop()
	s, err := newSite(work, o.rollcall, "svn: "+url+", trunk: trunk, production: branches/production")
	if err != nil {
		return false, err
	}
	s.serving = used
	first, cold := &row{name: "rollcall avail, first", per: 0}, &row{name: "rollcall avail, nothing predicted", goal: predicted * svnPredict, per: predicted}
	warm := &row{name: "rollcall avail, warm", goal: svnWarm}
	again := &row{name: "rollcall avail, predicted again", goal: predicted * svnPredict, per: predicted}
	eligible, merge := &row{name: "svn mergeinfo --show-revs=eligible"}, &row{name: "svnmerge.py avail"}
	copied := filepath.Join(work, "production")
	for i := range o.runs {
		if i == 0 {
			err = s.steps(ctx, func() error { return s.forget("*") }, first)
		}
		if err == nil { // whose lines it changes goes too
			err = s.steps(ctx, func() error { return s.forget("desks", "mirrors/*/facts.db*") }, cold, warm, warm)
		}
		if err == nil {
			err = s.steps(ctx, func() error { return s.forget("desks") }, again)
		}
		if err == nil {
			var out []byte
			out, err = s.time(ctx, eligible, "svn", "mergeinfo", "--show-revs", "eligible", url+"/trunk", url+"/branches/production")
			eligible.more = fmt.Sprintf("%d lines", strings.Count(string(out), "\n"))
		}
		if err == nil && o.svnmerge != "" {
			err = s.svnmerge(ctx, o, url, copied, merge)
		}
		if err != nil {
			return false, err
		}
	}
	fmt.Printf("svn: %d changesets on the trunk, %d of them since production\n", o.svn.trunk, o.svn.since)
	return table([]*row{first, cold, warm, again, eligible, merge}), nil
}

// svnmerge runs svnmerge.py avail in a working copy that has its own ledger too.
func (s *site) svnmerge(ctx context.Context, o options, url, copied string, into *row) error {
	if _, err := os.Stat(copied); err != nil {
		if err := run(ctx, "", "svn", "checkout", "-q", url+"/branches/production", copied); err != nil {
			return err
		}
		merged, err := exec.CommandContext(ctx, "svn", "propget", "--strict", "svn:mergeinfo", copied).Output()
		if err != nil {
			return err
		}
		begun := o.svn.trunk - o.svn.since + 1
		text := strings.TrimSpace(strings.Replace(string(merged), "/trunk:", fmt.Sprintf("/trunk:1-%d,", begun), 1))
		if err := run(ctx, "", "svn", "propset", "-q", "svnmerge-integrated", text, copied); err != nil {
			return err
		}
	}
	out, err := s.time(ctx, into, o.py, o.svnmerge, "avail", "--", copied)
	into.more = fmt.Sprintf("%d revisions", strings.Count(string(out), ",")+1)
	return err
}

// serve starts a svnserve for a repository, and tells what it has used.
func serve(ctx context.Context, dir string) (url string, used func() time.Duration, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	c := exec.CommandContext(ctx, "svnserve", "--daemon", "--foreground", "--root", dir, "--listen-host", "127.0.0.1", "--listen-port", fmt.Sprint(port))
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return "", nil, nil, err
	}
	stop = func() {
		_ = c.Process.Kill()
		_ = c.Wait() // killed
	}
	url = fmt.Sprintf("svn://127.0.0.1:%d", port)
	for range 100 {
		if err = run(ctx, "", "svn", "info", url); err == nil {
			return url, func() time.Duration { return usedBy(c.Process.Pid) }, stop, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return "", nil, nil, err
}

// usedBy is the CPU time of a process and of those that it has waited for, in the
// hundredths that Linux counts in.
func usedBy(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var all int64
	for _, text := range fields[11:15] {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0
		}
		all += n
	}
	return time.Duration(all) * 10 * time.Millisecond
}
