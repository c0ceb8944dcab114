// Package command takes nodes out of service and puts them back by commands that the
// site gives: for a balancer of any kind that has a command line.
//
// The commands must bear to be run twice, since whoever takes over a roll runs them again.
package command

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/proc"
)

const (
	defaultLimit = time.Minute // of a command that says no timeout
	looksLimit   = 8           // at once
)

// nodeVariable tells a command on which node it is about.
const nodeVariable = "ROLLCALL_NODE"

// Balancer is a rollcall.Balancer over commands.
type Balancer struct{ dir string }

var _ rollcall.Balancer = (*Balancer)(nil)

// New makes a Balancer. The commands that run here, and not on the node, run in dir.
func New(dir string) *Balancer { return &Balancer{dir: dir} }

// Look asks the state commands. Without one a node counts as in service: the record
// knows better. A node that has one and can't be reached is not up.
func (b *Balancer) Look(ctx context.Context, points []rollcall.DrainPoint) ([]rollcall.ServiceState, error) {
	states := make([]rollcall.ServiceState, len(points))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(looksLimit)
	for i, p := range points {
		group.Go(func() (err error) {
			states[i], err = b.look(groupCtx, p)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return states, nil
}

func (b *Balancer) look(ctx context.Context, p rollcall.DrainPoint) (rollcall.ServiceState, error) {
	state := rollcall.ServiceState{Up: true, Sessions: -1}
	if p.Drain.State == nil {
		return state, nil
	}
	out, err := b.run(ctx, p, "state", p.Drain.State)
	switch {
	case p.Drain.OnNode && rollcall.KindOf(err) == rollcall.KindUnreachable && ctx.Err() == nil:
		return rollcall.ServiceState{Sessions: -1}, nil
	case err != nil:
		return state, err
	case out.Exit >= 126:
		// A shell's words for what can't be run or was killed: that says nothing of the node.
		return state, failed(p, "state", p.Drain.State, out)
	}
	state.Out = out.Exit != 0
	return state, nil
}

// Drain runs the command also where the node looks out already: the state command may
// mean by that a health check that fails now and passes in the middle of a roll.
func (b *Balancer) Drain(ctx context.Context, p rollcall.DrainPoint) error {
	return b.must(ctx, p, "out", p.Drain.Out)
}

// Restore runs the command that puts the node back.
func (b *Balancer) Restore(ctx context.Context, p rollcall.DrainPoint) error {
	return b.must(ctx, p, "in", p.Drain.In)
}

func (b *Balancer) must(ctx context.Context, p rollcall.DrainPoint, key string, c *rollcall.Command) error {
	out, err := b.run(ctx, p, key, c)
	if err == nil && out.Exit != 0 {
		return failed(p, key, c, out)
	}
	return err
}

func (b *Balancer) run(ctx context.Context, p rollcall.DrainPoint, key string, given *rollcall.Command) (rollcall.Output, error) {
	var none rollcall.Output
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	if given == nil || len(given.Args) == 0 && given.Shell == "" || len(given.Args) > 0 && given.Args[0] == "" {
		return none, named(p, rollcall.Errorf(rollcall.KindInvalid, "its drain has no command %s:", key).
			WithHint("write drain: {out: [COMMAND, …], in: [COMMAND, …]}"))
	}
	c := *given
	if c.Timeout <= 0 {
		c.Timeout = defaultLimit
	}
	if !p.Drain.OnNode {
		out, err := proc.Run(ctx, b.dir, c, map[string]string{nodeVariable: p.Node})
		return out, named(p, err)
	}
	if p.Session == nil {
		return none, named(p, rollcall.Errorf(rollcall.KindUnreachable, "%s: runs on the node, which can't be reached", key).
			WithHint("look whether the node is up"))
	}
	out, err := p.Session.Run(ctx, "", c, map[string]string{nodeVariable: p.Node})
	return out, named(p, err)
}

func failed(p rollcall.DrainPoint, key string, c *rollcall.Command, out rollcall.Output) error {
	where := "here"
	if p.Drain.OnNode {
		where = "on the node"
	}
	return named(p, rollcall.Errorf(rollcall.KindFailed, "%s: %s ended with %d", key, c, out.Exit).
		WithHint("%s", said(out.Text, "it said nothing; run it "+where+" by hand")))
}

// said makes the end of a command's output a hint.
func said(text, otherwise string) string {
	if text = rollcall.Printable(strings.TrimSpace(text)); text == "" {
		return otherwise
	}
	if runes := []rune(text); len(runes) > 500 {
		text = "…" + string(runes[len(runes)-500:])
	}
	return "it said: " + text
}

// named puts the node's name to an error that lacks it.
func named(p rollcall.DrainPoint, err error) error {
	var known *rollcall.Error
	if !errors.As(err, &known) || known.Node != "" {
		return err
	}
	e := *known
	e.Node = p.Node
	return &e
}
