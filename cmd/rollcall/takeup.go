package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
)

func newResume(g *global) *cobra.Command {
	o := &rollOptions{global: g, in: os.Stdin}
	return &cobra.Command{
		Use: "resume ENVIRONMENT", Short: "Finish a roll that was interrupted, paused or stopped",
		Long: "Takes the last roll up where its controller died, or where it was paused, and\n" +
			"finishes what its stored plan says, even if the site has changed since.",
		Args: cobra.ExactArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			o.request.Environment = args[0]
			return o.do(c.Context(), "Go on with it?", rollcall.Control.Resume)
		},
	}
}

func newAbort(g *global) *cobra.Command {
	o := &rollOptions{global: g, in: os.Stdin}
	return &cobra.Command{
		Use: "abort ENVIRONMENT", Short: "Take a roll back that is under way or was interrupted",
		Long: "Brings every node that the last roll has switched back to what it had before, in\n" +
			"reverse order. A roll under way is asked to go back, from wherever it runs.",
		Args: cobra.ExactArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			o.request.Environment = args[0]
			return o.do(c.Context(), "Take it back?", rollcall.Control.Abort)
		},
	}
}

func newPause(g *global) *cobra.Command {
	o := &rollOptions{global: g, in: os.Stdin, sure: true}
	return &cobra.Command{
		Use: "pause ENVIRONMENT", Short: "Pause a roll under way at its next safe point",
		Args: cobra.ExactArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			o.request.Environment = args[0]
			return o.do(c.Context(), "Pause it?", rollcall.Control.Pause)
		},
	}
}

func newCatchUp(g *global) *cobra.Command {
	o := &rollOptions{global: g, in: os.Stdin, request: rollcall.RollRequest{Kind: rollcall.KindCatchUp}}
	c := &cobra.Command{
		Use: "catch-up ENVIRONMENT [NODE...]", Short: "Bring nodes that were missed to what is live, and back into service",
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			o.request.Environment, o.request.Selection.Only = args[0], args[1:]
			return o.run(c.Context())
		},
	}
	c.Flags().IntVar(&o.request.Parallel, "parallel", 0, "how many nodes are prepared at once (default 128)")
	return c
}
