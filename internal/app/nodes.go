package app

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// askLimit is how long `nodes` waits for one.
const askLimit = 25 * time.Second

// Nodes asks every node what it has, all at once, and tells each in the order of the
// nodes files as soon as those before it are told.
func (a *App) Nodes(ctx context.Context, environment string, each func(rollcall.NodeStatus)) error {
	return a.ask(ctx, environment, each, func(context.Context, rollcall.Session, *rollcall.NodeStatus) error { return nil })
}

func (a *App) ask(ctx context.Context, environment string, each func(rollcall.NodeStatus), do func(context.Context, rollcall.Session, *rollcall.NodeStatus) error) error {
	environments, err := a.environments(environment)
	if err != nil {
		return err
	}
	for _, env := range environments {
		if err := a.askOne(ctx, env, each, do); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) askOne(ctx context.Context, env *rollcall.Environment, each func(rollcall.NodeStatus), do func(context.Context, rollcall.Session, *rollcall.NodeStatus) error) error {
	state, err := roll.ReadState(ctx, a.record, env.Name)
	if err != nil {
		return err
	}
	known, err := a.known(ctx, env, state)
	if err != nil {
		return err
	}
	holds, err := a.nodeHolds(ctx, env)
	if err != nil {
		return err
	}
	nodes := a.fleet(env)
	defer nodes.Close()

	var mu sync.Mutex
	var done []*rollcall.NodeStatus
	told := 0
	var all []rollcall.NodeStatus
	for _, tier := range env.Tiers {
		for _, n := range tier.Nodes {
			all = append(all, rollcall.NodeStatus{
				Environment: env.Name, Name: n.Name, Address: n.HostPort(), Tier: tier.Name, Release: known[n.Name],
				InService: true, Drift: []string{}, Hold: holds[n.Name],
			})
		}
	}
	if err := a.inService(ctx, env, all); err != nil {
		return err
	}
	done = make([]*rollcall.NodeStatus, len(all))
	var group errgroup.Group
	group.SetLimit(roll.DefaultParallel)
	for i, n := range env.Nodes() {
		group.Go(func() error {
			s := all[i]
			err := askNode(ctx, nodes, n, &s, do)
			if err != nil {
				s.Problem, s.Hint = err.Error(), rollcall.HintOf(err)
			}
			s.Behind = state.Live.Release != "" && s.Release != state.Live.Release
			mu.Lock()
			defer mu.Unlock()
			for done[i] = &s; told < len(done) && done[told] != nil; told++ {
				each(*done[told])
			}
			return nil
		})
	}
	return group.Wait()
}

func askNode(ctx context.Context, nodes rollcall.Fleet, n rollcall.Node, s *rollcall.NodeStatus, do func(context.Context, rollcall.Session, *rollcall.NodeStatus) error) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	session, err := nodes.Open(ctx, n)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := do(ctx, session, s); err != nil {
		return err
	}
	has, err := session.Hello(ctx)
	if err != nil {
		return err
	}
	s.Release, s.Free = has.Current, has.Free
	return nil
}
