package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// seat is one place where a node serves: what takes it out there.
type seat struct {
	env   *rollcall.Environment
	node  rollcall.Node
	drain rollcall.Drain
}

// seats finds where a node serves.
func (a *App) seats(name string) ([]seat, error) {
	var all []seat
	known := false
	environments, err := a.environments("")
	if err != nil {
		return nil, err
	}
	for _, env := range environments {
		for _, tier := range env.Tiers {
			for _, n := range tier.Nodes {
				if n.Name != name {
					continue
				}
				known = true
				if tier.Drain == nil {
					continue
				}
				drain, err := tier.Drain.Expand(n.Variables())
				if err != nil {
					return nil, err
				}
				all = append(all, seat{env, n, drain})
			}
		}
	}
	switch {
	case !known:
		return nil, rollcall.Errorf(rollcall.KindNotFound, "there is no node %q", rollcall.Printable(name)).WithHint("see rollcall nodes")
	case len(all) == 0:
		return nil, rollcall.Errorf(rollcall.KindInvalid, "no tier of %s says how it is taken out of service", name).
			WithHint("give its tier a drain: in rollcall.yaml")
	}
	return all, nil
}

// Drain takes a node out of service in every environment.
func (a *App) Drain(ctx context.Context, node, why string, note func(string)) error {
	seats, err := a.seats(node)
	if err != nil {
		return err
	}
	for _, s := range seats {
		err := a.at(ctx, s, "drain", func(ctx context.Context, b rollcall.Balancer, point rollcall.DrainPoint) error {
			mine, err := roll.AddClaim(ctx, a.record, rollcall.Claim{Node: node, Name: roll.ClaimOfPerson(s.env.Name), By: a.by, Drain: &s.drain, Why: rollcall.Printable(why)},
				func() (bool, error) { return false, nil }) // whoever says so wants it out, and later in
			if err != nil {
				return err
			}
			note(fmt.Sprintf("%s: out of service in %s since %s", node, s.env.Name, when(mine.At)))
			if err := b.Drain(ctx, point); err != nil {
				return err
			}
			return roll.SessionsEnd(ctx, b, point, note)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func when(at time.Time) string {
	if at.IsZero() {
		return "now"
	}
	return at.Local().Format("2006-01-02 15:04")
}

// Restore puts a node back, where it has what is live and nobody else wants it out.
func (a *App) Restore(ctx context.Context, node string, note func(string)) ([]rollcall.Claim, error) {
	seats, err := a.seats(node)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range seats {
		behind, err := a.behind(ctx, s.env, node)
		if err != nil {
			return nil, err
		}
		if behind {
			ended, err := a.endReview(ctx, s.env, node, note)
			if err != nil {
				return nil, err
			}
			behind = !ended
		}
		if behind {
			return nil, rollcall.Errorf(rollcall.KindRefused, "%s is behind: it would serve what is not live in %s", node, s.env.Name).
				WithHint("bring it there, and into service: rollcall catch-up %s %s", s.env.Name, node)
		}
		names = append(names, roll.ClaimOfPerson(s.env.Name))
		names = append(names, roll.ClaimsOf(s.env.Name)[1:]...) // those that end when it has what is live
	}
	once := false
	restored := func() error {
		if once {
			return nil // all of them were put back with the first
		}
		once = true
		for _, s := range seats {
			err := a.at(ctx, s, "restore", func(ctx context.Context, b rollcall.Balancer, point rollcall.DrainPoint) error {
				if err := b.Restore(ctx, point); err != nil {
					return err
				}
				return roll.ComesUp(ctx, b, point)
			})
			if err != nil {
				return err
			}
			note(fmt.Sprintf("%s: in service in %s", node, s.env.Name))
		}
		return nil
	}
	claims, err := roll.ReadClaims(ctx, a.record, node)
	if err != nil {
		return nil, err
	}
	mine := slices.ContainsFunc(claims, func(c rollcall.Claim) bool { return slices.Contains(names, c.Name) })
	if !mine && len(claims) == 0 {
		return nil, restored() // somebody took it out at the balancer itself
	}
	return roll.DropClaims(ctx, a.record, node, names, a.by, func(rollcall.Drain) error { return restored() })
}

// endReview brings a node that is out for a look back to what is live.
func (a *App) endReview(ctx context.Context, env *rollcall.Environment, node string, note func(string)) (ended bool, err error) {
	claims, err := roll.ReadClaims(ctx, a.record, node)
	if err != nil || !slices.ContainsFunc(claims, func(c rollcall.Claim) bool { return c.Name == roll.ClaimOfReview(env.Name) }) {
		return false, err
	}
	note(fmt.Sprintf("%s: the review of %s is over: back to what is live", node, env.Name))
	_, err = a.Roll(ctx, rollcall.RollRequest{
		Kind: rollcall.KindCatchUp, Environment: env.Name, Selection: rollcall.Selection{Only: []string{node}},
	})
	return err == nil, err
}

// behind tells whether the record knows a node to stand elsewhere than at what is live.
func (a *App) behind(ctx context.Context, env *rollcall.Environment, node string) (bool, error) {
	state, err := roll.ReadState(ctx, a.record, env.Name)
	if err != nil || state.Live.Release == "" {
		return false, err
	}
	known, err := a.known(ctx, env, state)
	return known[node] != state.Live.Release, err
}

// at acts at one seat. What is done on the node itself needs a session, and a lease
// whose token the node accepts.
func (a *App) at(ctx context.Context, s seat, purpose string, do func(context.Context, rollcall.Balancer, rollcall.DrainPoint) error) error {
	nodes := a.fleet(s.env)
	defer nodes.Close()
	balancer := a.balancer(nodes.transport)(s.drain)
	point := rollcall.DrainPoint{Node: s.node.Name, Drain: s.drain}
	if s.drain.Flag == "" && !s.drain.OnNode {
		return do(ctx, balancer, point)
	}
	held, lease, state, err := roll.Take(ctx, a.record, s.env.Name, a.by, purpose+" "+s.node.Name, nil)
	if err != nil {
		return err
	}
	err = func() error {
		session, err := nodes.Open(held, s.node)
		if err != nil {
			return err
		}
		defer session.Close()
		session.Claim(lease.Token())
		point.Session = session
		return do(held, balancer, point)
	}()
	if released := lease.Release(ctx, state.Seq); err == nil {
		err = released
	}
	return err
}

// askBalancers looks, before anything is touched, whether the balancers know the nodes
// that a plan takes out. One that can't be asked now is a warning.
func (a *App) askBalancers(ctx context.Context, env *rollcall.Environment, plan *rollcall.Plan) error {
	var nodes []rollcall.Service
	for _, n := range plan.Nodes() {
		if n.Drain != nil {
			nodes = append(nodes, rollcall.Service{Node: n.Node.Name, Drain: *n.Drain})
		}
	}
	if len(nodes) == 0 {
		return nil
	}
	fleet := a.fleet(env)
	defer fleet.Close()
	_, err := roll.LookAt(ctx, a.record, a.balancer(fleet.transport), nodes)
	if err != nil && rollcall.KindOf(err) == rollcall.KindUnreachable {
		plan.Warnings = append(plan.Warnings, rollcall.Warning{ID: "balancer", Text: err.Error()})
		return nil
	}
	return err
}

// inService fills in which of an environment's nodes are in service, and why others are
// not. A balancer that can't be asked is told once.
func (a *App) inService(ctx context.Context, env *rollcall.Environment, nodes []rollcall.NodeStatus) error {
	fleet := a.fleet(env)
	defer fleet.Close()
	at := 0
	for _, tier := range env.Tiers {
		own := nodes[at : at+len(tier.Nodes)]
		at += len(tier.Nodes)
		if tier.Drain == nil {
			continue
		}
		var points []rollcall.Service
		for i, n := range tier.Nodes {
			drain, err := tier.Drain.Expand(n.Variables())
			if err != nil {
				return err
			}
			points = append(points, rollcall.Service{Node: n.Name, Drain: drain})
			if own[i].Out, err = roll.ReadClaims(ctx, a.record, n.Name); err != nil {
				return err
			}
		}
		states, err := roll.LookAt(ctx, a.record, a.balancer(fleet.transport), points)
		for i := range own {
			switch {
			case err != nil:
				own[i].InService = len(own[i].Out) == 0
				own[i].Problem, own[i].Hint = "its balancer can't be asked: "+err.Error(), rollcall.HintOf(err)
			default:
				own[i].InService = states[i].InService()
			}
		}
	}
	return nil
}
