package roll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// switchTiers switches tier by tier and batch by batch. The first node that fails
// keeps all that have not begun from beginning.
func (r *run) switchTiers(ctx context.Context) error {
	at := 0
	for _, tier := range r.plan.Tiers {
		for i, batch := range tier.Batches {
			members := r.members[at : at+len(batch)]
			at += len(batch)
			if r.stopped() {
				return errStopped
			}
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if err := r.switchBatch(ctx, tier, i, members); err != nil {
				return err
			}
			last := i == len(tier.Batches)-1 && tier.Name == r.plan.Tiers[len(r.plan.Tiers)-1].Name
			if tier.Soak > 0 && !last {
				r.soak(ctx, tier.Soak)
			}
		}
	}
	return nil
}

func (r *run) switchBatch(ctx context.Context, tier rollcall.TierPlan, i int, members []*member) error {
	members = slices.DeleteFunc(slices.Clone(members), func(m *member) bool { return m.err != nil })
	if len(members) == 0 {
		return nil
	}
	started := rollcall.TierStarted{Environment: r.plan.Environment, Roll: r.number, Tier: tier.Name, Batch: i + 1, Batches: len(tier.Batches)}
	for _, m := range members {
		started.Nodes = append(started.Nodes, m.Node.Name)
	}
	// The intent of the whole batch is on disk before the first of its effects.
	events := []rollcall.Event{rollcall.NewEvent(rollcall.EventTierStarted, started)}
	for _, m := range members {
		m.step = rollcall.StepSwitching
		events = append(events, r.stepEvent(m, rollcall.StepSwitching))
	}
	if err := r.journal.add(ctx, events...); err != nil {
		return err
	}
	// What has begun on a node comes to its end there, also when the person wants to
	// stop: only losing the lease cuts it short.
	var failed atomic.Bool
	var mu sync.Mutex
	var first error
	r.each(ctx, members, func(ctx context.Context, m *member) {
		if failed.Load() {
			m.step = rollcall.StepSkipped
			r.tell(m, m.step)
			return
		}
		err := r.switchNode(ctx, m)
		if err == nil {
			return
		}
		if r.tolerable(m, err) {
			r.drop(m, err)
			if err = r.noteLost(ctx, []*member{m}); err == nil {
				return
			}
		} else if rollcall.KindOf(err) != rollcall.KindConflict {
			r.drop(m, err)
			err = errors.Join(err, r.noteLost(ctx, []*member{m}))
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

// tolerable tells whether a node that is lost during the switch is within the limit.
func (r *run) tolerable(m *member, err error) bool {
	if r.plan.Kind == rollcall.KindRollback {
		return rollcall.KindOf(err) == rollcall.KindUnreachable || rollcall.KindOf(err) == rollcall.KindBroken
	}
	if rollcall.KindOf(err) != rollcall.KindUnreachable {
		return false
	}
	lost := 1
	for _, other := range r.members {
		if other != m && other.step == rollcall.StepUnreachable {
			lost++
		}
	}
	return lost <= r.plan.Limits.Unreachable.Of(len(r.members), 0)
}

// switchNode is what happens on one node: switch, activate, verify.
func (r *run) switchNode(ctx context.Context, m *member) error {
	if m.has.Current != r.plan.Release {
		m.switched = true // from here on it may be, whatever is heard of it
		if _, err := m.session.Switch(ctx, m.has.Current, r.plan.Release, m.keep); err != nil {
			return err
		}
	} else if r.settled {
		return r.note(ctx, rollcall.StepOK, m)
	}
	if len(m.Activate)+len(m.Verify) == 0 {
		return r.noteBoth(ctx, m)
	}
	if err := r.note(ctx, rollcall.StepSwitched, m); err != nil {
		return err
	}
	if err := r.activate(ctx, m, r.plan.Release); err != nil {
		return err
	}
	if err := r.verify(ctx, m, r.plan.Release); err != nil {
		return err
	}
	return r.note(ctx, rollcall.StepOK, m)
}

// noteBoth writes down that a node was switched and that this was all: one append.
func (r *run) noteBoth(ctx context.Context, m *member) error {
	switched := r.stepEvent(m, rollcall.StepSwitched)
	m.step = rollcall.StepOK
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
	if len(m.Verify) > 0 && m.step == rollcall.StepSwitched { // while going back it stays that
		r.tell(m, rollcall.StepVerifying)
	}
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
		var node *rollcall.Error
		if errors.As(err, &node) && node.Kind == rollcall.KindUnreachable {
			return err // the session is gone, not the probe wrong
		}
		if time.Now().Add(pause).After(deadline) {
			e := &rollcall.Error{Kind: rollcall.KindFailed, Node: m.Node.Name, Op: "verify: " + p.String(), Err: err, Hint: rollcall.HintOf(err)}
			if e.Hint == "" {
				e.Hint = fmt.Sprintf("tried for %v; try it by hand from here", p.Within)
				if p.HTTP != "" {
					e.Hint = fmt.Sprintf("tried for %v; ask it yourself: curl -i %s", p.Within, p.HTTP)
				}
			}
			return e
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (r *run) try(ctx context.Context, m *member, p rollcall.Probe, release rollcall.ReleaseID) error {
	if p.Run == nil {
		return r.Probe(ctx, p)
	}
	out, err := m.session.Run(ctx, "", *p.Run, r.env(m, release))
	if err == nil && out.Exit != 0 {
		if said := lastLine(out.Text); said != "" {
			return fmt.Errorf("it ended with %d: %s", out.Exit, said)
		}
		return fmt.Errorf("it ended with %d and said nothing", out.Exit)
	}
	return err
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func (r *run) soak(ctx context.Context, d time.Duration) {
	r.journal.tell(rollcall.NewEvent(rollcall.EventPreparing, rollcall.Note{Environment: r.plan.Environment, Roll: r.number, Text: fmt.Sprintf("soaking for %v", d)}))
	select {
	case <-time.After(d):
	case <-r.Stop:
	case <-ctx.Done():
	}
}

// revert takes back what this roll switched, in reverse order, each node to what was
// live there before. It goes on past nodes that can't be brought back and names them.
func (r *run) revert(ctx context.Context, cause error) error {
	why := rollcall.NewEvent(rollcall.EventRollingBack, rollcall.Note{Environment: r.plan.Environment, Roll: r.number, Text: cause.Error()})
	if err := r.journal.add(ctx, why); err != nil {
		return err
	}
	var stuck []string
	var stuckErr error
	for end := len(r.members); end > 0; {
		size := r.batchEndingAt(end)
		var members []*member
		for _, m := range r.members[end-size : end] {
			if m.switched {
				members = append(members, m)
			}
		}
		end -= size
		if len(members) == 0 {
			continue
		}
		for _, m := range members {
			m.step = rollcall.StepReverting
		}
		events := make([]rollcall.Event, len(members))
		for i, m := range members {
			events[i] = r.stepEvent(m, rollcall.StepReverting)
		}
		if err := r.journal.add(ctx, events...); err != nil {
			return err
		}
		var mu sync.Mutex
		r.each(ctx, members, func(ctx context.Context, m *member) {
			if err := r.revertNode(ctx, m); err != nil {
				r.drop(m, err)
				err = errors.Join(err, r.noteLost(ctx, []*member{m}))
				mu.Lock()
				stuck, stuckErr = append(stuck, m.Node.Name), err
				mu.Unlock()
			}
		})
	}
	if len(stuck) > 0 {
		slices.Sort(stuck)
		return rollcall.Errorf(rollcall.KindStopped, "%w; and these could not be brought back: %s (%w)", cause, list(stuck), stuckErr).
			WithHint("look at them, then rollcall roll %s --at REVISION --only NODE, or rollcall rollback %s", r.plan.Environment, r.plan.Environment)
	}
	return nil
}

// batchEndingAt is the size of the batch whose last node is members[end-1].
func (r *run) batchEndingAt(end int) int {
	at := 0
	for _, tier := range r.plan.Tiers {
		for _, batch := range tier.Batches {
			if at += len(batch); at == end {
				return len(batch)
			}
		}
	}
	return end
}

func (r *run) revertNode(ctx context.Context, m *member) error {
	before := m.has.Current
	if err := r.reconnect(ctx, m); err != nil {
		return err
	}
	if m.has.Current == r.plan.Release {
		if _, err := m.session.Switch(ctx, r.plan.Release, before, m.keep); err != nil {
			return err
		}
	}
	m.has.Current = before
	if before != "" { // before the first release there was nothing to run or to look at
		if err := r.activate(ctx, m, before); err != nil {
			return err
		}
		if err := r.verify(ctx, m, before); err != nil {
			return err
		}
	}
	m.reverted = true
	return r.note(ctx, rollcall.StepReverted, m)
}

// reconnect asks a node where it stands now, over a new connection where the old one
// is gone.
func (r *run) reconnect(ctx context.Context, m *member) error {
	state, err := m.session.Hello(ctx)
	if err != nil {
		m.session.Close()
		session, err := r.Fleet.Open(ctx, m.Node)
		if err != nil {
			return err
		}
		session.Claim(r.lease.Token())
		m.session = session
		if state, err = session.Hello(ctx); err != nil {
			return err
		}
	}
	m.has = state
	return nil
}

// clean removes old releases. It can't fail a roll.
func (r *run) clean(ctx context.Context) {
	always := []rollcall.ReleaseID{r.plan.Release, r.plan.From.Release}
	r.each(ctx, r.members, func(ctx context.Context, m *member) {
		if m.step != rollcall.StepOK || !m.switched || len(m.has.Releases) < r.plan.Keep {
			return
		}
		if err := m.session.Clean(ctx, r.plan.Keep, slices.DeleteFunc(slices.Clone(always), func(id rollcall.ReleaseID) bool { return id == "" })); err != nil {
			r.journal.tell(rollcall.NewEvent(rollcall.EventPreparing, rollcall.Note{
				Environment: r.plan.Environment, Roll: r.number, Text: "old releases stay on " + m.Node.Name + ": " + err.Error(),
			}))
		}
	})
}
