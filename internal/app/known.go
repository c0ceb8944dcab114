package app

import (
	"context"
	"strings"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// known tells what the record last heard to be live on each node of an environment. It
// reads the rolls from the newest on until every node was met.
func (a *App) known(ctx context.Context, env *rollcall.Environment, state *roll.State) (map[string]rollcall.ReleaseID, error) {
	left := map[string]bool{}
	for _, node := range env.Nodes() {
		left[node.Name] = true
	}
	known := map[string]rollcall.ReleaseID{}
	for number := state.Rolls; number > 0 && len(left) > 0; number-- {
		events, err := a.record.Read(ctx, rollcall.RollStream(env.Name, number), 0)
		if err != nil {
			return nil, err
		}
		for i := len(events) - 1; i >= 0; i-- {
			if !strings.HasPrefix(events[i].Type, rollcall.EventNodePrefix) {
				continue
			}
			var s rollcall.NodeStep
			if err := events[i].Decode(&s); err != nil {
				return nil, err
			}
			if !left[s.Node] {
				continue
			}
			switch s.Step {
			case rollcall.StepOK, rollcall.StepSwitched, rollcall.StepRestoring, rollcall.StepFailed:
				known[s.Node] = s.Release
			case rollcall.StepReverted, rollcall.StepPrepared, rollcall.StepDraining:
				known[s.Node] = s.From
			case rollcall.StepSwitching, rollcall.StepReverting:
				known[s.Node] = "" // lost in the middle: nobody knows until it is asked
			default:
				continue // lost on the way: an earlier event knows more
			}
			delete(left, s.Node)
		}
	}
	for node := range left {
		if id := state.Adopted[node]; id != "" {
			known[node] = id
		}
	}
	return known, nil
}

// nodeHolds gives the holds on an environment's nodes.
func (a *App) nodeHolds(ctx context.Context, env *rollcall.Environment) (map[string]*rollcall.Hold, error) {
	holds := map[string]*rollcall.Hold{}
	for _, node := range env.Nodes() {
		hold, _, err := roll.ReadHold(ctx, a.record, rollcall.NodeStream(node.Name))
		if err != nil {
			return nil, err
		}
		if hold != nil {
			holds[node.Name] = hold
		}
	}
	return holds, nil
}
