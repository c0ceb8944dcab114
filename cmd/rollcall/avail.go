package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
)

func newAvail(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	request := rollcall.AvailRequest{}
	var states []string
	var all bool
	c := &cobra.Command{
		Use: "avail [CODE]", Short: "List what is on the trunk and not in production",
		Long: "Lists the changesets of the trunk, the newest first, with what would come of merging\n" +
			"each of the newest alone: which files conflict, and which other changesets it builds upon.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			for _, s := range states {
				state := rollcall.Standing(s)
				if strings.ContainsRune(s, os.PathSeparator) {
					g.state = s // the flag of all commands, which this one's hides
					continue
				}
				if !isStanding(state) {
					return &usageError{rollcall.Errorf(rollcall.KindInvalid, "--state: there is no state %q, there are %s", rollcall.Printable(s), standings()), "avail "}
				}
				request.States = append(request.States, state)
			}
			if all {
				request.Predict = -1
			}
			var available []rollcall.Available
			var code *rollcall.Code
			err := o.quietly(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				request.DeskRequest = o.request
				request.Code = onlyCode(args)
				var err error
				available, err = control.Avail(ctx, request)
				code = control.Site().Codes[request.Code]
				for _, one := range control.Site().Codes {
					if code == nil {
						code = one
					}
				}
				return err
			})
			if err != nil {
				return err
			}
			return g.printer().Available(code, request, available)
		},
	}
	o.flags(c)
	f := c.Flags()
	f.StringSliceVar(&states, "state", nil, "only those that stand so: "+standings()+" (a path with a / is the state folder, as everywhere)")
	f.StringSliceVar(&request.Authors, "author", nil, "only by this author")
	f.StringSliceVar(&request.Tickets, "ticket", nil, "only for this ticket")
	f.IntVar(&request.Predict, "predict-newest", 100, "for how many of the newest is told what they need and where they conflict")
	f.BoolVar(&all, "predict", false, "tell it for all")
	return c
}

func isStanding(s rollcall.Standing) bool {
	for _, one := range rollcall.Standings {
		if s == one {
			return true
		}
	}
	return false
}

func standings() string {
	var names []string
	for _, s := range rollcall.Standings {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func newShow(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	c := &cobra.Command{
		Use: "show CODE CHANGESET", Short: "Show a changeset: what it changes, how it stands, what it needs",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			var shown *rollcall.Shown
			err := o.quietly(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				o.request.Code = args[0]
				var err error
				shown, err = control.Show(ctx, o.request, args[1])
				return err
			})
			if err != nil {
				return err
			}
			return g.printer().Shown(shown)
		},
	}
	o.flags(c)
	return c
}
