package main

import (
	"context"
	"fmt"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/demo"
)

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
	if err := w.fails(ctx, "merge www "+w.id(demo.Count)+" "+w.id(demo.Autumn), rollcall.KindConflict); err != nil {
		return err
	}
	return w.run(ctx, "merge www "+w.id(demo.Keep))
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
	if err := w.runAll(ctx, "commit www", "plan production", "roll production --yes"); err != nil {
		return err
	}
	w.printer.Note("visitors so far: %s", seen(w.load.Counts()))
	return nil
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
		return err
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
		"avail www --state backed-out")
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
	return fmt.Sprintf("%s, %s,\n  %s, %s made of two releases, %s",
		rollcall.Plural(c.Pages, "page", "pages"), rollcall.Plural(c.Assets, "asset", "assets"),
		rollcall.Plural(c.Errors, "error", "errors"), rollcall.Plural(c.Mixed, "page", "pages"), rollcall.Plural(c.Missing, "missing asset", "missing assets"))
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
