package announce

import (
	"context"
	"fmt"

	"github.com/rollcall-dev/rollcall"
)

// due is a notice, and the event of the environment's stream that it is made of.
type due struct {
	rollcall.Notice
	seq int64
}

// notices makes what is to be told of an environment's events behind a sequence. What
// can't be read is passed over: it must not keep the rest from being told.
func notices(ctx context.Context, record rollcall.Record, environment string, after int64) (all []due, unreadable []error, err error) {
	events, err := record.Read(ctx, rollcall.EnvironmentStream(environment), after)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range events {
		n, err := notice(record.ID(), environment, e)
		switch {
		case err != nil:
			unreadable = append(unreadable, err)
		case n != nil:
			all = append(all, due{*n, e.Seq})
		}
	}
	return all, unreadable, nil
}

// notice is what an event says to a channel: nil where it says nothing.
func notice(record, environment string, e rollcall.Event) (*rollcall.Notice, error) {
	var n rollcall.Notice
	switch e.Type {
	case rollcall.EventRollStarted:
		var s rollcall.RollStarted
		if err := e.Decode(&s); err != nil {
			return nil, err
		}
		n = rollcall.Notice{
			What: "started", Roll: s.Roll, Kind: s.Kind, By: s.By, From: s.From, To: s.To, Revision: s.Revision, Partial: s.Partial,
			Accepted: s.Accepted,
		}
	case rollcall.EventRollFinished, rollcall.EventRollPaused:
		var f rollcall.RollFinished
		if err := e.Decode(&f); err != nil {
			return nil, err
		}
		n = rollcall.Notice{
			What: string(f.Outcome), Roll: f.Roll, Kind: f.Kind, By: f.By, From: f.From, To: f.To, Revision: f.Revision, Partial: f.Partial,
			Nodes: f.Nodes, Seconds: f.Seconds, Why: f.Why,
		}
		if e.Type == rollcall.EventRollPaused {
			n.What = "paused"
		}
	default:
		return nil, nil
	}
	if n.Roll <= 0 || n.What == "" {
		return nil, fmt.Errorf("event %d of %s (%s) names no roll or no outcome", e.Seq, e.Stream, e.Type)
	}
	n.Environment, n.At = environment, e.At
	// With the record's name: another site's rolls, or those after a lost record, have the
	// same numbers.
	n.Key = fmt.Sprintf("%s/%s/%d/%s#%d", record, environment, n.Roll, n.What, e.Seq)
	n.By, n.Partial = rollcall.Printable(n.By), rollcall.Printable(n.Partial)
	n.Changesets, n.Leaving = []rollcall.Changeset{}, []rollcall.Changeset{}
	return &n, nil
}

// fill takes the changesets from the roll's plan. Without one that can be read there
// are none.
func fill(ctx context.Context, record rollcall.Record, n *rollcall.Notice) error {
	id, err := planOf(ctx, record, n.Environment, n.Roll)
	if err != nil {
		return err
	}
	events, err := record.Read(ctx, rollcall.PlanStream(n.Environment, id), 0)
	if err != nil {
		return err
	}
	for _, e := range events {
		var plan rollcall.Plan
		if e.Type != rollcall.EventRollPlanned || e.Decode(&plan) != nil {
			continue
		}
		n.Changesets = append(n.Changesets, plan.Coming...)
		n.Leaving = append(n.Leaving, plan.Going...)
		return nil
	}
	return nil
}

// planOf is the id of the plan that a roll was given.
func planOf(ctx context.Context, record rollcall.Record, environment string, number int) (string, error) {
	events, err := record.Read(ctx, rollcall.EnvironmentStream(environment), 0)
	if err != nil {
		return "", err
	}
	for _, e := range events {
		var s rollcall.RollStarted
		if e.Type == rollcall.EventRollStarted && e.Decode(&s) == nil && s.Roll == number {
			return s.Plan, nil
		}
	}
	return "", nil
}
