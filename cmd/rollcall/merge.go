package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
)

func newMerge(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	request := rollcall.MergeRequest{}
	c := &cobra.Command{
		Use: "merge CODE [CHANGESET|RANGE|all]...", Short: "Merge changesets of the trunk onto the desk",
		Long: "Merges changesets onto the desk, in the trunk's order whatever order is given, and runs\n" +
			"the checks. A range (r1041-r1050, 1a2b..3c4d) takes what is eligible in it, both ends with it.\n" +
			"Without changesets what is on the desk is merged again, on a production that has moved.\n" +
			"What conflicts leaves the desk open with what did merge, and exit 4.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			request.Selection.Texts = args[1:]
			return o.do(c.Context(), "desk.merged", func(ctx context.Context, control rollcall.Control) (*rollcall.DeskOutcome, error) {
				request.DeskRequest, request.DryRun = o.request, o.dryRun
				request.Code = args[0]
				return control.Merge(ctx, request)
			}, o.tryNext)
		},
	}
	o.flags(c)
	f := c.Flags()
	f.StringSliceVar(&request.Selection.Tickets, "ticket", nil, "what is eligible for this ticket")
	f.StringSliceVar(&request.Selection.Authors, "author", nil, "what is eligible by this author")
	f.StringSliceVar(&request.Drop, "drop", nil, "take this changeset off the desk")
	f.BoolVar(&o.dryRun, "dry-run", false, "only tell what would come of it")
	return c
}

func newBackOut(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	request := rollcall.MergeRequest{}
	c := &cobra.Command{
		Use: "back-out CODE CHANGESET...", Short: "Take changesets back on the desk, and make them eligible again",
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			request.Selection.Texts = args[1:]
			return o.do(c.Context(), "desk.merged", func(ctx context.Context, control rollcall.Control) (*rollcall.DeskOutcome, error) {
				request.DeskRequest, request.DryRun = o.request, o.dryRun
				request.Code = args[0]
				return control.BackOut(ctx, request)
			}, o.tryNext)
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "only tell what would come of it")
	return c
}

func newLand(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	c := &cobra.Command{
		Use: "land CODE BRANCH", Short: "Merge a developer's branch into the trunk, on the desk",
		Long: "Merges a developer's branch into the trunk on the desk, to be checked, tried and then\n" +
			"committed. Of the production branch it brings the hotfixes that were made there.",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return o.do(c.Context(), "desk.merged", func(ctx context.Context, control rollcall.Control) (*rollcall.DeskOutcome, error) {
				o.request.Code = args[0]
				return control.Land(ctx, o.request, args[1])
			}, o.tryNext)
		},
	}
	o.flags(c)
	return c
}

func newSync(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	c := &cobra.Command{
		Use: "sync CODE BRANCH", Short: "Merge the trunk into a developer's branch, on the desk",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return o.do(c.Context(), "desk.merged", func(ctx context.Context, control rollcall.Control) (*rollcall.DeskOutcome, error) {
				o.request.Code = args[0]
				return control.Sync(ctx, o.request, args[1])
			}, o.tryNext)
		},
	}
	o.flags(c)
	return c
}
