// Command checks measures the checks of files beside the shell that a person would write.
//
// It makes a git repository of PHP files that look like a site's, the same ones at every
// time, and measures in one run, on the same processors and with everything in the page
// cache:
//
//   - shell: find | xargs -P$(nproc) -n1 php -n -l, over the files laid out finished;
//   - cold: our check of the tree, nothing known, from the opening of the state on;
//   - warm: the same again, opened anew;
//   - edit: again, with three files changed.
//
// Shell and cold are run in turn, several times; the median counts. They read the files
// from the repository, look for conflict markers and keep what they found, which the shell
// does not.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/check"
	"github.com/rollcall-dev/rollcall/internal/vcs/git"
)

// The goals.
const (
	coldGoal = 1.2                    // times the shell
	warmGoal = 200 * time.Millisecond // for a whole command
)

func main() {
	files := flag.Int("files", 1500, "how many PHP files")
	runs := flag.Int("runs", 3, "how often each is measured; the median counts")
	strict := flag.Bool("strict", false, "exit 1 if a goal is missed")
	flag.Parse()
	met, err := measure(context.Background(), *files, max(*runs, 1))
	if err != nil {
		fmt.Fprintln(os.Stderr, "checks:", err)
		os.Exit(1)
	}
	if *strict && !met {
		os.Exit(1)
	}
}

func measure(ctx context.Context, files, runs int) (met bool, err error) {
	dir, err := os.MkdirTemp("", "bench-checks-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	m, err := makeMaterial(ctx, dir, files)
	if err != nil {
		return false, err
	}
	var shell, cold, warm, edit []sample
	for i := range runs {
		state := filepath.Join(dir, fmt.Sprintf("state-%d", i))
		for _, one := range []struct {
			into *[]sample
			do   func() error
		}{
			{&shell, func() error { return lintByShell(ctx, m.laid) }},
			{&cold, func() error { return m.check(ctx, state, m.first, files) }},
			{&warm, func() error { return m.check(ctx, state, m.first, 0) }},
			{&edit, func() error { return m.check(ctx, state, m.second, changedFiles) }},
		} {
			begun, used := time.Now(), processors()
			if err := one.do(); err != nil {
				return false, err
			}
			*one.into = append(*one.into, sample{time.Since(begun), processors() - used})
		}
	}
	wall := func(s sample) time.Duration { return s.wall }
	ratio := float64(median(cold, wall)) / float64(median(shell, wall))
	used := float64(median(cold, cpu)) / float64(median(shell, cpu))
	fmt.Printf("%d PHP files, %d processors, %s, medians of %d\n", files, runtime.GOMAXPROCS(0), phpVersion(ctx), runs)
	row("find | xargs php -l", shell, "")
	row("cold", cold, fmt.Sprintf("%.2f × the shell, goal %.2f; %.2f × its CPU", ratio, coldGoal, used))
	row("warm", warm, fmt.Sprintf("goal %v", warmGoal))
	row("3 files edited", edit, "")
	return ratio <= coldGoal && median(warm, wall) <= warmGoal, commandRow(ctx)
}

// sample is one run. CPU tells more than time where others use the processors too.
type sample struct{ wall, cpu time.Duration }

func cpu(s sample) time.Duration { return s.cpu }

// processors is what this process and those that it has waited for have used.
func processors() (used time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			used += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return used
}

// commandRow is the place for the whole command, `rollcall check CODE --all` in a site
// with this repository, cold and warm.
func commandRow(context.Context) error { return nil }

func row(name string, all []sample, more string) {
	wall := func(s sample) time.Duration { return s.wall }
	var each []string
	for _, s := range all {
		each = append(each, fmt.Sprintf("%.3f", s.wall.Seconds()))
	}
	fmt.Printf("  %-20s %7.3fs  CPU %7.3fs  %s  (%s)\n", name, median(all, wall).Seconds(), median(all, cpu).Seconds(), more, strings.Join(each, " "))
}

func median(all []sample, of func(sample) time.Duration) time.Duration {
	var values []time.Duration
	for _, s := range all {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// check does what a command does, from the state on, and wants so many runs of php.
func (m *material) check(ctx context.Context, state, tree string, runs int) error {
	repo, err := git.Open(ctx, m.repository, "", func(string) {})
	if err != nil {
		return err
	}
	c, err := check.Open(ctx, state, m.repository)
	if err != nil {
		return err
	}
	defer c.Close()
	code := &rollcall.Code{Name: "www", Checks: []rollcall.Check{{
		Name: "php syntax", Files: []string{"*.php"},
		Run: rollcall.Command{Args: []string{"php", "-n", "-l", "{file}"}, Timeout: time.Minute},
	}}}
	report, err := c.Run(ctx, check.Request{Code: code, Repo: repo, Tree: tree, Base: m.first, All: true})
	if err != nil {
		return err
	}
	if ran := report.Checks[1].Ran; !report.Passed() || ran != runs {
		return fmt.Errorf("%d runs of php, not %d: %+v", ran, runs, report.Failures)
	}
	return nil
}

func lintByShell(ctx context.Context, dir string) error {
	c := exec.CommandContext(ctx, "sh", "-c", `find . -type f -name '*.php' -print0 | xargs -0 -P"$(nproc)" -n1 php -n -l >/dev/null`)
	c.Dir, c.Stderr = dir, os.Stderr
	return c.Run()
}

func phpVersion(ctx context.Context) string {
	out, _ := exec.CommandContext(ctx, "php", "-n", "-r", `echo "PHP ".PHP_VERSION;`).Output()
	return string(out)
}
