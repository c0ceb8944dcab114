package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
)

func newNodes(g *global) *cobra.Command {
	return &cobra.Command{
		Use: "nodes [ENVIRONMENT]", Short: "Ask every node what it has",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			return askNodes(c.Context(), g, args, rollcall.Control.Nodes)
		},
	}
}

func newAdopt(g *global) *cobra.Command {
	return &cobra.Command{
		Use: "adopt ENVIRONMENT", Short: "Take over nodes from another tool or another record",
		Long: "Takes over what stands in the nodes' folders: what current points to, as Capistrano and\n" +
			"Deployer leave it, or a copy of a plain folder, stays as the release to go back to and\n" +
			"is never cleaned. Nodes remember which record rolls them and refuse any other: when the\n" +
			"other controller is gone for good, adopt makes them follow this one.",
		Args: cobra.ExactArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			if !g.yes {
				if !interactive() {
					return rollcall.Errorf(rollcall.KindInvalid, "there is nobody to ask").WithHint("adopt with --yes")
				}
				ok, err := ask(c.InOrStdin(), g.printer(), "Take these nodes over, from whoever rolled them until now?")
				if err != nil || !ok {
					return rollcall.Errorf(rollcall.KindRefused, "not adopted")
				}
			}
			return askNodes(c.Context(), g, args, rollcall.Control.Adopt)
		},
	}
}

// askNodes shows nodes. One that can't be asked is a row and not an error, unless it is all of them.
func askNodes(ctx context.Context, g *global, args []string, do func(rollcall.Control, context.Context, string, func(rollcall.NodeStatus)) error) error {
	ctx, cancel := g.untilStopped(ctx)
	defer cancel()
	control, err := g.control(ctx)
	if err != nil {
		return err
	}
	defer control.Close()
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	printer := g.printer()
	var all []rollcall.NodeStatus
	problems := 0
	var shown error
	err = do(control, ctx, name, func(n rollcall.NodeStatus) {
		if n.Problem != "" {
			problems++
		}
		all = append(all, n)
		if g.json && shown == nil {
			shown = printer.Object(n)
		}
	})
	if err != nil || shown != nil {
		return firstError(err, shown)
	}
	if !g.json {
		printer.Nodes(all)
	}
	if problems > 0 && problems == len(all) {
		return rollcall.Errorf(rollcall.KindUnreachable, "no node could be asked").WithHint("try one by hand: ssh %s", all[0].Address)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
