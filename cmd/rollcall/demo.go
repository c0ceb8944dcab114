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
	w.say("A fleet on loopback: cdn1 cdn2, app1 to app4 behind a balancer, and stage1 to\n"+
		"try things on. Each command is run where its rollcall.yaml is:\n%s", w.site)
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
	w.say("What is on the production branch goes to staging first, and then onto empty\n" +
		"nodes: the CDN before the pages that need it.")
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
	w.say("Two of these are to go live. One of them changes a line that a third one wrote,\n" +
		"and without that one it conflicts. The desk says so, and names what it needs.")
	return errors.Join(
		w.fails(ctx, "merge www "+w.id(demo.Count)+" "+w.id(demo.Autumn), rollcall.KindConflict),
		w.run(ctx, "merge www "+w.id(demo.Keep)),
	)
}

func (w *walk) promote(ctx context.Context) error {
	w.say("All three are on the desk, in the trunk's order, and pass the site's checks.\n" +
		"This candidate is tried on staging, while the public site stays as it is.")
	if err := w.run(ctx, "roll staging --yes"); err != nil {
		return err
	}
	if err := w.look(ctx, w.fleet.Staging.WebURL()+"/shop", w.fleet.PagesURL+"/shop"); err != nil {
		return err
	}
	w.say("It is good. Each changeset becomes a commit of the production branch, with its\n" +
		"author; and what was tried is what rolls, byte for byte.")
	err := w.runAll(ctx, "commit www", "plan production", "roll production --yes")
	w.printer.Note("visitors so far: %s", seen(w.load.Counts()))
	return err
}

func (w *walk) mishap(ctx context.Context) error {
	w.say("The next one goes the same way. Its files pass every check, and it works on\n" +
		"staging, because somebody made the database there that it asks for.")
	if err := w.runAll(ctx, "merge www "+w.id(demo.Warehouse), "roll staging --yes"); err != nil {
		return err
	}
	if err := w.look(ctx, w.fleet.Staging.WebURL()+"/about"); err != nil {
		return err
	}
	w.say("On the nodes of production nobody made it. Only they can tell, and they do: each\n" +
		"is asked for its health as soon as it is switched.")
	if err := w.run(ctx, "commit www"); err != nil {
		return err
	}
	if err := w.fails(ctx, "roll production --yes", rollcall.KindRolledBack); err != nil {
		return fmt.Errorf("the bad changeset was not caught: %w", err)
	}
	w.say("It got no further than the first app node. Everything is where it was, and on\n" +
		"hold, since the branch would bring it back:")
	if err := w.run(ctx, "status"); err != nil {
		return err
	}
	return w.look(ctx, w.fleet.PagesURL+"/about")
}

func (w *walk) backOut(ctx context.Context) error {
	w.say("So it is taken back there, and can be merged again once there is a database.")
	err := w.runAll(ctx, "back-out www "+w.id(demo.Warehouse), "commit www -m 'no such database yet'",
		"avail www --state backed-out", "unhold production")
	if err != nil {
		return err
	}
	w.say("What rolled, and whose it was:")
	return w.run(ctx, "log production")
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
		w.say("What the visitors saw in all that time: %s", seen(c))
	}
	if !c.Clean() {
		return rollcall.Errorf(rollcall.KindInternal, "a visitor saw something that nobody may see: %s", c.First)
	}
	w.say("With servers of your own:\n" +
		"  rollcall init                 writes rollcall.yaml and a nodes file\n" +
		"  rollcall validate             finds every mistake in them at once\n" +
		"  rollcall avail www            lists what could be merged\n" +
		"  rollcall plan production      shows what would happen\n" +
		"  rollcall roll production      does it")
	return nil
}

func seen(c demo.Counts) string {
	return fmt.Sprintf("%d pages, %d assets,\n  %d errors, %d pages made of two releases, %d missing assets",
		c.Pages, c.Assets, c.Errors, c.Mixed, c.Missing)
}

// play leaves the fleet open until Ctrl-C.
func (w *walk) play(ctx context.Context) {
	w.say("The fleet stays up until Ctrl-C. The public site is %s/,\n"+
		"staging %s/. In another terminal:\n"+
		"  cd %s%s\n"+
		"  rollcall avail www                 what is left on the trunk\n"+
		"  rollcall show www %s       one of these\n"+
		"  rollcall merge www all             then roll staging, commit, roll production\n"+
		"  rollcall rollback production       to what was live before\n"+
		"  git clone ../vcs/www.git ../work   change something, commit, push, merge it\n"+
		"  for n in ../nodes/app*; do mkdir $n/db/%s; done\n"+
		"                                     then merge %s again: now it will do\n"+
		"Or kill a roll in the middle, and rollcall resume production.",
		w.fleet.PagesURL, w.fleet.Staging.WebURL(), w.site, alias(), w.id(demo.Buttons), demo.Database, w.id(demo.Warehouse))
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
