package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// Resume finishes a roll that was interrupted, paused or stopped.
func (a *App) Resume(ctx context.Context, request rollcall.RollRequest) (*rollcall.RollFinished, error) {
	return a.takeUp(ctx, request, (*roll.Engine).Resume)
}

// Abort takes such a roll back, or asks the process that rolls it to do so.
func (a *App) Abort(ctx context.Context, request rollcall.RollRequest) (*rollcall.RollFinished, error) {
	state, err := a.stateOf(ctx, request.Environment)
	if err != nil {
		return nil, err
	}
	if a.rolling(ctx, state) {
		return a.wish(ctx, request, state, rollcall.EventAbortAsked)
	}
	finished, err := a.takeUp(ctx, request, (*roll.Engine).Abort)
	if rollcall.KindOf(err) == rollcall.KindRolledBack {
		err = nil // that is what was asked for
	}
	return finished, err
}

// Pause asks the process that rolls to pause.
func (a *App) Pause(ctx context.Context, request rollcall.RollRequest) (*rollcall.RollFinished, error) {
	state, err := a.stateOf(ctx, request.Environment)
	if err != nil {
		return nil, err
	}
	if !a.rolling(ctx, state) {
		e := rollcall.Errorf(rollcall.KindConflict, "nothing rolls in %s now", request.Environment)
		if open := state.Open(); open != nil {
			e = e.WithHint("roll %s/%d waits already: rollcall resume %[1]s, or rollcall abort %[1]s", open.Environment, open.Roll)
		}
		return nil, e
	}
	return a.wish(ctx, request, state, rollcall.EventPauseAsked)
}

func (a *App) stateOf(ctx context.Context, environment string) (*roll.State, error) {
	env, err := a.environment(environment)
	if err != nil {
		return nil, err
	}
	return roll.ReadState(ctx, a.record, env.Name)
}

// takeUp shows and asks, and lets an engine go on with the stored plan. Only how nodes
// are reached and where the code comes from is read from the site as it is now.
func (a *App) takeUp(ctx context.Context, request rollcall.RollRequest, do func(*roll.Engine, context.Context, string) (*rollcall.RollFinished, error)) (*rollcall.RollFinished, error) {
	env, err := a.environment(request.Environment)
	if err != nil {
		return nil, err
	}
	state, err := roll.ReadState(ctx, a.record, env.Name)
	if err != nil {
		return nil, err
	}
	open := state.Open()
	if open == nil {
		return nil, roll.NothingOpen(env.Name, state)
	}
	plan, err := roll.ReadPlan(ctx, a.record, env.Name, open.Roll, open.Plan)
	if err != nil {
		return nil, err
	}
	if plan != nil && request.Confirm != nil {
		if err := request.Confirm(plan); err != nil {
			return nil, err
		}
	}
	note := func(text string) { a.tell(request, text) }
	repo, err := a.repositoryFor(ctx, env, note)
	if err != nil {
		return nil, err
	}
	releases, err := a.store(ctx)
	if err != nil {
		return nil, err
	}
	nodes := a.fleet(env)
	defer nodes.Close()
	announced := a.announce(ctx, env, state.Seq, request.Watch)
	finished, err := do(a.engine(env, nodes, nodes.transport, releases, repo, request), ctx, env.Name)
	announced()
	if err == nil {
		err = releases.Evict()
	}
	return finished, err
}

// errEnded ends a wait for the end of somebody else's roll.
var errEnded = errors.New("ended")

// wish writes down what is wanted of a roll under way and waits until it has ended or
// paused, showing its events meanwhile.
func (a *App) wish(ctx context.Context, request rollcall.RollRequest, state *roll.State, want string) (*rollcall.RollFinished, error) {
	running := state.Running
	plan, err := roll.ReadPlan(ctx, a.record, request.Environment, running.Roll, running.Plan)
	if err != nil {
		return nil, err
	}
	if plan != nil && request.Confirm != nil {
		if err := request.Confirm(plan); err != nil {
			return nil, err
		}
	}
	stream := rollcall.EnvironmentStream(request.Environment)
	asked := rollcall.NewEvent(want, rollcall.Asked{By: a.by, Roll: running.Roll})
	seq := state.Seq
	for {
		last, err := a.record.Append(ctx, stream, seq, asked)
		if err == nil {
			break
		}
		if !errors.Is(err, rollcall.ErrSequence) {
			return nil, err
		}
		seq = last
	}
	a.tell(request, fmt.Sprintf("asked %s on %s, and waiting for the next safe point", running.By, state.Lease.Host))
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_ = a.record.Follow(watching, rollcall.RollStream(request.Environment, running.Roll), 0, func(e rollcall.Event) error {
			if request.Watch != nil {
				request.Watch(e)
			}
			return nil
		}) // only to be looked at
	}()
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for roll.Alive(waiting, a.record, request.Environment, state.Lease) {
			select {
			case <-time.After(time.Second):
			case <-waiting.Done():
				return
			}
		}
		cancel(rollcall.Errorf(rollcall.KindConflict, "its controller has died meanwhile").WithHint("ask again"))
	}()
	var finished *rollcall.RollFinished
	err = a.record.Follow(waiting, stream, state.Seq, func(e rollcall.Event) error {
		switch e.Type {
		case rollcall.EventRollFinished, rollcall.EventRollPaused:
			finished = &rollcall.RollFinished{}
			return errors.Join(errEnded, e.Decode(finished))
		case rollcall.EventLeaseTaken:
			return rollcall.Errorf(rollcall.KindConflict, "another controller has taken over this roll").WithHint("see rollcall status")
		}
		return nil
	})
	if errors.Is(err, errEnded) {
		return finished, nil
	}
	if ctx.Err() == nil && waiting.Err() != nil {
		err = context.Cause(waiting)
	}
	return finished, err
}

// tell shows something that is no history.
func (a *App) tell(request rollcall.RollRequest, text string) {
	if request.Watch != nil {
		request.Watch(rollcall.NewEvent(rollcall.EventPreparing, rollcall.Note{Environment: request.Environment, Text: text}))
	}
}
