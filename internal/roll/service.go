package roll

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-dev/rollcall"
)

const (
	lookEvery = 100 * time.Millisecond // at first; the pause grows to lookMost
	lookMost  = time.Second
)

// serviceRoom keeps nodes that are being taken out at the same time from making too few.
type serviceRoom struct {
	mu     sync.Mutex
	taking map[string]bool // out, or about to be, by this roll
}

// claimName is the reason for which this roll takes nodes out.
func (r *run) claimName() string {
	if r.plan.Kind == rollcall.KindReview {
		return ClaimOfReview(r.plan.Environment)
	}
	return claimOfRoll(r.plan.Environment)
}

func (r *run) point(m *member) rollcall.DrainPoint {
	return rollcall.DrainPoint{Node: m.Node.Name, Drain: *m.Drain, Session: m.session}
}

// takeOut takes a node out of service: the reason is written down, new requests are kept
// away, and those under way are waited for. It may be asked again.
func (r *run) takeOut(ctx context.Context, m *member) error {
	if m.Drain == nil {
		return nil
	}
	if err := r.room(ctx, m); err != nil {
		return err
	}
	balancer, point := r.Balancer(*m.Drain), r.point(m)
	mine, err := AddClaim(ctx, r.Record, rollcall.Claim{
		Node: m.Node.Name, Name: r.claimName(), By: r.By, Drain: m.Drain, Why: fmt.Sprintf("%s %s/%d", r.plan.Kind, r.plan.Environment, r.number),
	}, func() (bool, error) { return isOut(ctx, balancer, point) })
	if err != nil {
		return err
	}
	if !mine.Found {
		if err := balancer.Drain(ctx, point); err != nil {
			return err
		}
	}
	return r.sessionsEnd(ctx, balancer, point)
}

func isOut(ctx context.Context, balancer rollcall.Balancer, point rollcall.DrainPoint) (bool, error) {
	states, err := balancer.Look(ctx, []rollcall.DrainPoint{point})
	if err != nil {
		return false, err
	}
	return states[0].Out, nil
}

func (r *run) sessionsEnd(ctx context.Context, balancer rollcall.Balancer, point rollcall.DrainPoint) error {
	ctx, done := r.untilWanted(ctx, false)
	defer done()
	return SessionsEnd(ctx, balancer, point, r.warn)
}

