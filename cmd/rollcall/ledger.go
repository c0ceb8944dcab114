package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
)

// newMark makes the commands that write the ledger.
func newMark(g *global, verb, short string, kind rollcall.MarkKind) *cobra.Command {
	o := &deskOptions{global: g}
	request := rollcall.MarkRequest{Kind: kind}
	c := &cobra.Command{
		Use: verb + " CODE CHANGESET... --why TEXT", Short: short,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			var marked []rollcall.Standee
			err := o.quietly(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				o.request.Code = args[0]
				request.DeskRequest, request.Changesets = o.request, args[1:]
				var err error
				marked, err = control.MarkChangesets(ctx, request)
				return err
			})
			printer := g.printer()
			for _, one := range marked {
				switch {
				case err != nil:
				case g.json:
					err = printer.Object(one)
				default:
					printer.Line("%sed %s: %s", verb, one.Short(), one.Subject)
				}
			}
			if err == nil && kind == rollcall.MarkForgotten && !g.json {
				printer.Line("what the ledger said of %s does not count any more", strings.Join(args[1:], ", "))
			}
			return err
		},
	}
	o.flags(c)
	c.Flags().StringVar(&request.Why, "why", "", "the reason")
	return c
}

func newBlock(g *global) *cobra.Command {
	return newMark(g, "block", "Never offer a changeset", rollcall.MarkBlocked)
}

func newUnblock(g *global) *cobra.Command {
	return newMark(g, "unblock", "Offer a blocked changeset again", rollcall.MarkUnblocked)
}

func newDeskForget(g *global) *cobra.Command {
	return newMark(g, "forget", "Let nothing count that the ledger says of a changeset", rollcall.MarkForgotten)
}

func newDeskImport(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	var dryRun bool
	c := &cobra.Command{
		Use: "import CODE", Short: "Bring what an older ledger says into today's",
		Long: "Shows what svnmerge.py wrote that Subversion's own mergeinfo lacks, and what only looks\n" +
			"integrated in git; then marks it as integrated or blocked, once you agree.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.request.Code, o.request.Note = args[0], g.note()
			printer := g.printer()
			return g.with(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				stopped := rollcall.Errorf(rollcall.KindRefused, "nothing was written")
				imported, err := control.ImportLedger(ctx, o.request, func(i *rollcall.Imported) error {
					if err := printer.Imported(i); err != nil || dryRun {
						return firstError(err, stopped)
					}
					if g.yes {
						return nil
					}
					if !interactive() {
						return rollcall.Errorf(rollcall.KindInvalid, "there is nobody to ask whether to write this").WithHint("look with --dry-run, then give --yes")
					}
					if ok, err := ask(os.Stdin, printer, "Write this to the ledger?"); err != nil || !ok {
						return stopped
					}
					return nil
				})
				if dryRun && err == stopped { //nolint:errorlint // it is the very one from above
					return nil
				}
				if err == nil {
					printer.Note("%s marked", rollcall.Plural(len(imported.Marks), "changeset is", "changesets are"))
				}
				return err
			})
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only show it")
	return c
}
