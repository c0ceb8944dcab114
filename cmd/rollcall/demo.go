package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/demo"
	"github.com/rollcall-dev/rollcall/internal/site"
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

// tell is the story, from top to bottom.
func (w *walk) tell(ctx context.Context) error {
	w.say("A fleet on loopback: cdn1 cdn2, and app1 to app4 behind a balancer at\n%s, with stage1 beside them for staging. Its site is\n%s:\nevery command is run there.", w.fleet.PagesURL, w.site)
	var err error
	if w.story, err = demo.WriteStory(ctx, w.fleet.Dir); err != nil {
		return err
	}
	if err := w.writeSite(); err != nil {
		return err
	}
	for _, chapter := range []func(context.Context) error{
		w.open,    // staging, then empty nodes
		w.merge,   // what needs another, with it
		w.promote, // staging, commit, production
		w.mishap,  // what only the nodes can tell
		w.backOut, // of what was rolled back
	} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return w.verdict()
}

// open brings the production branch onto empty nodes, and lets the visitors in.
func (w *walk) open(ctx context.Context) error {
	w.say("What is on the production branch goes to staging first, and then onto empty\nnodes: the CDN before the pages that need it.")
	if err := w.runAll(ctx, "roll staging --yes", "roll production --yes"); err != nil {
		return err
	}
	if err := w.fleet.WaitInService(ctx); err != nil {
		return err
	}
	w.say("From now on visitors ask for pages, and for every asset that a page names.")
	w.load = demo.StartLoad(context.WithoutCancel(ctx), w.fleet)
	return nil
}

func (w *walk) merge(ctx context.Context) error {
	w.say("Five developers work on the trunk. What is there, and not in production?")
	if err := w.run(ctx, "avail www"); err != nil {
		return err
	}
	w.say("Two of these are to go live. One changes what another one wrote: merged without\nit, that would be a conflict. The desk says so, and what it needs.")
	return errors.Join(
		w.fails(ctx, "merge www "+w.id(demo.Count)+" "+w.id(demo.Autumn), rollcall.KindConflict),
		w.run(ctx, "merge www "+w.id(demo.Keep)),
	)
}

func (w *walk) promote(ctx context.Context) error {
	w.say("They are on the desk in the trunk's order, and pass the site's checks. This\ncandidate is tried on staging; the public site stays as it is.")
	if err := w.run(ctx, "roll staging --yes"); err != nil {
		return err
	}
	if err := w.look(ctx, w.fleet.Staging.WebURL()+"/shop", w.fleet.PagesURL+"/shop"); err != nil {
		return err
	}
	w.say("It is good. Each changeset becomes a commit of the production branch, with its\nauthor; and what was tried, byte for byte, is what rolls.")
	return w.runAll(ctx, "commit www", "plan production", "roll production --yes")
}

func (w *walk) mishap(ctx context.Context) error {
	w.say("The next one goes the same way. Every file of it is right, and it works on\nstaging, where somebody made the database that it asks for.")
	if err := w.runAll(ctx, "merge www "+w.id(demo.Warehouse), "roll staging --yes"); err != nil {
		return err
	}
	if err := w.look(ctx, w.fleet.Staging.WebURL()+"/about"); err != nil {
		return err
	}
	w.say("Nobody made that database in production. Only the nodes can tell, and do.")
	if err := w.run(ctx, "commit www"); err != nil {
		return err
	}
	if err := w.fails(ctx, "roll production --yes", rollcall.KindRolledBack); err != nil {
		return fmt.Errorf("the bad changeset was not caught: %w", err)
	}
	w.say("It got no further than the first app node. All are where they were, and on hold.")
	return w.look(ctx, w.fleet.PagesURL+"/about")
}

