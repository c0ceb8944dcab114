package roll

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// finish writes down how the roll ended, with a hold where it was rolled back, and
// gives the lease back: all in one append.
func (r *run) finish(ctx context.Context, outcome rollcall.Outcome, cause error) (*rollcall.RollFinished, error) {
	r.skipRest(ctx)
	f := r.result(outcome, cause)
	event := rollcall.NewEvent(rollcall.EventRollFinished, f)
	events := []rollcall.Event{event}
	if hold := r.hold(outcome, cause); hold != nil {
		events = append(events, rollcall.NewEvent(rollcall.EventHoldSet, hold))
	} else if r.state.Hold != nil && r.plan.Partial == "" && (outcome == rollcall.OutcomeDone || outcome == rollcall.OutcomeBehind) {
		// It was rolled although there was a hold: the risk was accepted, and is gone.
		events = append(events, rollcall.NewEvent(rollcall.EventHoldLifted, rollcall.Hold{By: r.By, Why: fmt.Sprintf("roll %d", r.number)}))
	}
	if err := r.lease.Release(ctx, r.state.Seq, events...); err != nil {
		return f, err
	}
	r.journal.tell(event)
	return f, outcomeError(f, cause)
}

// pause leaves the roll as it stands, and gives the lease back: resume or abort takes it
// up, from here or anywhere else.
func (r *run) pause(ctx context.Context, cause error) (*rollcall.RollFinished, error) {
	f := r.result(rollcall.OutcomeStopped, cause)
	event := rollcall.NewEvent(rollcall.EventRollPaused, f)
	if err := r.lease.Release(ctx, r.state.Seq, event); err != nil {
		return f, err
	}
	r.journal.tell(event)
	return f, outcomeError(f, cause)
}

// skipRest says of the nodes that were not reached any more that nothing was done there.
func (r *run) skipRest(ctx context.Context) {
	var rest []*member
	for _, m := range r.members {
		switch m.step {
		case rollcall.StepWaiting, rollcall.StepPrepared, rollcall.StepConnecting, rollcall.StepReceiving:
			rest = append(rest, m)
		case rollcall.StepDraining:
			if !m.touched { // another of its batch failed before it was this one's turn
				rest = append(rest, m)
			}
		}
	}
	if len(rest) > 0 {
		_ = r.note(ctx, rollcall.StepSkipped, rest...) // if it can't be written, the end can't either, and that is told
	}
}

func (r *run) hold(outcome rollcall.Outcome, cause error) *rollcall.Hold {
	h := &rollcall.Hold{By: r.By, Roll: r.number, Revision: r.plan.Revision.ID, Release: r.plan.Release}
	switch {
	case r.back != nil && r.back.Aborted != "":
		return nil // a person decided, and knows
	case outcome == rollcall.OutcomeRolledBack && r.plan.Partial == "" && r.plan.Kind == rollcall.KindRoll && rollcall.KindOf(cause) == rollcall.KindFailed:
		h.Why = fmt.Sprintf("roll %d failed and was rolled back: %v", r.number, cause)
	case r.plan.Kind == rollcall.KindRollback && r.plan.Partial == "" && (outcome == rollcall.OutcomeDone || outcome == rollcall.OutcomeBehind):
		h.Revision, h.Release = r.plan.From.Revision.ID, r.plan.From.Release
		h.Why = fmt.Sprintf("rolled back from %s; the branch still has it", rollcall.ShortRevision(h.Revision))
	default:
		return nil
	}
	return h
}

func (r *run) result(outcome rollcall.Outcome, cause error) *rollcall.RollFinished {
	f := &rollcall.RollFinished{
		Outcome: outcome, Environment: r.plan.Environment, Roll: r.number, Kind: r.plan.Kind, By: r.By,
		From: r.plan.From.Release, To: r.plan.Release, Revision: r.plan.Revision, Partial: r.plan.Partial,
		Seconds: float64(time.Since(r.begun).Milliseconds()) / 1000,
	}
	if r.back != nil {
		f.Aborted = r.back.Aborted
	}
	if cause != nil {
		f.Why, f.Hint = cause.Error(), rollcall.HintOf(cause)
	}
	f.Nodes.Skipped = len(r.plan.Held)
	f.Held = r.hold(outcome, cause) != nil
	for _, m := range r.members {
		f.BytesSent += m.bytes
		if r.back != nil && !m.touched { // whatever it is like, this roll has left it as it was
			f.Nodes.Skipped++
			continue
		}
		switch m.step {
		case rollcall.StepOK:
			f.Nodes.OK++
		case rollcall.StepUnreachable:
			f.Nodes.Unreachable++
		case rollcall.StepBroken:
			f.Nodes.Broken++
		case rollcall.StepFailed:
			f.Nodes.Failed++
		case rollcall.StepReverted:
			if m.err != nil {
				f.Nodes.Failed++
			} else {
				f.Nodes.Skipped++
			}
		default:
			f.Nodes.Skipped++
		}
	}
	return f
}

func outcomeError(f *rollcall.RollFinished, cause error) error {
	switch f.Outcome {
	case rollcall.OutcomeDone:
		return nil
	case rollcall.OutcomeBehind:
		return rollcall.Errorf(rollcall.KindBehind, "rolled, but %s left behind",
			rollcall.Plural(f.Nodes.Unreachable+f.Nodes.Broken+f.Nodes.Failed+f.Nodes.Skipped, "node was", "nodes were")).
			WithHint("when they are back: rollcall catch-up %s", f.Environment)
	case rollcall.OutcomeRolledBack:
		e := &rollcall.Error{Kind: rollcall.KindRolledBack, Op: "rolled back", Err: cause}
		switch lost := f.Nodes.Unreachable + f.Nodes.Broken; {
		case lost > 0:
			e.Hint = fmt.Sprintf("%s not brought back and behind now: rollcall catch-up %s, when they can be reached again", rollcall.Plural(lost, "node was", "nodes were"), f.Environment)
		case f.Held:
			e.Hint = fmt.Sprintf("%s is on hold: mend it on the branch, then rollcall roll %s --accept-risk=rolled-back", f.Environment, f.Environment)
		case f.Aborted == "":
			e.Hint = "the node is to blame and not the code: mend it, or let limits: allow for it, and roll again"
		}
		return e
	case rollcall.OutcomeRefused:
		// It keeps the cause's kind: nothing was switched.
		e := &rollcall.Error{Kind: rollcall.KindOf(cause), Op: "nothing was switched", Err: cause}
		e.Hint = rollcall.HintOf(cause)
		return e
	default:
		e := &rollcall.Error{Kind: rollcall.KindStopped, Op: "stopped part way", Err: cause, Hint: rollcall.HintOf(cause)}
		if e.Hint == "" {
			e.Hint = fmt.Sprintf("rollcall resume %[1]s goes on, rollcall abort %[1]s goes back", f.Environment)
		}
		return e
	}
}
