package roll

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// switchTiers switches tier by tier and batch by batch. The first node beyond the limits
// keeps all that have not begun from beginning.
func (r *run) switchTiers(ctx context.Context) error {
	at := 0
	var soak time.Duration
	var soaking []*member
	for _, tier := range r.plan.Tiers {
		for i, batch := range tier.Batches {
			all := r.members[at : at+len(batch)]
			at += len(batch)
			todo, err := r.toSwitch(ctx, all)
			if err != nil {
				return err
			}
			if len(todo) > 0 {
				if err := r.soak(ctx, soak, soaking); err != nil {
					return err
				}
				if err := r.wanted(); err != nil {
					return err
				}
				if err := r.switchBatch(ctx, &tier, i, todo); err != nil {
					return err
				}
			}
			if soaked := came(all); len(soaked) > 0 {
				soak, soaking = tier.Soak, soaked
			}
		}
	}
	return nil
}

// toSwitch are the nodes of a batch that have something to be done. One that was missed
// is kept out of service; one that stands where it should, and was never left by this
// roll, is fine.
func (r *run) toSwitch(ctx context.Context, batch []*member) (todo []*member, err error) {
	var fine []*member
	for _, m := range batch {
		switch {
		case m.passed, m.step == rollcall.StepReverted:
		case m.err != nil:
			r.leaveOut(ctx, m)
		case m.has.Current == r.plan.Release && m.has.Applying == nil && r.settled && !m.touched && r.plan.Kind != rollcall.KindReview:
			claimed, err := r.claimed(ctx, m)
			if err != nil {
				return nil, err
			}
			if claimed {
				todo = append(todo, m)
			} else {
				fine = append(fine, m)
			}
		default:
			todo = append(todo, m)
		}
	}
	for _, m := range fine {
		m.passed = true
	}
	return todo, r.note(ctx, rollcall.StepOK, fine...)
}

// came are the nodes of a batch that this roll has switched and that serve.
func came(batch []*member) (all []*member) {
	for _, m := range batch {
		if m.passed && m.touched {
			all = append(all, m)
		}
	}
	return all
}

func (r *run) switchBatch(ctx context.Context, tier *rollcall.TierPlan, i int, members []*member) error {
	started := rollcall.TierStarted{Environment: r.plan.Environment, Roll: r.number, Tier: tier.Name, Batch: i + 1, Batches: len(tier.Batches)}
	// The intent of the whole batch is on disk before the first of its effects.
	events := make([]rollcall.Event, 1, len(members)+1)
	for _, m := range members {
		started.Nodes = append(started.Nodes, m.Node.Name)
		if m.Drain != nil {
			r.set(m, rollcall.StepDraining, nil)
		} else {
			r.set(m, rollcall.StepSwitching, nil)
			m.touched = true
		}
		events = append(events, r.stepEvent(m, m.step))
	}
	events[0] = rollcall.NewEvent(rollcall.EventTierStarted, started)
	if err := r.journal.add(ctx, events...); err != nil {
		return err
	}
	// What has begun on a node comes to its end there, also when the person wants to
	// pause: only losing the lease cuts it short.
	var failed atomic.Bool
	var mu sync.Mutex
	var first error
	r.each(ctx, members, func(ctx context.Context, m *member) {
		if failed.Load() {
			return
		}
		err := r.switchNode(ctx, m)
		if err == nil {
			m.passed, m.passedAt = true, time.Now()
			return
		}
		if err = r.judge(ctx, m, err); err == nil {
			return
		}
		failed.Store(true)
		mu.Lock()
		if first == nil {
			first = err
		}
		mu.Unlock()
	})
	return first
}

// judge writes down how a node was lost. Within the limits it returns nil: the roll goes
// on without that node.
func (r *run) judge(ctx context.Context, m *member, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	switch rollcall.KindOf(err) {
	case rollcall.KindConflict, rollcall.KindStopped, rollcall.KindInconclusive, rollcall.KindInternal:
		return err // not the node's fault
	}
	if written := r.lose(ctx, m, err); written != nil {
		return written
	}
	if !r.tolerable(m) {
		return err
	}
	if m.step == rollcall.StepFailed && m.touched {
		if back := r.setAside(ctx, m); back != nil {
			return errors.Join(err, back)
		}
	}
	r.leaveOut(ctx, m)
	return nil
}

