package app

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// Audit compares every file with the manifest, on all nodes at once, and repairs what
// differs where it is asked to.
func (a *App) Audit(ctx context.Context, environment string, selection rollcall.Selection, repair bool, each func(rollcall.NodeAudit)) error {
	environments, err := a.environments(environment)
	if err != nil {
		return err
	}
	for _, env := range environments {
		if err := a.auditOne(ctx, env, selection, repair, each); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) auditOne(ctx context.Context, env *rollcall.Environment, selection rollcall.Selection, repair bool, each func(rollcall.NodeAudit)) error {
	chosen := map[string]bool{}
	for _, n := range roll.Selected(env, selection) {
		chosen[n.Name] = true
	}
	if len(chosen) == 0 {
		return rollcall.Errorf(rollcall.KindInvalid, "no node of %s is in the selection", env.Name).WithHint("see rollcall nodes %s", env.Name)
	}
	var token *rollcall.Token
	if repair { // it changes nodes: they want to know by whose leave
		held, lease, state, err := roll.Take(ctx, a.record, env.Name, a.by, "repair "+env.Name, nil)
		if err != nil {
			return err
		}
		ctx = held
		t := lease.Token()
		token = &t
		defer func() { _ = lease.Release(ctx, state.Seq) }() // one that is not given back ends with the process
	}
	nodes := a.fleet(env)
	defer nodes.Close()
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(roll.DefaultParallel)
	for _, tier := range env.Tiers {
		for _, n := range tier.Nodes {
			if !chosen[n.Name] {
				continue
			}
			group.Go(func() error {
				result := rollcall.NodeAudit{Environment: env.Name, Node: n.Name, Tier: tier.Name}
				if err := a.auditNode(ctx, env, tier, n, nodes, token, &result); err != nil {
					result.Problem, result.Hint = err.Error(), rollcall.HintOf(err)
				}
				if result.Drift == nil {
					result.Drift = []rollcall.Drift{}
				}
				mu.Lock()
				defer mu.Unlock()
				each(result)
				return nil
			})
		}
	}
	return group.Wait()
}

func (a *App) auditNode(ctx context.Context, env *rollcall.Environment, tier *rollcall.Tier, n rollcall.Node, nodes nodeFleet, token *rollcall.Token, result *rollcall.NodeAudit) error {
	session, err := nodes.Open(ctx, n)
	if err != nil {
		return err
	}
	defer session.Close()
	request := rollcall.AuditRequest{Link: env.Link, Permissions: env.Permissions}
	if result.Audit, err = session.Audit(ctx, request, func(int64, int64) {}); err != nil {
		return err
	}
	if token == nil || len(result.Drift) == 0 {
		return nil
	}
	session.Claim(*token)
	if err := a.repair(ctx, env, session, &result.Audit); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	// What runs may hold the old files open, or their code in memory.
	vars := n.Variables()
	for _, c := range tier.Activate {
		if c, err = c.Expand(vars); err != nil {
			return err
		}
		out, err := session.Run(ctx, "", c, map[string]string{"ROLLCALL_NODE": n.Name, "ROLLCALL_RELEASE": string(result.Release)})
		if err != nil {
			return err
		}
		if out.Exit != 0 {
			return rollcall.Errorf(rollcall.KindFailed, "repaired, but %s ended with %d", c, out.Exit).WithHint("it said: %s", out.Text)
		}
	}
	again, err := session.Audit(ctx, request, func(int64, int64) {})
	if err != nil {
		return err
	}
	if len(again.Drift) > 0 {
		return rollcall.Errorf(rollcall.KindBroken, "%s, %s among them", rollcall.Plural(len(again.Drift), "path still differs", "paths still differ"), rollcall.Printable(again.Drift[0].Path)).
			WithHint("somebody or something writes there: find out who")
	}
	result.Repaired = true
	return nil
}

// repair makes the live release of a node anew, out of what is right there and what is
// sent for the rest.
func (a *App) repair(ctx context.Context, env *rollcall.Environment, session rollcall.Session, audit *rollcall.Audit) error {
	releases, err := a.store(ctx)
	if err != nil {
		return err
	}
	if _, err := releases.Manifest(audit.Release); err != nil {
		m, err := session.Manifest(ctx, audit.Release)
		if err != nil {
			return err
		}
		if err := releases.Adopt(audit.Release, m); err != nil {
			return err
		}
	}
	repo, err := a.repositoryFor(ctx, env, func(string) {})
	if err != nil {
		return err
	}
	d, err := releases.Deliver(ctx, env.Code, repo, audit.Release, audit.Release, func(string) {})
	if err != nil {
		return err
	}
	d.Link, d.Permissions, d.Distrust = env.Link, env.Permissions, audit.Paths()
	_, err = session.Receive(ctx, d, func(string, int64) {})
	return err
}