func (w *walk) backOut(ctx context.Context) error {
	w.say("It is still on the production branch. It is taken back there, until there is a\ndatabase.")
	return w.runAll(ctx, "back-out www "+w.id(demo.Warehouse), "commit www -m 'no database yet'",
		"avail www --state backed-out", "status", "log")
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
		"  rollcall init                 writes rollcall.yaml and a nodes file\n" +
		"  rollcall validate             finds every mistake in them at once\n" +
		"  rollcall avail                shows what could be merged\n" +
		"  rollcall plan production      shows what would happen\n" +
		"  rollcall roll production      does it")
	return nil
}

// play leaves the fleet open until Ctrl-C.
func (w *walk) play(ctx context.Context) {
	w.say("The fleet stays up until Ctrl-C. Look at %s/ in a browser, and\n"+
		"in another terminal:\n"+
		"  cd %s%s\n"+
		"  rollcall avail                     what is left on the trunk\n"+
		"  rollcall show www %s       one of it\n"+
		"  rollcall merge www all             and roll staging, commit, roll production\n"+
		"  rollcall rollback production       what was live before\n"+
		"  for n in ../nodes/app*; do mkdir $n/db/%s; done\n"+
		"                                     and merge %s again: it will do\n"+
		"  git clone %s ../work\n"+
		"                                     change something, commit, push to %s\n"+
		"Or kill a roll in the middle: rollcall resume production.",
		w.fleet.PagesURL, w.site, alias(), w.id("buttons"), "warehouse", w.id(demo.Warehouse), "../vcs/www.git", demo.Trunk)
	<-ctx.Done()
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
	if err == nil || rollcall.KindOf(err) != kind {
		return fmt.Errorf("%s: %w", line, err)
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

func (w *walk) writeSite() error {
	nodes := nodesOf(demo.TierCDN, w.fleet.Tier(demo.TierCDN)) + "\n" + nodesOf(demo.TierApp, w.fleet.Tier(demo.TierApp))
	text := fmt.Sprintf(`code:
  www:
    git: %s
    trunk: %s
    production: %s
    build: %s            # names assets by their content
    checks:
      - name: page format
        files: ["pages/*.html"]
        sh: |
          head -n 1 "$ROLLCALL_FILE" | grep -q '^<main' || { echo "does not begin with <main"; exit 1; }
          tail -n 1 "$ROLLCALL_FILE" | grep -q '^</main>$' || { echo "does not end with </main>"; exit 1; }
      - name: settings
        files: ["config/*.conf"]
        sh: |
          ! grep -nEv '^(#.*|[a-z]+ = .+)?$' "$ROLLCALL_FILE"

environments:
  staging:
    from: candidate                 # what is on the desk
    nodes: nodes/staging
    to: %[5]s/nodes/{name}/srv/www
    tiers:
      web:
        verify: [{http: "http://{address}:{web}/health", within: 2s}]
  production:
    nodes: nodes/production
    to: %[5]s/nodes/{name}/srv/www
    tiers:
      cdn:
        keep_old_files: {files: [assets/, img/], for: 1h}
        verify: [{http: "http://{address}:{web}/health", within: 2s}]
      app:
        batch: [1, 50%%]
        verify: [{http: "http://{address}:{web}/health", within: 2s}]
        soak: 800ms # only so that there is something to watch

ssh: {user: %[6]s, key_file: keys/deploy, known_hosts: %[7]s}
`, w.story.Repository, demo.Trunk, demo.Production, demo.BuildCommand, w.fleet.Dir, demo.User, filepath.Base(w.fleet.KnownHosts))
	if err := os.MkdirAll(filepath.Join(w.site, "nodes"), 0o755); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"nodes/production": nodes,
		"nodes/staging":    nodesOf(w.fleet.Staging.Tier, []*demo.Node{w.fleet.Staging}),
		"rollcall.yaml":    text,
	} {
		if err := os.WriteFile(filepath.Join(w.site, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// nodesOf is a section of a nodes file.
func nodesOf(tier string, nodes []*demo.Node) string {
	text := "[" + tier + "]\n"
	for _, n := range nodes {
		text += fmt.Sprintf("%s  ansible_host=127.0.0.1 port=%d web=%d\n", n.Name, n.SSHPort, n.WebPort)
	}
	return text
}