// setAside brings a node on which the code does not work back to what it had. It stays
// behind, and out of service where it can be taken out.
func (r *run) setAside(ctx context.Context, m *member) error {
	cause := m.err
	r.set(m, rollcall.StepReverting, cause)
	if err := r.journal.add(ctx, r.stepEvent(m, rollcall.StepReverting)); err != nil {
		return err
	}
	err := r.again(ctx, m)
	if err == nil {
		err = r.switchBack(ctx, m)
	}
	if err != nil {
		return r.lose(ctx, m, err)
	}
	return r.note(ctx, rollcall.StepReverted, m)
}

// switchNode is what happens on one node: drain, switch, activate, verify, restore.
func (r *run) switchNode(ctx context.Context, m *member) error {
	if m.Drain != nil {
		if err := r.takeOut(ctx, m); err != nil {
			return err
		}
		m.touched = true // from here on it may be switched, whatever is heard of it
		if err := r.note(ctx, rollcall.StepSwitching, m); err != nil {
			return err
		}
	}
	if m.has.Current != r.plan.Release || m.has.Applying != nil {
		if _, err := m.session.Switch(ctx, m.has.Current, r.plan.Release, m.keep); err != nil {
			return err
		}
	}
	if len(m.Activate)+len(m.Verify) == 0 && m.Drain == nil {
		return r.noteBoth(ctx, m)
	}
	if err := r.note(ctx, rollcall.StepSwitched, m); err != nil {
		return err
	}
	if err := r.activate(ctx, m, r.plan.Release); err != nil {
		return err
	}
	if len(m.Verify) > 0 {
		r.set(m, rollcall.StepVerifying, nil)
		r.tell(m, rollcall.StepVerifying)
	}
	if err := r.verify(ctx, m, r.plan.Release); err != nil {
		return err
	}
	if m.Drain != nil && r.plan.Kind != rollcall.KindReview {
		if err := r.note(ctx, rollcall.StepRestoring, m); err != nil {
			return err
		}
		if err := r.putBack(ctx, m, r.settledClaims()...); err != nil {
			return err
		}
	}
	return r.note(ctx, rollcall.StepOK, m)
}

// settledClaims are those, besides the roll's own, that are over on a node that has come
// through: all of this environment's where it now has what is live, or will be.
func (r *run) settledClaims() []string {
	if r.plan.Partial != "" && r.plan.Release != r.plan.From.Release {
		return nil
	}
	return ClaimsOf(r.plan.Environment)
}

// noteBoth writes down that a node was switched and that this was all: one append.
func (r *run) noteBoth(ctx context.Context, m *member) error {
	switched := r.stepEvent(m, rollcall.StepSwitched)
	r.set(m, rollcall.StepOK, nil)
	return r.journal.add(ctx, switched, r.stepEvent(m, rollcall.StepOK))
}

func (r *run) activate(ctx context.Context, m *member, release rollcall.ReleaseID) error {
	for _, c := range m.Activate {
		out, err := m.session.Run(ctx, "", c, r.env(m, release))
		if err != nil {
			return err
		}
		if out.Exit != 0 {
			return commandError(m, "activate", c, out)
		}
	}
	return nil
}

func commandError(m *member, op string, c rollcall.Command, out rollcall.Output) error {
	e := &rollcall.Error{
		Kind: rollcall.KindFailed, Node: m.Node.Name, Op: op,
		Err:  fmt.Errorf("%s ended with %d", c, out.Exit),
		Hint: "it said nothing; run it on the node to see why",
	}
	if said := strings.TrimSpace(out.Text); said != "" {
		e.Hint = "it said: " + said
	}
	return e
}

