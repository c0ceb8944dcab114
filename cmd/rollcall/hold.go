package main

import (
	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
)

func nodeNames(site *rollcall.Site) []string {
	var names []string
	for _, env := range site.Environments {
		for _, node := range env.Nodes() {
			names = append(names, node.Name)
		}
	}
	return names
}

func newHold(g *global) *cobra.Command {
	var why string
	c := &cobra.Command{
		Use: "hold ENVIRONMENT|NODE --why TEXT", Short: "Keep an environment or a node from being rolled",
		Args: cobra.ExactArgs(1), ValidArgsFunction: environmentNames(g, nodeNames),
		RunE: func(c *cobra.Command, args []string) error {
			if why == "" {
				return rollcall.Errorf(rollcall.KindInvalid, "a hold needs a reason").WithHint("give it with --why TEXT: whoever meets the hold will read it")
			}
			control, err := g.control(c.Context())
			if err != nil {
				return err
			}
			defer control.Close()
			if err := control.Hold(c.Context(), args[0], why); err != nil {
				return err
			}
			return held(g, args[0], true)
		},
	}
	c.Flags().StringVar(&why, "why", "", "the reason")
	return c
}

func newUnhold(g *global) *cobra.Command {
	return &cobra.Command{
		Use: "unhold ENVIRONMENT|NODE", Short: "Lift a hold",
		Args: cobra.ExactArgs(1), ValidArgsFunction: environmentNames(g, nodeNames),
		RunE: func(c *cobra.Command, args []string) error {
			control, err := g.control(c.Context())
			if err != nil {
				return err
			}
			defer control.Close()
			if err := control.Unhold(c.Context(), args[0]); err != nil {
				return err
			}
			return held(g, args[0], false)
		},
	}
}

func held(g *global, target string, hold bool) error {
	printer := g.printer()
	if g.json {
		return printer.Object(map[string]any{"target": target, "hold": hold})
	}
	if hold {
		printer.Line("%s is on hold", target)
	} else {
		printer.Line("%s is free again", target)
	}
	return nil
}
