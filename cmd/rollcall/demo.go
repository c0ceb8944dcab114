package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/demo"
	"github.com/rollcall-dev/rollcall/internal/site"
	"github.com/rollcall-dev/rollcall/internal/view"
)

func newDemo(g *global) *cobra.Command {
	var once bool
	c := &cobra.Command{
		Use: "demo", Short: "Show a change go from trunk to a whole fleet, on this machine, in under a minute",
		Long: "Starts two CDN nodes, four app nodes and a staging node on loopback, each with its own\n" +
			"ssh server and web server, a balancer, a git repository with a trunk and a production\n" +
			"branch, and visitors who ask for pages all the time. Changesets are merged, checked,\n" +
			"tried on staging, committed and rolled; then comes a bad one. It needs git. Everything\n" +
			"lives in a temporary folder and is gone after.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := g.untilStopped(c.Context())
			defer cancel()
			return runDemo(ctx, g, once)
		},
	}
	c.Flags().BoolVar(&once, "once", false, "end after the walk instead of leaving the fleet open to play with")
	return c
}

// walk is a demo under way.
type walk struct {
	global
	printer *view.Printer
	fleet   *demo.Fleet
	story   *demo.Story
	load    *demo.Load
}

func runDemo(ctx context.Context, g *global, once bool) error {
	// A terminal that is closed ends it too, with all that it made.
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer cancel()
	dir, err := os.MkdirTemp("", "rollcall-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// The site of the demo keeps its state in itself.
	if err := os.Unsetenv("ROLLCALL_STATE"); err != nil {
		return err
	}
	// The fleet outlives the first Ctrl-C: a roll that is under way needs it to its end.
	fleet, err := demo.Start(context.WithoutCancel(ctx), dir)
	if err != nil {
		return err
	}
	defer fleet.Close()
	w := &walk{global: *g, printer: g.printer(), fleet: fleet}
	w.site = filepath.Join(dir, "site")
	err = w.tell(ctx)
	if w.load != nil {
		w.load.Stop()
	}
	if err != nil {
		return err
	}
	if !once {
		w.play(ctx)
	}
	return nil
}

// alias is how to call this binary by its name, where the shell would not find it.
func alias() string {
	own, err := os.Executable()
	if err != nil {
		return ""
	}
	if found, err := exec.LookPath("rollcall"); err == nil && found == own {
		return ""
	}
	return "\n  alias rollcall=" + own
}

func (w *walk) say(format string, args ...any) {
	w.printer.Note("\n"+format, args...)
}

// id is how a changeset of the story is named.
func (w *walk) id(name string) string { return rollcall.ShortRevision(w.story.Changeset(name).Commit) }

// look asks for pages as a person would, and tells what came.
func (w *walk) look(ctx context.Context, urls ...string) error {
	for _, url := range urls {
		seen, err := demo.Look(ctx, url)
		if err != nil {
			return err
		}
		w.printer.Note("GET %s: %d from %s, build %s", url, seen.Status, seen.Node, seen.Stamp)
		if seen.Status != http.StatusOK {
			return rollcall.Errorf(rollcall.KindInternal, "%s should have been a page", url)
		}
	}
	return nil
}

// runAll runs one command after the other.
func (w *walk) runAll(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		if err := w.run(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

// fails runs a command that is to end with an error of a kind, and shows it as it would end.
func (w *walk) fails(ctx context.Context, line string, kind rollcall.Kind) error {
	err := w.run(ctx, line)
	if err == nil {
		return rollcall.Errorf(rollcall.KindInternal, "%s should have been refused", line)
	}
	if rollcall.KindOf(err) != kind {
		return err
	}
	w.printer.Error(err)
	w.printer.Note("(exit code %d)", rollcall.ExitCode(err))
	return nil
}

// run prints a command as it would be typed, and runs it in this process. A Ctrl-C is the
// command's own affair, and the story ends behind it.
func (w *walk) run(ctx context.Context, line string) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	w.printer.Note("$ rollcall %s", line)
	args, err := site.SplitWords(line)
	if err != nil {
		return err
	}
	args = append([]string{"--site", w.site}, args...)
	if w.json {
		args = append(args, "--json")
	}
	if w.plain {
		args = append(args, "--plain")
	}
	g := w.global
	root := newRoot(&g)
	root.SetArgs(args)
	err = root.ExecuteContext(context.WithoutCancel(ctx))
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
