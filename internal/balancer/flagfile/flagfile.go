// Package flagfile takes nodes out of service by a file that is put on them: while it
// is there, the node's own health check fails, and whatever balancer asks it sends no
// more requests.
//
// What is known is only whether the file is there. That the balancer saw it, and how
// much is still under way, nobody here can tell.
package flagfile

import (
	"context"
	"errors"
	"path"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-dev/rollcall"
)

const (
	commandLimit = 30 * time.Second
	looksLimit   = 16 // at once
)

// Balancer is a rollcall.Balancer over flag files. It needs the nodes' sessions.
type Balancer struct{}

var _ rollcall.Balancer = (*Balancer)(nil)

// New makes a Balancer.
func New() *Balancer { return &Balancer{} }

// Look asks all nodes at once; each has a session of its own. One that can't be reached
// is not up, as its balancer would see it, and does not keep the others from being seen.
func (b *Balancer) Look(ctx context.Context, points []rollcall.DrainPoint) ([]rollcall.ServiceState, error) {
	states := make([]rollcall.ServiceState, len(points))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(looksLimit)
	for i, p := range points {
		group.Go(func() error {
			out, err := isThere(groupCtx, p)
			if rollcall.KindOf(err) == rollcall.KindUnreachable && groupCtx.Err() == nil {
				states[i] = rollcall.ServiceState{Sessions: -1}
				return nil
			}
			states[i] = rollcall.ServiceState{Out: out, Up: true, Sessions: -1}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	return states, nil
}

// Drain puts the file there.
func (b *Balancer) Drain(ctx context.Context, p rollcall.DrainPoint) error {
	out, err := run(ctx, p, "touch", "--", p.Drain.Flag)
	if err == nil && out.Exit != 0 {
		return broken(p, "make", out).
			WithHint("make the folder on the node and let the ssh user write there: %s", rollcall.Printable(path.Dir(p.Drain.Flag)))
	}
	return err
}

// Restore takes the file away.
func (b *Balancer) Restore(ctx context.Context, p rollcall.DrainPoint) error {
	out, err := run(ctx, p, "rm", "-f", "--", p.Drain.Flag)
	if err == nil && out.Exit != 0 {
		return broken(p, "remove", out).
			WithHint("let the ssh user write there: %s", rollcall.Printable(path.Dir(p.Drain.Flag)))
	}
	return err
}

func isThere(ctx context.Context, p rollcall.DrainPoint) (bool, error) {
	out, err := run(ctx, p, "test", "-e", p.Drain.Flag)
	switch {
	case err != nil:
		return false, err
	case out.Exit > 1:
		return false, broken(p, "look for", out).WithHint("look whether `test -e FILE` works on the node")
	}
	return out.Exit == 0, nil
}

func run(ctx context.Context, p rollcall.DrainPoint, args ...string) (rollcall.Output, error) {
	var none rollcall.Output
	flag := p.Drain.Flag
	if !path.IsAbs(flag) || path.Clean(flag) != flag || flag == "/" || rollcall.Printable(flag) != flag {
		e := rollcall.Errorf(rollcall.KindInvalid, "%q can't be a flag file", rollcall.Printable(flag)).
			WithHint("write drain: {flag: /srv/www/shared/drained}: an absolute path on the node")
		e.Node = p.Node
		return none, e
	}
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	if p.Session == nil {
		e := rollcall.Errorf(rollcall.KindUnreachable, "its flag file is on the node, which can't be reached").
			WithHint("look whether the node is up")
		e.Node = p.Node
		return none, e
	}
	out, err := p.Session.Run(ctx, "", rollcall.Command{Args: args, Timeout: commandLimit}, nil)
	var known *rollcall.Error
	if errors.As(err, &known) && known.Node == "" {
		named := *known
		named.Node = p.Node
		return out, &named
	}
	return out, err
}

func broken(p rollcall.DrainPoint, what string, out rollcall.Output) *rollcall.Error {
	e := rollcall.Errorf(rollcall.KindBroken, "can't %s the flag file %s: %s", what, p.Drain.Flag, rollcall.Printable(strings.TrimSpace(out.Text)))
	e.Node = p.Node
	return e
}
