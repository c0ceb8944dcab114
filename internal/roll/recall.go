package roll

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// Resume takes up the last roll of an environment where it was paused, stopped or lost
// its controller, and finishes what its stored plan says. KindConflict where there is
// none, or where somebody is rolling it.
func (e *Engine) Resume(ctx context.Context, environment string) (*rollcall.RollFinished, error) {
	return e.takeUp(ctx, environment, false)
}

// Abort takes it up to go back: to what was live on each node before that roll met it.
func (e *Engine) Abort(ctx context.Context, environment string) (*rollcall.RollFinished, error) {
	return e.takeUp(ctx, environment, true)
}

func (e *Engine) takeUp(ctx context.Context, environment string, abort bool) (*rollcall.RollFinished, error) {
	state, err := ReadState(ctx, e.Record, environment)
	if err != nil {
		return nil, err
	}
	open := state.Open()
	if open == nil {
		return nil, NothingOpen(environment, state)
	}
	r, err := e.recall(ctx, open)
	if err != nil {
		return nil, err
	}
	defer r.hangUp()
	ctx, err = r.takeOver(ctx, open)
	if err != nil {
		return nil, err
	}
	if abort && r.back == nil {
		r.asked.by = r.By
		if err := r.turnBack(ctx, errAborted); err != nil {
			r.lease.stop(nil)
			return nil, err
		}
	}
	// Fenced first, and only then looked at: nothing that the dead or superseded
	// controller sent can change a node behind our back.
	err = r.connect(ctx, rollcall.Session.Fence)
	if err == nil && r.back == nil {
		err = r.withinLimits()
	}
	if err != nil && ctx.Err() == nil {
		return r.pause(ctx, err)
	}
	return r.carryOn(ctx)
}

// NothingOpen says that there is no roll to take up.
func NothingOpen(environment string, state *State) error {
	last := "nothing was ever rolled there"
	if state.Last != nil {
		last = fmt.Sprintf("the last roll, %s/%d, ended: %s", environment, state.Last.Roll, state.Last.Outcome)
	}
	return rollcall.Errorf(rollcall.KindConflict, "no roll of %s was interrupted: %s", environment, last).
		WithHint("see rollcall log %s; rollcall rollback %s brings back what was live before", environment, environment)
}

// recall makes a run of what the record says of it.
func (e *Engine) recall(ctx context.Context, open *rollcall.RollStarted) (*run, error) {
	plan, err := ReadPlan(ctx, e.Record, open.Environment, open.Roll, open.Plan)
	if err != nil {
		return nil, err
	}
	if plan == nil {
		return nil, rollcall.Errorf(rollcall.KindConflict, "roll %s/%d ended before its plan was written: it has touched nothing", open.Environment, open.Roll).
			WithHint("roll again: rollcall roll %s --accept-risk=interrupted", open.Environment)
	}
	r := e.newRun(plan)
	r.number, r.begun = open.Roll, open.At
	r.journal.record, r.journal.stream = e.Record, rollcall.RollStream(open.Environment, open.Roll)
	events, err := e.Record.Read(ctx, r.journal.stream, 0)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]*member, len(r.members))
	for _, m := range r.members {
		byName[m.Node.Name] = m
	}
	for _, event := range events {
		r.journal.after = event.Seq
		if err := r.replay(event, byName); err != nil {
			return nil, err
		}
	}
	for _, m := range r.members {
		m.retry(r.back != nil)
	}
	return r, nil
}

func (r *run) replay(e rollcall.Event, members map[string]*member) error {
	switch {
	case e.Type == rollcall.EventRollingBack:
		r.back = &rollcall.Note{}
		return e.Decode(r.back)
	case e.Type == rollcall.EventHookStarted, e.Type == rollcall.EventHookFinished, e.Type == rollcall.EventHookFailed:
		var h rollcall.HookRun
		if err := e.Decode(&h); err != nil {
			return err
		}
		r.hooks[hookKey(h.When, h.Index)] = e.Type
	case strings.HasPrefix(e.Type, rollcall.EventNodePrefix):
		var s rollcall.NodeStep
		if err := e.Decode(&s); err != nil {
			return err
		}
		if m := members[s.Node]; m != nil {
			m.replay(s)
		}
	}
	return nil
}

