package main

import (
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/view"
)

// deskOptions are what the commands of a desk take.
type deskOptions struct {
	*global
	request rollcall.DeskRequest
	known   *rollcall.Site // as it was read
	dryRun  bool
}

func (o *deskOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.request.Desk, "desk", "", "which desk, where a code has several (default main)")
	c.Flags().BoolVar(&o.request.TakeOver, "take-over", false, "also where the desk is somebody else's; that is recorded")
	c.ValidArgsFunction = codeNames(o.global)
}

// quietly does something that tells how far it is only where it takes long. do prints
// nothing itself.
func (o *deskOptions) quietly(ctx context.Context, do func(context.Context, rollcall.Control) error) error {
	progress := o.printer().Checks()
	defer progress.Stop()
	o.request.Note, o.request.Progress = progress.Note, progress.Progress
	return o.with(ctx, func(ctx context.Context, control rollcall.Control) error {
		o.known = control.Site()
		return do(ctx, control)
	})
}

// do opens control, shows how far checks are, and shows what came of it all.
func (o *deskOptions) do(ctx context.Context, event string, do func(context.Context, rollcall.Control) (*rollcall.DeskOutcome, error), next func(*view.Printer, *rollcall.DeskOutcome)) error {
	printer := o.printer()
	var outcome *rollcall.DeskOutcome
	err := o.quietly(ctx, func(ctx context.Context, control rollcall.Control) error {
		var err error
		outcome, err = do(ctx, control)
		return err
	})
	if shown := printer.DeskOutcome(event, outcome); err == nil {
		err = shown
	}
	if err == nil && next != nil && outcome != nil {
		next(printer, outcome)
	}
	return err
}

// codeNames completes the names of codes.
func codeNames(g *global) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		control, err := g.control(c.Context())
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer control.Close()
		var names []string
		for name := range control.Site().Codes {
			names = append(names, name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// onlyCode is the name of the site's only code, for commands that may leave it out.
func onlyCode(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return ""
}

// tryNext names what is done with a candidate.
func (o *deskOptions) tryNext(printer *view.Printer, outcome *rollcall.DeskOutcome) {
	if o.dryRun || !outcome.Open() || !outcome.Clean() || outcome.Committed != nil {
		return
	}
	if staging := o.staging(outcome); staging != "" {
		printer.Note("next: rollcall roll %s, try it there, then %s", staging, outcome.Command("commit"))
		return
	}
	printer.Note("next: %s", outcome.Command("commit"))
}

// staging is an environment that what is on the desk is tried in.
func (o *deskOptions) staging(outcome *rollcall.DeskOutcome) string {
	for _, name := range slices.Sorted(maps.Keys(o.known.Environments)) {
		env := o.known.Environments[name]
		if env.From == rollcall.FromCandidate && env.Code.Name == outcome.Code && env.Desk == outcome.Desk {
			return name
		}
	}
	return ""
}

// rollNext names where what was committed rolls to, and says where that would be refused.
func (o *deskOptions) rollNext(printer *view.Printer, outcome *rollcall.DeskOutcome) {
	if outcome.Committed == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(o.known.Environments)) {
		env := o.known.Environments[name]
		if env.From != "" || env.Code.Name != outcome.Code || env.Code.Production != outcome.Target {
			continue
		}
		if len(outcome.Staged) == 0 && slices.Contains(env.Require, rollcall.RequireStaged) {
			way := ""
			if staging := o.staging(outcome); staging != "" {
				way = "; rollcall roll " + staging + " tries it"
			}
			printer.Note("! it was not tried: %s will not take it so%s", name, way)
		}
		printer.Note("next: rollcall plan %s", name)
	}
}

func newDesk(g *global) *cobra.Command {
	c := &cobra.Command{
		Use: "desk [CODE]", Short: "Tell what is on the desks, and whose it is",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: codeNames(g),
		RunE: func(c *cobra.Command, args []string) error {
			return g.with(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				all, err := control.DeskStates(ctx, onlyCode(args))
				if err != nil {
					return err
				}
				return g.printer().Desks(all)
			})
		},
	}
	c.AddCommand(newDeskImport(g), newDeskForget(g))
	return c
}