func (r *run) env(m *member, release rollcall.ReleaseID) map[string]string {
	return map[string]string{
		"ROLLCALL_NODE": m.Node.Name, "ROLLCALL_TIER": m.Tier, "ROLLCALL_ENVIRONMENT": r.plan.Environment,
		"ROLLCALL_RELEASE": string(release), "ROLLCALL_REVISION": r.plan.Revision.ID,
	}
}

// verify tries each probe until it holds or its time is over.
func (r *run) verify(ctx context.Context, m *member, release rollcall.ReleaseID) error {
	ctx, done := r.untilWanted(ctx, false)
	defer done()
	for _, p := range m.Verify {
		if err := r.until(ctx, m, p, release); err != nil {
			return err
		}
	}
	return nil
}

// tryEvery is the longest pause between two tries of a probe.
const tryEvery = 500 * time.Millisecond

func (r *run) until(ctx context.Context, m *member, p rollcall.Probe, release rollcall.ReleaseID) error {
	deadline := time.Now().Add(p.Within)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, tryEvery) {
		err := r.try(ctx, m, p, release)
		if err == nil {
			return nil
		}
		switch kind := rollcall.KindOf(err); {
		case kind == rollcall.KindUnreachable, kind == rollcall.KindConflict, kind == rollcall.KindRefused:
			return err // the session is gone, not the probe wrong
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if time.Now().Add(pause).After(deadline) {
			e := &rollcall.Error{Kind: rollcall.KindFailed, Node: m.Node.Name, Op: "verify: " + p.String(), Err: err, Hint: rollcall.HintOf(err)}
			if rollcall.KindOf(err) == rollcall.KindInconclusive {
				e.Kind = rollcall.KindInconclusive
			}
			if e.Hint == "" {
				e.Hint = fmt.Sprintf("tried for %v; try it by hand from here", p.Within)
				if p.HTTP != "" {
					e.Hint = fmt.Sprintf("tried for %v; ask it yourself: curl -i %s", p.Within, p.HTTP)
				}
			}
			return e
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func (r *run) try(ctx context.Context, m *member, p rollcall.Probe, release rollcall.ReleaseID) error {
	said, err := r.tryOnce(ctx, m, p, release)
	if err == nil && said != "" {
		r.warn(m.Node.Name + ": " + p.String() + ": " + said)
	}
	return err
}

func (r *run) tryOnce(ctx context.Context, m *member, p rollcall.Probe, release rollcall.ReleaseID) (said string, err error) {
	command := p.Command()
	if command == nil || p.Here {
		return r.Probe(ctx, p, release, r.env(m, release))
	}
	out, err := m.session.Run(ctx, "", *command, r.env(m, release))
	if err != nil {
		return "", err
	}
	return p.Judge(out)
}

// soak waits after a batch, and looks whether its nodes still pass.
func (r *run) soak(ctx context.Context, d time.Duration, members []*member) error {
	if d <= 0 {
		return nil
	}
	r.say(fmt.Sprintf("soaking for %v", d))
	ctx, done := r.untilWanted(ctx, true)
	defer done()
	for end := time.Now().Add(d); ; {
		left := time.Until(end)
		if err := sleep(ctx, min(left, soakLook)); err != nil {
			return err
		}
		if err := r.stillPass(ctx, members); err != nil {
			return err
		}
		if left <= soakLook {
			return nil
		}
	}
}

// soakLook is how often nodes are looked at while a batch soaks.
const soakLook = 5 * time.Second

func (r *run) stillPass(ctx context.Context, members []*member) error {
	var mu sync.Mutex
	var first error
	r.each(ctx, members, func(ctx context.Context, m *member) {
		if m.session == nil { // it came through before this controller took over
			if err := r.again(ctx, m); err != nil {
				return
			}
		}
		err := r.verify(ctx, m, r.plan.Release)
		if err == nil {
			return
		}
		m.passed = false
		if err = r.judge(ctx, m, err); err != nil {
			mu.Lock()
			first = err
			mu.Unlock()
		}
	})
	return first
}
