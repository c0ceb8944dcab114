package roll

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// connect opens a session with every node that has not come through yet and asks what
// it has. A node that can't be reached is known before anything is begun.
func (r *run) connect(ctx context.Context, ask func(rollcall.Session, context.Context) (rollcall.NodeState, error)) error {
	r.each(ctx, r.members, func(ctx context.Context, m *member) {
		if m.passed && r.back == nil || m.step == rollcall.StepReverted || r.back != nil && !m.touched && m.Drain == nil {
			return // nothing is to be done there
		}
		if m.step == rollcall.StepWaiting {
			r.tell(m, rollcall.StepConnecting)
		}
		if err := r.meet(ctx, m, ask); err != nil {
			r.drop(m, err)
		}
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, m := range r.members {
		// What the node's operator or another controller must settle is no fault that a
		// limit could allow for.
		if m.err != nil && (rollcall.KindOf(m.err) == rollcall.KindRefused || rollcall.KindOf(m.err) == rollcall.KindConflict) {
			return m.err
		}
	}
	return nil
}

func (r *run) meet(ctx context.Context, m *member, ask func(rollcall.Session, context.Context) (rollcall.NodeState, error)) error {
	session, err := r.Fleet.Open(ctx, m.Node)
	if err != nil {
		return err
	}
	m.session = session
	if r.lease != nil {
		session.Claim(r.lease.Token())
	}
	if m.has, err = ask(session, ctx); err != nil {
		return err
	}
	if !m.met {
		m.before, m.met = m.has.Current, true
	}
	if m.has.Foreign != "" {
		return (&rollcall.Error{
			Kind: rollcall.KindRefused, Node: m.Node.Name,
			Err: fmt.Errorf("%s holds something that Rollcall did not put there: %s", m.Node.Folder, rollcall.Printable(m.has.Foreign)),
		}).WithHint("take it over, with the way back kept: rollcall adopt %s; or roll into a folder that is empty or does not exist yet", r.plan.Environment)
	}
	if token := m.has.Token; token.Record != "" && token.Record != r.Record.ID() {
		return (&rollcall.Error{
			Kind: rollcall.KindRefused, Node: m.Node.Name,
			Err: fmt.Errorf("it belongs to another record (%s), and this one is %s", rollcall.Printable(token.Record), r.Record.ID()),
		}).WithHint("another controller rolls it; if that one is gone for good: rollcall adopt %s", r.plan.Environment)
	}
	return nil
}

// fence makes every node refuse what a superseded controller may still ask for, before
// it is looked at where they stand.
func (r *run) fence(ctx context.Context) {
	r.each(ctx, r.members, func(ctx context.Context, m *member) {
		if m.err != nil || m.session == nil {
			return
		}
		has, err := m.session.Fence(ctx)
		if err != nil {
			r.drop(m, err)
			return
		}
		m.has = has
	})
}

// again asks a node where it stands now, over a new connection where the old one is gone.
func (r *run) again(ctx context.Context, m *member) error {
	if m.session != nil {
		state, err := m.session.Hello(ctx)
		if err == nil {
			m.has = state
			return nil
		}
		m.session.Close()
		m.session = nil
	}
	return r.meet(ctx, m, rollcall.Session.Fence)
}

// lookAfter is for how long what a node has just said counts as a last look at it.
const lookAfter = 2 * time.Second

// lookAgain asks every node that was switched a while ago whether it still stands there:
// a last look before the roll is called done.
func (r *run) lookAgain(ctx context.Context) error {
	r.each(ctx, r.members, func(ctx context.Context, m *member) {
		if m.step != rollcall.StepOK || m.session == nil || !m.touched || time.Since(m.passedAt) < lookAfter {
			return
		}
		state, err := m.session.Hello(ctx)
		switch {
		case err != nil:
			r.warn(m.Node.Name + " could not be asked a last time: " + err.Error())
		case state.Current != r.plan.Release:
			err = rollcall.Errorf(rollcall.KindBroken, "it was switched to %s meanwhile, and not by this roll", state.Current.Short()).
				WithHint("find out who did, then rollcall catch-up %s", r.plan.Environment)
			err = r.lose(ctx, m, err)
			if err != nil {
				r.say(err.Error())
			}
		}
	})
	return context.Cause(ctx)
}

// nothingToDo tells whether all nodes that can be reached stand where they should and the
// record says so.
func (r *run) nothingToDo() bool {
	if r.plan.Kind == rollcall.KindReview || r.plan.Kind == rollcall.KindCatchUp {
		return false
	}
	live := r.plan.From
	for _, m := range r.members {
		if m.err == nil && (m.has.Current != r.plan.Release || m.has.Applying != nil) {
			return false
		}
	}
	for _, w := range r.plan.Warnings {
		if w.ID == "interrupted" {
			return false
		}
	}
	return r.plan.Partial != "" && live.Release == r.plan.Release || live.Release == r.plan.Release && live.Revision.ID == r.plan.Revision.ID
}

// unprepared ends a roll before it has a number: there is nothing to remember of it.
func (r *run) unprepared(err error) (*rollcall.RollFinished, error) {
	for _, m := range r.members {
		if m.err == nil {
			m.step = rollcall.StepSkipped
			r.tell(m, m.step)
		}
	}
	f := r.result(rollcall.OutcomeRefused, err)
	return f, outcomeError(f, err)
}

// unchanged ends a roll that has nothing to do and is not written down.
func (r *run) unchanged() (*rollcall.RollFinished, error) {
	for _, m := range r.members {
		if m.err == nil {
			m.step = rollcall.StepOK
			r.tell(m, m.step)
		}
	}
	f := r.result(rollcall.OutcomeDone, nil)
	if r.missed() > 0 {
		f.Outcome = rollcall.OutcomeBehind
	}
	f.Unchanged, f.Roll = true, r.plan.From.Roll
	r.journal.tell(rollcall.NewEvent(rollcall.EventRollFinished, f))
	return f, outcomeError(f, nil)
}
