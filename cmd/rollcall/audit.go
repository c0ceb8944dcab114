package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
)

func newAudit(g *global) *cobra.Command {
	var repair bool
	var selection rollcall.Selection
	c := &cobra.Command{
		Use: "audit ENVIRONMENT", Short: "Compare every file on the nodes with what was rolled",
		Long: "Reads every file of every node and holds it against the manifest of what is live:\n" +
			"files edited, removed or added by hand are named. --repair makes them as they were\n" +
			"rolled; what somebody added is removed. Exit 3 where something differs and is not repaired.",
		Args: cobra.ExactArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			return audit(c.Context(), g, args[0], selection, repair)
		},
	}
	c.Flags().BoolVar(&repair, "repair", false, "make what differs as the manifest says")
	c.Flags().StringSliceVar(&selection.Only, "only", nil, "only the nodes that match: NAME, app*, dc=ams")
	c.Flags().StringSliceVar(&selection.Tier, "tier", nil, "only this tier")
	return c
}

func audit(ctx context.Context, g *global, environment string, selection rollcall.Selection, repair bool) error {
	if repair && !g.yes && !interactive() {
		return rollcall.Errorf(rollcall.KindInvalid, "there is nobody to ask whether to repair").WithHint("look without --repair, then repair with --yes")
	}
	printer := g.printer()
	if repair && !g.yes {
		ok, err := ask(os.Stdin, printer, "What somebody changed by hand there will be gone. Repair?")
		if err != nil || !ok {
			return rollcall.Errorf(rollcall.KindRefused, "not repaired")
		}
	}
	differ, problems, nodes := 0, 0, 0
	err := g.with(ctx, func(ctx context.Context, control rollcall.Control) error {
		var shown error
		err := control.Audit(ctx, environment, selection, repair, func(a rollcall.NodeAudit) {
			nodes++
			if len(a.Drift) > 0 && !a.Repaired {
				differ++
			}
			if a.Problem != "" {
				problems++
			}
			shown = firstError(shown, printer.Audit(a))
		})
		return firstError(err, shown)
	})
	switch {
	case err != nil:
		return err
	case problems > 0:
		return rollcall.Errorf(rollcall.KindUnreachable, "%d of %s could not be audited or repaired", problems, rollcall.Plural(nodes, "node", "nodes"))
	case differ > 0:
		return rollcall.Errorf(rollcall.KindRefused, "%d of %s rolled", differ, rollcall.Plural(nodes, "node is not as it was", "nodes are not as they were")).
			WithHint("find out who changed them and why, then rollcall audit %s --repair", environment)
	}
	return nil
}

func newDoctor(g *global) *cobra.Command {
	return &cobra.Command{
		Use: "doctor [ENVIRONMENT]", Short: "Look for everything that would stop a roll, before one is tried",
		Long: "Looks whether every node can be reached, its folder written, its disk roomy, its links\n" +
			"and commands there, its balancer able to take it out, and its web server ready to\n" +
			"follow a switch. Nothing is changed. Exit 3 where a roll would stop.",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			printer, count := g.printer(), map[rollcall.Level]int{}
			err := g.with(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				var shown error
				err := control.Doctor(ctx, name, func(f rollcall.Finding) {
					count[f.Level]++
					shown = firstError(shown, printer.Finding(f))
				})
				return firstError(err, shown)
			})
			if err != nil {
				return err
			}
			printer.Note("%d looked at and fine, %s, %s", count[rollcall.LevelOK],
				rollcall.Plural(count[rollcall.LevelWarning], "warning", "warnings"), rollcall.Plural(count[rollcall.LevelProblem], "problem", "problems"))
			if n := count[rollcall.LevelProblem]; n > 0 {
				return rollcall.Errorf(rollcall.KindRefused, "%s would stop a roll", rollcall.Plural(n, "thing", "things"))
			}
			return nil
		},
	}
}
