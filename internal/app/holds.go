package app

import (
	"context"
	"errors"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// holdStream finds what a hold's target names: an environment or a node.
func (a *App) holdStream(target string) (string, error) {
	if a.site.Environments[target] != nil {
		return rollcall.EnvironmentStream(target), nil
	}
	for _, env := range a.site.Environments {
		for _, node := range env.Nodes() {
			if node.Name == target {
				return rollcall.NodeStream(target), nil
			}
		}
	}
	return "", rollcall.Errorf(rollcall.KindNotFound, "there is no environment and no node %q", rollcall.Printable(target)).
		WithHint("see rollcall nodes")
}

// Hold keeps an environment or a node from being rolled.
func (a *App) Hold(ctx context.Context, target, why string) error {
	return a.changeHold(ctx, target, func(hold *rollcall.Hold) (rollcall.Event, error) {
		if hold != nil {
			return rollcall.Event{}, rollcall.Errorf(rollcall.KindConflict, "%s is on hold already, by %s: %s", target, hold.By, hold.Why)
		}
		return rollcall.NewEvent(rollcall.EventHoldSet, rollcall.Hold{By: a.by, Why: rollcall.Printable(why)}), nil
	})
}

// Unhold lifts a hold.
func (a *App) Unhold(ctx context.Context, target string) error {
	return a.changeHold(ctx, target, func(hold *rollcall.Hold) (rollcall.Event, error) {
		if hold == nil {
			return rollcall.Event{}, rollcall.Errorf(rollcall.KindConflict, "%s is not on hold", target)
		}
		return rollcall.NewEvent(rollcall.EventHoldLifted, rollcall.Hold{By: a.by}), nil
	})
}

func (a *App) changeHold(ctx context.Context, target string, change func(*rollcall.Hold) (rollcall.Event, error)) error {
	stream, err := a.holdStream(target)
	if err != nil {
		return err
	}
	for {
		hold, seq, err := roll.ReadHold(ctx, a.record, stream)
		if err != nil {
			return err
		}
		event, err := change(hold)
		if err != nil {
			return err
		}
		if _, err = a.record.Append(ctx, stream, seq, event); !errors.Is(err, rollcall.ErrSequence) {
			return err
		}
	}
}