func (m *member) replay(s rollcall.NodeStep) {
	m.step, m.bytes = s.Step, max(m.bytes, s.Bytes)
	if s.Step != rollcall.StepReverting && s.Step != rollcall.StepReverted { // why it went back counts on
		m.err = nil
	}
	switch s.Step {
	case rollcall.StepPrepared, rollcall.StepDraining, rollcall.StepSwitching:
		if !m.met { // the node was asked before these were written
			m.before, m.met = s.From, true
		}
		m.touched = m.touched || s.Step == rollcall.StepSwitching
	case rollcall.StepOK:
		m.passed = true
		if !m.met {
			m.before, m.met = s.From, true
		}
	case rollcall.StepReverting:
		m.passed = false
	case rollcall.StepReverted:
		m.touched = false
	case rollcall.StepFailed:
		m.passed, m.err = false, lostBefore(s, rollcall.KindFailed)
	case rollcall.StepBroken:
		m.passed, m.err = false, lostBefore(s, rollcall.KindBroken)
	case rollcall.StepUnreachable:
		m.passed, m.err = false, lostBefore(s, rollcall.KindUnreachable)
	}
}

func lostBefore(s rollcall.NodeStep, kind rollcall.Kind) error {
	return &rollcall.Error{Kind: kind, Node: s.Node, Op: s.Message, Hint: s.Hint}
}

// retry sets a node that was lost, or was under way, to be tried once more. One that
// was put back alone, since it failed, stays as it is; so does, on the way back, one
// that is back already.
func (m *member) retry(back bool) {
	switch m.step {
	case rollcall.StepOK:
		if !back {
			return
		}
	case rollcall.StepReverted:
		return
	case rollcall.StepSkipped:
		if back {
			return
		}
	}
	m.step, m.err = rollcall.StepWaiting, nil
	if back && m.touched {
		m.step = rollcall.StepReverting
	}
}

// takeOver takes the lease of a roll whose holder is gone, and makes it impossible for
// that one to write on, should it wake.
func (r *run) takeOver(ctx context.Context, open *rollcall.RollStarted) (context.Context, error) {
	ctx, lease, state, err := Take(ctx, r.Record, open.Environment, r.By, fmt.Sprintf("%s %s/%d", r.plan.Kind, open.Environment, open.Roll),
		func(state *State) ([]rollcall.Event, error) {
			if now := state.Open(); now == nil || now.Roll != open.Roll {
				return nil, NothingOpen(open.Environment, state)
			}
			return []rollcall.Event{rollcall.NewEvent(rollcall.EventRollResumed, rollcall.Asked{By: r.By, Roll: open.Roll})}, nil
		})
	if err != nil {
		return ctx, err
	}
	r.lease, r.state = lease, state
	begun := rollcall.NewEvent(rollcall.EventRollStarted, open)
	begun.At = open.At
	r.journal.tell(begun)
	if err := r.journal.add(ctx, rollcall.NewEvent(rollcall.EventTakenUp, rollcall.Asked{By: r.By, Roll: open.Roll})); err != nil {
		lease.stop(nil)
		return ctx, err
	}
	return ctx, nil
}

// ReadPlan gives the plan of a roll, or nil where it was never written.
func ReadPlan(ctx context.Context, record rollcall.Record, environment string, number int, id string) (*rollcall.Plan, error) {
	// Where version 1 kept it is looked at second.
	for _, stream := range []string{rollcall.PlanStream(environment, id), rollcall.RollStream(environment, number)} {
		events, err := record.Read(ctx, stream, 0)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if e.Type == rollcall.EventRollPlanned {
				plan := &rollcall.Plan{}
				return plan, e.Decode(plan)
			}
		}
	}
	return nil, nil
}
