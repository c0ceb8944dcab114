package roll

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/rollcall-dev/rollcall"
)

// turnBack writes down that the roll goes back, and why. From then on it can't go
// forward again.
func (r *run) turnBack(ctx context.Context, cause error) error {
	note := &rollcall.Note{Environment: r.plan.Environment, Roll: r.number, Text: cause.Error(), Hint: rollcall.HintOf(cause), Kind: rollcall.KindOf(cause)}
	if errors.Is(cause, errAborted) {
		note.Aborted, note.Text = r.asked.by, "aborted by "+r.asked.by
	}
	if err := r.journal.add(ctx, rollcall.NewEvent(rollcall.EventRollingBack, note)); err != nil {
		return err
	}
	r.back = note
	return nil
}

// goBack takes back what this roll switched, in reverse order, each node to what was
// live there before. Nodes that can't be reached stop nothing: they are left behind.
func (r *run) goBack(ctx context.Context) (*rollcall.RollFinished, error) {
	cause := (&rollcall.Error{Kind: cmp.Or(r.back.Kind, rollcall.KindFailed), Op: r.back.Text}).WithHint("%s", r.back.Hint)
	var stuck []string
	var stuckErr error
	for end := len(r.members); end > 0; {
		size := r.batchEndingAt(end)
		members, err := r.toRevert(ctx, r.members[end-size:end])
		end -= size
		if err != nil {
			return r.cutShort(ctx, err)
		}
		if len(members) == 0 {
			continue
		}
		if err := r.wanted(); err != nil {
			return r.pause(ctx, err)
		}
		failed, err := r.revertBatch(ctx, members)
		if err != nil {
			return r.cutShort(ctx, err)
		}
		for _, m := range failed {
			stuck, stuckErr = append(stuck, m.Node.Name), m.err
		}
	}
	if len(stuck) > 0 {
		slices.Sort(stuck)
		return r.pause(ctx, rollcall.Errorf(rollcall.KindStopped, "%w; and these do not work at what was live before either: %s (%w)", cause, list(stuck), stuckErr).
			WithHint("look at them, then rollcall resume %s tries again", r.plan.Environment))
	}
	return r.finish(ctx, rollcall.OutcomeRolledBack, cause)
}

// cutShort ends where the way back itself is barred.
func (r *run) cutShort(ctx context.Context, err error) (*rollcall.RollFinished, error) {
	if r.decide(ctx, err) == isGone {
		r.lease.stop(nil)
		return r.result(rollcall.OutcomeStopped, err), err
	}
	return r.pause(ctx, err)
}

// toRevert are the nodes of a batch that this roll has moved or taken out of service.
func (r *run) toRevert(ctx context.Context, batch []*member) (members []*member, err error) {
	for _, m := range batch {
		if m.step == rollcall.StepReverted {
			continue
		}
		claimed, err := r.claimed(ctx, m)
		if err != nil {
			return nil, err
		}
		if m.touched || claimed {
			members = append(members, m)
		}
	}
	return members, nil
}

func (r *run) revertBatch(ctx context.Context, members []*member) (failed []*member, err error) {
	for _, m := range members {
		r.set(m, rollcall.StepReverting, m.err)
	}
	events := make([]rollcall.Event, len(members))
	for i, m := range members {
		events[i] = r.stepEvent(m, rollcall.StepReverting)
	}
	if err := r.journal.add(ctx, events...); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	r.each(ctx, members, func(ctx context.Context, m *member) {
		fault := r.revertNode(ctx, m)
		if fault == nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case rollcall.KindOf(fault) == rollcall.KindConflict, rollcall.KindOf(fault) == rollcall.KindStopped,
			rollcall.KindOf(fault) == rollcall.KindInconclusive, rollcall.KindOf(fault) == rollcall.KindInternal:
			err = fault
		default:
			if written := r.lose(ctx, m, fault); written != nil {
				err = written
			}
			if m.step == rollcall.StepFailed {
				failed = append(failed, m)
			} else {
				r.leaveOut(ctx, m)
			}
		}
	})
	return failed, err
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

// revertNode brings one node to what it had: out of service, back, verified, in service.
func (r *run) revertNode(ctx context.Context, m *member) error {
	if !m.touched { // it was only taken out, perhaps since it could not be reached
		return r.revertService(ctx, m)
	}
	if err := r.again(ctx, m); err != nil {
		return err
	}
	if m.Drain != nil {
		if err := r.takeOut(ctx, m); err != nil {
			return err
		}
	}
	if err := r.switchBack(ctx, m); err != nil {
		return err
	}
	if m.before != "" { // before the first release there was nothing to look at
		if err := r.verify(ctx, m, m.before); err != nil {
			return err
		}
	}
	return r.revertService(ctx, m)
}

func (r *run) revertService(ctx context.Context, m *member) error {
	if err := r.putBack(ctx, m, ClaimsOf(r.plan.Environment)...); err != nil {
		return err
	}
	return r.note(ctx, rollcall.StepReverted, m)
}

// switchBack makes what a node had live again, and active.
func (r *run) switchBack(ctx context.Context, m *member) error {
	if m.has.Current != m.before || m.has.Applying != nil {
		if _, err := m.session.Switch(ctx, m.has.Current, m.before, m.keep); err != nil {
			return err
		}
		m.has.Current = m.before
	}
	if m.before == "" {
		return nil
	}
	return r.activate(ctx, m, m.before)
}

// clean removes old releases. It can't fail a roll.
func (r *run) clean(ctx context.Context) {
	always := []rollcall.ReleaseID{r.plan.Release, r.plan.From.Release}
	always = slices.DeleteFunc(always, func(id rollcall.ReleaseID) bool { return id == "" })
	r.each(ctx, r.members, func(ctx context.Context, m *member) {
		if m.step != rollcall.StepOK || !m.touched || m.session == nil || len(m.has.Releases) < r.plan.Keep {
			return
		}
		if err := m.session.Clean(ctx, r.plan.Keep, always); err != nil {
			r.warn("old releases stay on " + m.Node.Name + ": " + strings.TrimSpace(err.Error()))
		}
	})
}
