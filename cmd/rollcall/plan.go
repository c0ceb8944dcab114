package main

import (
	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
)

func newPlan(g *global) *cobra.Command {
	o := &rollOptions{global: g}
	var back bool
	c := &cobra.Command{
		Use: "plan ENVIRONMENT", Short: "Show what a roll would do, without doing anything",
		Args: cobra.ExactArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			o.request.Environment = args[0]
			if back {
				o.request.Kind = rollcall.KindRollback
			}
			return o.read(c, func(control rollcall.Control) error {
				plan, err := control.Plan(c.Context(), o.request)
				if err != nil {
					return err
				}
				return o.printer().Plan(plan)
			})
		},
	}
	o.flags(c, false)
	c.Flags().BoolVar(&back, "rollback", false, "of a rollback")
	c.Flags().StringVar(&o.request.To, "to", "", "with --rollback: an earlier roll's number or release")
	return c
}

func newDiff(g *global) *cobra.Command {
	o := &rollOptions{global: g}
	c := &cobra.Command{
		Use: "diff ENVIRONMENT", Short: "Show file by file what a roll would change",
		Args: cobra.ExactArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			o.request.Environment = args[0]
			return o.read(c, func(control rollcall.Control) error {
				diff, err := control.Diff(c.Context(), o.request)
				if err != nil {
					return err
				}
				return o.printer().Diff(diff)
			})
		},
	}
	c.Flags().StringVar(&o.request.At, "at", "", "a revision of the production branch instead of its tip")
	return c
}

// read runs what changes nothing, with its preparations shown as they go.
func (o *rollOptions) read(c *cobra.Command, do func(rollcall.Control) error) error {
	control, err := o.control(c.Context())
	if err != nil {
		return err
	}
	defer control.Close()
	printer := o.printer()
	o.request.Watch = func(e rollcall.Event) {
		var note rollcall.Note
		if e.Decode(&note) == nil {
			printer.Note("%s", note.Text)
		}
	}
	return do(control)
}
