package desk

import (
	"context"
	"slices"

	"github.com/rollcall-dev/rollcall"
)

// Candidate is what a tree was made of on a desk.
type Candidate struct {
	Target    string
	Base      rollcall.Revision
	Steps     []rollcall.DeskStep
	Committed *rollcall.Revision // as what it was committed; nil: it was not
}

// Step finds the step of a changeset among some; -1: it has none.
func Step(steps []rollcall.DeskStep, id string) int {
	return slices.IndexFunc(steps, func(s rollcall.DeskStep) bool { return s.ID == id })
}

// Candidates gives, of all that a desk ever merged whole, what each tree was made of.
func Candidates(ctx context.Context, record rollcall.Record, code, name string) (map[string]*Candidate, error) {
	all := map[string]*Candidate{}
	state := &rollcall.DeskState{Code: code, Desk: name}
	events, err := record.Read(ctx, rollcall.DeskStream(code, name), 0)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		if e.Type == rollcall.EventDeskCommitted {
			var c committed
			if err := e.Decode(&c); err != nil {
				return nil, err
			}
			if made := all[c.Revision.Tree]; made != nil {
				made.Committed = &c.Revision
			}
		}
		if err := apply(state, e); err != nil {
			return nil, err
		}
		if e.Type == rollcall.EventDeskMerged && state.Clean() {
			all[state.Tree] = &Candidate{Target: state.Target, Base: state.Base, Steps: state.Steps}
		}
	}
	return all, nil
}
