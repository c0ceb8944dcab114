package desk

import (
	"context"
	"slices"

	"github.com/rollcall-dev/rollcall"
)

// What the events of a desk's stream hold. They only grow.
type (
	taken struct {
		By   string `json:"by"`
		Over string `json:"over,omitempty"` // from whom
	}
	selected struct {
		By     string              `json:"by"`
		Source string              `json:"source"`
		Target string              `json:"target"`
		Base   rollcall.Revision   `json:"base"`
		Steps  []rollcall.DeskStep `json:"steps"`
	}
	merged struct {
		Merged    int                 `json:"merged"`
		Tree      string              `json:"tree"` // after the merged steps
		Conflicts []rollcall.Conflict `json:"conflicts,omitempty"`
	}
	committed struct {
		By       string              `json:"by"`
		Target   string              `json:"target"`
		Revision rollcall.Revision   `json:"revision"`
		Steps    []rollcall.DeskStep `json:"steps"`
	}
	uncommitted struct {
		Why string `json:"why"`
	}
	abandoned struct {
		By string `json:"by"`
	}
)

// ReadState reads what is on a desk.
func ReadState(ctx context.Context, record rollcall.Record, code, name string) (*rollcall.DeskState, error) {
	state := &rollcall.DeskState{Code: code, Desk: name, Steps: []rollcall.DeskStep{}, Conflict: []rollcall.Conflict{}}
	events, err := record.Read(ctx, rollcall.DeskStream(code, name), 0)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		if err := apply(state, e); err != nil {
			return nil, err
		}
	}
	return state, nil
}

// apply is what an event makes of a desk.
func apply(state *rollcall.DeskState, e rollcall.Event) error {
	state.Seq = e.Seq
	switch e.Type {
	case rollcall.EventDeskTaken:
		var t taken
		if err := e.Decode(&t); err != nil {
			return err
		}
		state.By, state.Since, state.Over = t.By, e.At, t.Over
	case rollcall.EventDeskSelected:
		var s selected
		if err := e.Decode(&s); err != nil {
			return err
		}
		if !state.Open() {
			state.Since = e.At
		}
		state.By, state.Source, state.Target, state.Base, state.Steps = s.By, s.Source, s.Target, s.Base, s.Steps
		state.Merged, state.Tree, state.Conflict, state.Checked, state.Committing = 0, "", nil, nil, nil
		// What is taken off the desk takes its decisions with it.
		state.Resolved = slices.DeleteFunc(slices.Clone(state.Resolved), func(r rollcall.StepResolution) bool {
			return !slices.ContainsFunc(state.Steps, func(o rollcall.DeskStep) bool { return o.Key() == r.Step })
		})
	case rollcall.EventDeskMerged:
		var m merged
		if err := e.Decode(&m); err != nil {
			return err
		}
		state.Merged, state.Tree, state.Conflict, state.Checked = m.Merged, m.Tree, m.Conflicts, nil
	case rollcall.EventDeskResolved:
		var r rollcall.StepResolution
		if err := e.Decode(&r); err != nil {
			return err
		}
		state.Resolved = append(state.Resolved, r)
	case rollcall.EventDeskChecked:
		var c rollcall.CheckedTree
		if err := e.Decode(&c); err != nil {
			return err
		}
		c.At = e.At
		state.Checked = &c
	case rollcall.EventDeskCommitting:
		var c rollcall.Committing
		if err := e.Decode(&c); err != nil {
			return err
		}
		state.Committing = &c
	case rollcall.EventDeskUncommitted:
		state.Committing = nil
	case rollcall.EventDeskCommitted, rollcall.EventDeskAbandoned:
		*state = rollcall.DeskState{Code: state.Code, Desk: state.Desk, Steps: []rollcall.DeskStep{}, Conflict: []rollcall.Conflict{}, Seq: e.Seq}
	}
	if state.Conflict == nil {
		state.Conflict = []rollcall.Conflict{}
	}
	return nil
}
