package app

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// Log lists rolls, the newest first.
func (a *App) Log(ctx context.Context, request rollcall.LogRequest) ([]rollcall.LogEntry, error) {
	environments, err := a.environments(request.Environment)
	if err != nil {
		return nil, err
	}
	var all []rollcall.LogEntry
	for _, env := range environments {
		entries, err := a.rolls(ctx, env.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	slices.SortStableFunc(all, func(x, y rollcall.LogEntry) int { return cmp.Or(y.At.Compare(x.At), y.Roll-x.Roll) })
	limit := request.Limit
	if limit <= 0 {
		limit = len(all)
	}
	kept := []rollcall.LogEntry{}
	for _, entry := range all {
		if len(kept) == limit || entry.At.Before(request.Since) {
			break
		}
		// The changesets stand in the roll's own stream: read only for what is shown.
		if err := a.fillIn(ctx, &entry); err != nil {
			return nil, err
		}
		if matches(request, &entry) {
			kept = append(kept, entry)
		}
	}
	return kept, nil
}

func (a *App) rolls(ctx context.Context, environment string) ([]rollcall.LogEntry, error) {
	events, err := a.record.Read(ctx, rollcall.EnvironmentStream(environment), 0)
	if err != nil {
		return nil, err
	}
	var entries []rollcall.LogEntry
	for _, e := range events {
		switch e.Type {
		case rollcall.EventRollStarted:
			var s rollcall.RollStarted
			if err := e.Decode(&s); err != nil {
				return nil, err
			}
			entries = append(entries, rollcall.LogEntry{
				Environment: environment, Roll: s.Roll, Kind: s.Kind, By: s.By, At: e.At, From: s.From, To: s.To,
				Revision: s.Revision.ID, Partial: s.Partial, Changesets: []rollcall.Changeset{}, Leaving: []rollcall.Changeset{},
			})
		case rollcall.EventRollInterrupted:
			entries[len(entries)-1].Outcome = "interrupted"
		case rollcall.EventRollFinished:
			var f rollcall.RollFinished
			if err := e.Decode(&f); err != nil {
				return nil, err
			}
			last := &entries[len(entries)-1]
			last.Outcome, last.Seconds, last.Nodes, last.BytesSent, last.Why = f.Outcome, f.Seconds, f.Nodes, f.BytesSent, f.Why
		}
	}
	return entries, a.markDead(ctx, environment, entries)
}

// markDead marks the last roll where its controller died and nobody took over yet.
func (a *App) markDead(ctx context.Context, environment string, entries []rollcall.LogEntry) error {
	if len(entries) == 0 || entries[len(entries)-1].Outcome != "" {
		return nil
	}
	state, err := roll.ReadState(ctx, a.record, environment)
	if err == nil && !roll.Alive(ctx, a.record, environment, state.Lease) {
		entries[len(entries)-1].Outcome = "interrupted"
	}
	return err
}

func (a *App) fillIn(ctx context.Context, entry *rollcall.LogEntry) error {
	plan, err := a.planOf(ctx, entry.Environment, entry.Roll)
	if err != nil || plan == nil {
		return err
	}
	if plan.Coming != nil {
		entry.Changesets = plan.Coming
	}
	if plan.Going != nil {
		entry.Leaving = plan.Going
	}
	return nil
}

// planOf reads the plan that a roll was given.
func (a *App) planOf(ctx context.Context, environment string, number int) (*rollcall.Plan, error) {
	events, err := a.record.Read(ctx, rollcall.RollStream(environment, number), 0)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		if e.Type == rollcall.EventRollPlanned {
			plan := &rollcall.Plan{}
			return plan, e.Decode(plan)
		}
	}
	return nil, nil
}

func matches(request rollcall.LogRequest, entry *rollcall.LogEntry) bool {
	if request.Author == "" && request.Ticket == "" {
		return true
	}
	ticket := strings.TrimPrefix(request.Ticket, "#")
	return slices.ContainsFunc(slices.Concat(entry.Changesets, entry.Leaving), func(c rollcall.Changeset) bool {
		who := strings.ToLower(c.Author + " " + c.Email)
		return (request.Author == "" || strings.Contains(who, strings.ToLower(request.Author))) &&
			(ticket == "" || slices.Contains(c.Tickets, ticket))
	})
}

// Status tells where environments stand, from the record alone.
func (a *App) Status(ctx context.Context, environment string) ([]rollcall.EnvironmentStatus, error) {
	environments, err := a.environments(environment)
	if err != nil {
		return nil, err
	}
	var all []rollcall.EnvironmentStatus
	for _, env := range environments {
		state, err := roll.ReadState(ctx, a.record, env.Name)
		if err != nil {
			return nil, err
		}
		known, err := a.known(ctx, env, state)
		if err != nil {
			return nil, err
		}
		s := rollcall.EnvironmentStatus{
			Environment: env.Name, Release: state.Live.Release, Revision: state.Live.Revision.ID, Roll: state.Live.Roll,
			Since: state.Live.At, By: state.Live.By, Hold: state.Hold, Behind: []string{},
		}
		if running := state.Running; running != nil {
			if roll.Alive(ctx, a.record, env.Name, state.Lease) {
				s.Rolling, s.Lease = &running.Roll, state.Lease
			} else {
				s.Interrupted = &running.Roll
			}
		}
		if state.Interrupted != nil {
			s.Interrupted = &state.Interrupted.Roll
		}
		for _, node := range env.Nodes() {
			s.Nodes++
			if state.Live.Release != "" && known[node.Name] != state.Live.Release {
				s.Behind = append(s.Behind, node.Name)
			}
		}
		all = append(all, s)
	}
	return all, nil
}