// SessionsEnd waits until nothing is under way on a drained node, or its time is over.
func SessionsEnd(ctx context.Context, balancer rollcall.Balancer, point rollcall.DrainPoint, say func(string)) error {
	deadline := time.Now().Add(point.Drain.Wait)
	for pause := lookEvery / 10; ; pause = min(2*pause, lookMost) {
		states, err := balancer.Look(ctx, []rollcall.DrainPoint{point})
		if err != nil {
			return err
		}
		switch {
		case states[0].Sessions <= 0:
			return nil
		case time.Now().After(deadline):
			say(fmt.Sprintf("%s: %s still under way after %v: going on", point.Node, rollcall.Plural(states[0].Sessions, "session is", "sessions are"), point.Drain.Wait))
			return nil
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// putBack puts a node into service again, unless somebody else wants it out, and waits
// until the balancer finds it healthy. It may be asked again.
func (r *run) putBack(ctx context.Context, m *member, names ...string) error {
	if m.Drain == nil {
		return nil
	}
	left, err := DropClaims(ctx, r.Record, m.Node.Name, append(names, r.claimName()), r.By, func(at rollcall.Drain) error {
		balancer, point := r.Balancer(at), r.point(m)
		point.Drain = at
		if err := balancer.Restore(ctx, point); err != nil {
			return err
		}
		return ComesUp(ctx, balancer, point)
	})
	if err != nil {
		return err
	}
	r.service.mu.Lock()
	delete(r.service.taking, m.Node.Name)
	r.service.mu.Unlock()
	if len(left) > 0 {
		r.warn(m.Node.Name + " stays out of service: " + claimWords(left))
	}
	return nil
}

func claimWords(claims []rollcall.Claim) string {
	var words []string
	for _, c := range claims {
		word := c.Name + " by " + c.By
		if c.Why != "" {
			word += ": " + c.Why
		}
		words = append(words, word)
	}
	return strings.Join(words, "; ")
}

// ComesUp waits until a balancer finds a node that was put back healthy.
func ComesUp(ctx context.Context, balancer rollcall.Balancer, point rollcall.DrainPoint) error {
	deadline := time.Now().Add(point.Drain.Wait)
	for pause := lookEvery / 10; ; pause = min(2*pause, lookMost) {
		states, err := balancer.Look(ctx, []rollcall.DrainPoint{point})
		if err != nil || states[0].InService() {
			return err
		}
		if time.Now().After(deadline) {
			return (&rollcall.Error{
				Kind: rollcall.KindFailed, Node: point.Node, Op: "put it back into service",
				Err: fmt.Errorf("the balancer does not find it healthy after %v", point.Drain.Wait),
			}).WithHint("look at its health check there")
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// room waits until the tier can do without one more node. A node that is out already
// needs none.
func (r *run) room(ctx context.Context, m *member) error {
	tier := r.tier(m.Tier)
	if tier.MinInService == 0 {
		return nil
	}
	ctx, done := r.untilWanted(ctx, false)
	defer done()
	deadline := time.Now().Add(m.Drain.Wait)
	for pause := lookEvery; ; pause = min(2*pause, lookMost) {
		r.service.mu.Lock()
		others := len(r.service.taking)
		in, mine, err := r.inService(ctx, tier, m)
		free := err == nil && (!mine || in-1 >= tier.MinInService)
		if free {
			if r.service.taking == nil {
				r.service.taking = map[string]bool{}
			}
			r.service.taking[m.Node.Name] = true
		}
		r.service.mu.Unlock()
		if free || err != nil {
			return err
		}
		if others > 0 {
			deadline = time.Now().Add(m.Drain.Wait) // one of ours comes back
		} else if time.Now().After(deadline) {
			return (&rollcall.Error{
				Kind: rollcall.KindInconclusive, Node: m.Node.Name, Op: "take it out of service",
				Err: fmt.Errorf("%d of %s in service, and min_in_service wants %d to stay", in,
					rollcall.Plural(len(tier.Service), "node of "+tier.Name+" is", "nodes of "+tier.Name+" are"), tier.MinInService),
			}).WithHint("bring nodes back (rollcall nodes %[1]s shows which are out), then rollcall resume %[1]s", r.plan.Environment)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// spared tells whether a tier can do without a node now.
func (r *run) spared(ctx context.Context, m *member) (bool, error) {
	tier := r.tier(m.Tier)
	if tier.MinInService == 0 {
		return true, nil
	}
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	in, mine, err := r.inService(ctx, tier, m)
	return !mine || in-1 >= tier.MinInService, err
}

// inService counts the nodes of a tier that are given requests, and tells whether m is
// one of them. Nodes that this roll is about to take out count as out.
func (r *run) inService(ctx context.Context, tier *rollcall.TierPlan, m *member) (in int, mine bool, err error) {
	states, err := LookAt(ctx, r.Record, r.Balancer, tier.Service)
	if err != nil {
		return 0, false, err
	}
	for i, s := range tier.Service {
		if !states[i].InService() || r.service.taking[s.Node] && s.Node != m.Node.Name {
			continue
		}
		in++
		mine = mine || s.Node == m.Node.Name
	}
	return in, mine, nil
}

// LookAt tells how nodes stand: those that a balancer knows as it sees them, those that
// are drained on the node itself as the record says.
func LookAt(ctx context.Context, record rollcall.Record, balancer func(rollcall.Drain) rollcall.Balancer, nodes []rollcall.Service) ([]rollcall.ServiceState, error) {
	states := make([]rollcall.ServiceState, len(nodes))
	var points []rollcall.DrainPoint
	var places []int
	for i, n := range nodes {
		if n.Drain.Flag == "" && !n.Drain.OnNode && (n.Drain.State != nil || len(n.Drain.HAProxy) > 0) {
			points, places = append(points, rollcall.DrainPoint{Node: n.Node, Drain: n.Drain}), append(places, i)
			continue
		}
		claims, err := ReadClaims(ctx, record, n.Node)
		if err != nil {
			return nil, err
		}
		states[i] = rollcall.ServiceState{Out: len(claims) > 0, Up: true, Sessions: -1}
	}
	if len(points) > 0 {
		seen, err := balancer(points[0].Drain).Look(ctx, points)
		if err != nil {
			return nil, err
		}
		for i, at := range places {
			states[at] = seen[i]
		}
	}
	return states, nil
}

// leaveOut keeps a node that this roll has missed out of service, until it was brought
// to what is live. What can't be done to it stops nothing.
func (r *run) leaveOut(ctx context.Context, m *member) {
	if m.Drain == nil || r.plan.Kind == rollcall.KindReview {
		return
	}
	why := "it was missed"
	if m.err != nil {
		why = m.err.Error()
	}
	if free, err := r.spared(ctx, m); err != nil || !free {
		r.warn(m.Node.Name + " is behind and stays in service: too few others are")
		return
	}
	balancer, point := r.Balancer(*m.Drain), r.point(m)
	mine, err := AddClaim(ctx, r.Record, rollcall.Claim{Node: m.Node.Name, Name: claimOfBehind(r.plan.Environment), By: r.By, Drain: m.Drain, Why: why},
		func() (bool, error) { return isOut(ctx, balancer, point) })
	if err == nil && !mine.Found {
		err = balancer.Drain(ctx, point)
	}
	if err == nil {
		_, err = DropClaims(ctx, r.Record, m.Node.Name, []string{r.claimName()}, r.By, func(rollcall.Drain) error { return nil })
	}
	if err != nil {
		r.warn(fmt.Sprintf("%s is behind and could not be taken out of service: %v", m.Node.Name, err))
	}
}

// claimed tells whether this roll has a claim on a node.
func (r *run) claimed(ctx context.Context, m *member) (bool, error) {
	if m.Drain == nil {
		return false, nil
	}
	claims, err := ReadClaims(ctx, r.Record, m.Node.Name)
	names := ClaimsOf(r.plan.Environment)
	return slices.ContainsFunc(claims, func(c rollcall.Claim) bool { return slices.Contains(names, c.Name) }), err
}

func (r *run) tier(name string) *rollcall.TierPlan {
	for i := range r.plan.Tiers {
		if r.plan.Tiers[i].Name == name {
			return &r.plan.Tiers[i]
		}
	}
	return &rollcall.TierPlan{}
}

// sleep waits for a time or the context's end.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
