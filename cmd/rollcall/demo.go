package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/demo"
	"github.com/rollcall-dev/rollcall/internal/view"
)

func newDemo(g *global) *cobra.Command {
	var once bool
	c := &cobra.Command{
		Use: "demo", Short: "Show a whole fleet being rolled, on this machine, in under a minute",
		Long: "Starts two CDN nodes and four app nodes on loopback, each with its own ssh server and\n" +
			"web server, a balancer, a git repository with a story in it, and visitors who ask for\n" +
			"pages all the time. Everything lives in a temporary folder and is gone after.",
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
	dir, err := os.MkdirTemp("", "rollcall-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// The fleet outlives the first Ctrl-C: a roll that is under way needs it to its end.
	fleet, err := demo.Start(context.WithoutCancel(ctx), dir)
	if err != nil {
		return err
	}
	defer fleet.Close()
	w := &walk{global: *g, printer: g.printer(), fleet: fleet}
	w.site, w.state, w.yes = filepath.Join(dir, "site"), "", true
	if err := w.tell(ctx); err != nil {
		return err
	}
	if !once {
		w.play(ctx)
	}
	return nil
}

// tell is the story, from top to bottom.
func (w *walk) tell(ctx context.Context) error {
	w.say("A fleet on loopback: cdn1 cdn2, and app1 to app4 behind a balancer at %s", w.fleet.PagesURL)
	var err error
	if w.story, err = demo.WriteStory(ctx, w.fleet.Dir); err != nil {
		return err
	}
	if err := w.writeSite(); err != nil {
		return err
	}
	w.say("The first release goes onto empty nodes: the CDN before the pages that need it.")
	if err := w.roll(ctx); err != nil {
		return err
	}
	if err := w.fleet.WaitInService(ctx); err != nil {
		return err
	}
	w.say("From now on visitors ask for pages, and for every asset that a page names.")
	w.load = demo.StartLoad(context.WithoutCancel(ctx), w.fleet)
	defer w.load.Stop()

	w.say("Three developers' changes are on the production branch. What would roll?")
	if err := w.push(ctx, "set2"); err != nil {
		return err
	}
	if err := w.plan(ctx); err != nil {
		return err
	}
	if err := w.roll(ctx); err != nil {
		return err
	}
	w.say("More changes: new styles and scripts under new names, while pages of before are still being read.")
	if err := w.push(ctx, "set3"); err != nil {
		return err
	}
	if err := w.roll(ctx); err != nil {
		return err
	}
	w.say("Now a bad one: a slip in a configuration file that no syntax check sees.")
	if err := w.push(ctx, "bad"); err != nil {
		return err
	}
	if err := w.roll(ctx); rollcall.KindOf(err) != rollcall.KindRolledBack {
		return fmt.Errorf("the bad changeset was not caught: %w", err)
	}
	w.say("It got no further than the first app node. Everything is where it was, and on hold:")
	if err := w.run(ctx, "status"); err != nil {
		return err
	}
	w.say("Its author mends it.")
	if err := w.push(ctx, "fix"); err != nil {
		return err
	}
	if err := w.roll(ctx, "rolled-back"); err != nil {
		return err
	}
	w.say("What went live, and whose it was:")
	if err := w.run(ctx, "log"); err != nil {
		return err
	}
	return w.verdict()
}

// verdict tells what the visitors saw.
func (w *walk) verdict() error {
	c := w.load.Stop()
	if w.json {
		err := w.printer.Object(map[string]any{
			"event": "demo.finished", "pages": c.Pages, "assets": c.Assets, "errors": c.Errors, "mixed": c.Mixed, "missing": c.Missing,
		})
		if err != nil {
			return err
		}
	} else {
		w.say("Meanwhile the visitors asked for %d pages and %d assets: %d errors, %d pages made of two releases, %d missing assets.",
			c.Pages, c.Assets, c.Errors, c.Mixed, c.Missing)
	}
	if !c.Clean() {
		return rollcall.Errorf(rollcall.KindInternal, "a visitor saw something that nobody may see: %s", c.First)
	}
	w.say("With servers of your own:\n" +
		"  rollcall init                   writes rollcall.yaml and a nodes file\n" +
		"  rollcall validate               finds every mistake in them at once\n" +
		"  rollcall plan production        shows what would happen\n" +
		"  rollcall roll production        does it")
	return nil
}

// play leaves the fleet open until Ctrl-C.
func (w *walk) play(ctx context.Context) {
	work := filepath.Join(w.fleet.Dir, "work")
	w.say("The fleet stays up until Ctrl-C. Look at %s/ in a browser, and in another terminal:\n"+
		"  git clone -b %s %s %s\n"+
		"  (change something, commit, push)\n"+
		"  rollcall --site %s roll production\n"+
		"  rollcall --site %s rollback production\n"+
		"Or kill a roll in the middle and roll again.", w.fleet.PagesURL, demo.Branch, w.story.Repository, work, w.site, w.site)
	<-ctx.Done()
}

func (w *walk) say(format string, args ...any) {
	w.printer.Note("\n"+format, args...)
}

func (w *walk) push(ctx context.Context, name string) error {
	for i, p := range w.story.Pushes {
		if p.Name == name {
			return w.story.Push(ctx, i)
		}
	}
	return fmt.Errorf("the story has no push %q", name)
}

// shown prints a command as it would be typed.
func (w *walk) shown(line string) { w.printer.Note("$ rollcall %s", line) }

func (w *walk) roll(ctx context.Context, risks ...string) error {
	line := "roll production"
	if len(risks) > 0 {
		line += " --accept-risk=" + strings.Join(risks, ",")
	}
	w.shown(line)
	o := &rollOptions{global: &w.global, request: rollcall.RollRequest{Environment: "production", AcceptRisk: risks}}
	err := o.run(context.WithoutCancel(ctx))
	if err != nil && rollcall.KindOf(err) == rollcall.KindRolledBack {
		w.printer.Note("(exit code %d)", rollcall.ExitCode(err))
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (w *walk) plan(ctx context.Context) error { return w.run(ctx, "plan", "production") }

// run runs a command in this process, as it would be typed.
func (w *walk) run(ctx context.Context, args ...string) error {
	w.shown(strings.Join(args, " "))
	g := w.global
	root := newRoot(&g)
	line := append([]string{"--site", w.site}, args...)
	if w.json {
		line = append(line, "--json")
	}
	if w.plain {
		line = append(line, "--plain")
	}
	root.SetArgs(line)
	return root.ExecuteContext(ctx)
}

func (w *walk) writeSite() error {
	var nodes strings.Builder
	for _, tier := range []string{demo.TierCDN, demo.TierApp} {
		fmt.Fprintf(&nodes, "[%s]\n", tier)
		for _, n := range w.fleet.Tier(tier) {
			fmt.Fprintf(&nodes, "%s  ansible_host=127.0.0.1 port=%d web=%d\n", n.Name, n.SSHPort, n.WebPort)
		}
		nodes.WriteString("\n")
	}
	site := fmt.Sprintf(`code:
  www: {git: %s, production: %s}

environments:
  production:
    nodes: nodes/production
    to: %s/nodes/{name}/srv/www
    tiers:
      cdn:
        keep_old_files: {files: [assets/, img/], for: 1h}
        verify: [{http: "http://{address}:{web}/health", within: 2s}]
      app:
        batch: [1, 50%%]
        verify: [{http: "http://{address}:{web}/health", within: 2s}]
        soak: 800ms # only so that there is something to watch

ssh: {user: %s, key_file: keys/deploy, known_hosts: %s}
`, w.story.Repository, demo.Branch, w.fleet.Dir, demo.User, filepath.Base(w.fleet.KnownHosts))
	if err := os.MkdirAll(filepath.Join(w.site, "nodes"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.site, "nodes", "production"), []byte(nodes.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.site, "rollcall.yaml"), []byte(site), 0o644)
}
