package app

import (
	"context"
	"sync"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// Adopt makes an environment's nodes follow this record, and takes over what stands there
// that is not Rollcall's.
func (a *App) Adopt(ctx context.Context, environment string, each func(rollcall.NodeStatus)) error {
	env, err := a.environment(environment)
	if err != nil {
		return err
	}
	// A lease gives the token that the nodes are to trust from now on.
	held, lease, state, err := roll.Take(ctx, a.record, env.Name, a.by, "adopt "+env.Name, nil)
	if err != nil {
		return err
	}
	found := &adoption{stands: map[string]rollcall.ReleaseID{}}
	err = a.ask(held, environment, func(n rollcall.NodeStatus) {
		found.add(n)
		each(n)
	}, func(ctx context.Context, session rollcall.Session, n *rollcall.NodeStatus) error {
		session.Claim(lease.Token())
		if err := session.Adopt(ctx); err != nil {
			return err
		}
		has, err := session.Hello(ctx)
		if err != nil {
			return err
		}
		if has.Foreign != "" {
			if _, err := session.TakeOver(ctx); err != nil {
				return err
			}
			n.TakenOver = true
		}
		return a.learn(ctx, session)
	})
	var events []rollcall.Event
	if len(found.stands) > 0 {
		adopted := rollcall.Adopted{By: a.by, Nodes: found.stands}
		if state.Live.Release == "" {
			adopted.Live = found.most()
		}
		events = append(events, rollcall.NewEvent(rollcall.EventAdopted, adopted))
	}
	if released := lease.Release(ctx, state.Seq, events...); err == nil {
		err = released
	}
	return err
}

// learn keeps the manifest of what is live on a node, so that it can be gone back to.
func (a *App) learn(ctx context.Context, session rollcall.Session) error {
	has, err := session.Hello(ctx)
	if err != nil || has.Current == "" {
		return err
	}
	releases, err := a.store(ctx)
	if err != nil {
		return err
	}
	if _, err := releases.Manifest(has.Current); err == nil {
		return nil
	}
	m, err := session.Manifest(ctx, has.Current)
	if err != nil {
		return err
	}
	return releases.Adopt(has.Current, m)
}

// adoption is what was found on the nodes.
type adoption struct {
	mu     sync.Mutex
	stands map[string]rollcall.ReleaseID
}

func (f *adoption) add(n rollcall.NodeStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.Problem == "" && n.Release != "" {
		f.stands[n.Name] = n.Release
	}
}

// most is the release that most nodes have.
func (f *adoption) most() (release rollcall.ReleaseID) {
	count := map[rollcall.ReleaseID]int{}
	for _, id := range f.stands {
		count[id]++
		if count[id] > count[release] || count[id] == count[release] && id < release {
			release = id
		}
	}
	return release
}
