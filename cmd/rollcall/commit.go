package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
)

func newCheck(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	request := rollcall.CheckRequest{}
	c := &cobra.Command{
		Use: "check [CODE]", Short: "Run the checks on what is on the desk, or on the production branch",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var report *rollcall.CheckReport
			err := o.quietly(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				request.DeskRequest = o.request
				request.Code = onlyCode(args)
				var err error
				report, err = control.CheckCode(ctx, request)
				return err
			})
			if report != nil {
				err = firstError(err, g.printer().CheckReport(report))
			}
			return err
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&request.All, "all", false, "look for conflict markers in every file, not only in lines that changed")
	return c
}

func newCommit(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	var note string
	c := &cobra.Command{
		Use: "commit [CODE]", Short: "Commit what is on the desk to the production branch",
		Long: "Commits the very tree that was checked and tried. Refused while conflicts or failed checks\n" +
			"remain, or where the branch has moved since it was merged.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.do(c.Context(), "desk.committed", func(ctx context.Context, control rollcall.Control) (*rollcall.DeskOutcome, error) {
				o.request.Code = onlyCode(args)
				return control.CommitDesk(ctx, rollcall.CommitRequest{DeskRequest: o.request, Note: note})
			}, o.rollNext)
		},
	}
	o.flags(c)
	c.Flags().StringVarP(&note, "message", "m", "", "what is to be said about it, beside the changesets' own messages")
	return c
}

func newAbandon(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	c := &cobra.Command{
		Use: "abandon [CODE]", Short: "Leave the desk clean",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var outcome *rollcall.DeskOutcome
			err := o.quietly(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				o.request.Code = onlyCode(args)
				var err error
				outcome, err = control.Abandon(ctx, o.request)
				return err
			})
			if err != nil {
				return err
			}
			printer := g.printer()
			switch {
			case g.json:
				return printer.DeskOutcome("desk.abandoned", outcome)
			case !outcome.Open():
				printer.Note("there was nothing on the desk")
			default:
				printer.Line("the desk %s of %s is clean", outcome.Desk, outcome.Code)
			}
			return nil
		},
	}
	o.flags(c)
	return c
}
