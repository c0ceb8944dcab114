package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/view"
)

// rollOptions are what the commands that plan or roll take.
type rollOptions struct {
	*global
	request rollcall.RollRequest
	in      io.Reader
	sure    bool // it needs no asking
}

func (o *rollOptions) flags(c *cobra.Command, roll bool) {
	f := c.Flags()
	if o.request.Kind != rollcall.KindRollback {
		f.StringVar(&o.request.At, "at", "", "a revision of the production branch instead of its tip")
	} else {
		f.StringVar(&o.request.To, "to", "", "an earlier roll's number or release instead of the one before")
	}
	f.StringSliceVar(&o.request.Selection.Only, "only", nil, "only the nodes that match: NAME, app*, dc=ams; what is live does not move")
	f.StringSliceVar(&o.request.Selection.Tier, "tier", nil, "only this tier")
	if roll {
		f.StringVar(&o.request.Plan, "plan", "", "roll only if the plan still has this id")
		f.StringSliceVar(&o.request.AcceptRisk, "accept-risk", nil, "roll although: "+strings.Join(rollcall.AllRisks, ", "))
		f.IntVar(&o.request.Parallel, "parallel", 0, "how many nodes are prepared at once (default 128)")
	}
}

func newRoll(g *global) *cobra.Command {
	o := &rollOptions{global: g, in: os.Stdin}
	c := &cobra.Command{
		Use: "roll ENVIRONMENT", Short: "Roll the production branch to an environment",
		Long: "Prepares the release on every node, then switches tier by tier and batch by batch,\n" +
			"activates and verifies each. A node that fails takes the roll back.",
		Args: cobra.ExactArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			o.request.Environment = args[0]
			return o.run(c.Context())
		},
	}
	o.flags(c, true)
	return c
}

func newRollback(g *global) *cobra.Command {
	o := &rollOptions{global: g, in: os.Stdin, request: rollcall.RollRequest{Kind: rollcall.KindRollback}}
	c := &cobra.Command{
		Use: "rollback ENVIRONMENT", Short: "Bring back what was live before",
		Long: "Brings back the release that was live before the last finished roll, in reverse\n" +
			"order, and puts the environment on hold. Asked again, it goes one further back.",
		Args: cobra.ExactArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			o.request.Environment = args[0]
			return o.run(c.Context())
		},
	}
	o.flags(c, true)
	return c
}

func (o *rollOptions) run(ctx context.Context) error {
	return o.do(ctx, "Roll it?", rollcall.Control.Roll)
}

// do shows one roll while something is done with it.
func (o *rollOptions) do(ctx context.Context, question string, do func(rollcall.Control, context.Context, rollcall.RollRequest) (*rollcall.RollFinished, error)) error {
	control, err := o.control(ctx)
	if err != nil {
		return err
	}
	defer control.Close()
	printer := o.printer()
	show := printer.Roll()
	o.request.Watch, o.request.Stop, o.request.Back = show.Watch, o.stop, o.back
	o.request.Asks = !o.agreed()
	o.request.Confirm = func(plan *rollcall.Plan) error {
		show.Pause()
		if err := o.confirm(printer, plan, question); err != nil {
			return err
		}
		show.SetPlan(plan)
		return nil
	}
	finished, err := do(control, ctx, o.request)
	if shown := show.Finish(finished); err == nil {
		err = shown
	}
	return err
}

// agreed tells that nobody need be asked.
func (o *rollOptions) agreed() bool { return o.yes || o.sure || o.request.Plan != "" }

// confirm shows the plan and asks, where there is somebody to ask.
func (o *rollOptions) confirm(printer *view.Printer, plan *rollcall.Plan, question string) error {
	if o.agreed() {
		if o.request.Plan == "" { // whoever names a plan has seen it
			printer.Warnings(plan)
		}
		return nil
	}
	if !interactive() || o.json {
		return rollcall.Errorf(rollcall.KindInvalid, "there is nobody to ask whether to roll").
			WithHint("look at rollcall plan %s, then roll with --plan %s, or with --yes", plan.Environment, plan.ID)
	}
	if err := printer.Plan(plan); err != nil {
		return err
	}
	ok, err := ask(o.in, printer, question)
	if err != nil {
		return err
	}
	if !ok {
		return rollcall.Errorf(rollcall.KindRefused, "not rolled")
	}
	return nil
}

func ask(in io.Reader, printer *view.Printer, question string) (bool, error) {
	fmt.Fprintf(printer.Err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && err != io.EOF {
		return false, err
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}
