package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
)

func newDrain(g *global) *cobra.Command {
	var why string
	c := &cobra.Command{
		Use: "drain NODE --why TEXT", Short: "Take a node out of service until it is restored",
		Long: "Takes a node out of service in every environment that it serves in, and waits for\n" +
			"what is under way there. No roll puts it back: rollcall restore does.",
		Args: cobra.ExactArgs(1), ValidArgsFunction: environmentNames(g, nodeNames),
		RunE: func(c *cobra.Command, args []string) error {
			if why == "" {
				return rollcall.Errorf(rollcall.KindInvalid, "a drain needs a reason").WithHint("give it with --why TEXT: whoever wonders will read it")
			}
			return g.with(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				if err := control.Drain(ctx, args[0], why, g.note()); err != nil {
					return err
				}
				return served(g, args[0], false, nil)
			})
		},
	}
	c.Flags().StringVar(&why, "why", "", "the reason")
	return c
}

func newRestore(g *global) *cobra.Command {
	return &cobra.Command{
		Use: "restore NODE", Short: "Put a node back into service",
		Args: cobra.ExactArgs(1), ValidArgsFunction: environmentNames(g, nodeNames),
		RunE: func(c *cobra.Command, args []string) error {
			return g.with(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				left, err := control.Restore(ctx, args[0], g.note())
				if err != nil {
					return err
				}
				return served(g, args[0], len(left) == 0, left)
			})
		},
	}
}

// served tells whether a node is in service now, and who else wants it out.
func served(g *global, node string, in bool, left []rollcall.Claim) error {
	printer := g.printer()
	if g.json {
		if left == nil {
			left = []rollcall.Claim{}
		}
		return printer.Object(map[string]any{"node": node, "in_service": in, "out": left})
	}
	if in {
		printer.Line("%s is in service", node)
		return nil
	}
	printer.Line("%s is out of service", node)
	for _, c := range left {
		printer.Line("  %s by %s: %s", c.Name, c.By, rollcall.Printable(c.Why))
	}
	return nil
}

func newReview(g *global) *cobra.Command {
	o := &rollOptions{global: g, in: os.Stdin, request: rollcall.RollRequest{Kind: rollcall.KindReview}}
	var keep time.Duration
	c := &cobra.Command{
		Use: "review ENVIRONMENT NODE", Short: "Roll one node and keep it out of service for a look",
		Long: "Takes one node out of service, rolls and verifies it, and leaves it out: to be tried\n" +
			"by hand before the public gets it. rollcall restore brings it back to what is live\n" +
			"and into service; so does --for, when its time is over or with Ctrl-C.",
		Args: cobra.ExactArgs(2), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			o.request.Environment, o.request.Selection.Only = args[0], args[1:]
			if err := o.run(c.Context()); err != nil {
				return err
			}
			if err := o.reach(c.Context()); err != nil || keep == 0 {
				return err
			}
			return o.endReview(c.Context(), keep)
		},
	}
	c.Flags().StringVar(&o.request.At, "at", "", "a revision of the production branch instead of its tip")
	c.Flags().StringSliceVar(&o.request.AcceptRisk, "accept-risk", nil, "roll although: rolled-back, held, interrupted")
	c.Flags().DurationVar(&keep, "for", 0, "how long it stays out, such as 2h; the command waits, and then brings it back")
	return c
}

// reach prints how the node that is out of service can be looked at.
func (o *rollOptions) reach(ctx context.Context) error {
	return o.with(ctx, func(_ context.Context, control rollcall.Control) error {
		env, printer := control.Site().Environments[o.request.Environment], o.printer()
		for _, tier := range env.Tiers {
			for _, node := range tier.Nodes {
				if node.Name != o.request.Selection.Only[0] {
					continue
				}
				printer.Note("%s is out of service and has the new release. To look at it:", node.Name)
				for _, probe := range tier.Verify {
					if expanded, err := probe.Expand(node.Variables()); err == nil && expanded.HTTP != "" {
						printer.Note("  curl -i %s", expanded.HTTP)
					}
				}
				printer.Note("  ssh %s ls %s/current/", node.Address, node.Folder)
				printer.Note("To end it: rollcall restore %s", node.Name)
			}
		}
		return nil
	})
}

func (o *rollOptions) endReview(ctx context.Context, after time.Duration) error {
	o.printer().Note("it stays out for %v; Ctrl-C ends that", after)
	select {
	case <-time.After(after):
	case <-o.stop:
	}
	again := &rollOptions{global: &global{site: o.site, state: o.state, json: o.json, plain: o.plain, yes: true}, in: o.in}
	again.request = rollcall.RollRequest{Kind: rollcall.KindCatchUp, Environment: o.request.Environment, Selection: o.request.Selection}
	if err := again.run(ctx); err != nil {
		return fmt.Errorf("end the review: %w", err)
	}
	return nil
}
