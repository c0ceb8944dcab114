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
				Plan: s.Plan, Revision: s.Revision.ID, Partial: s.Partial, Accepted: s.Accepted, Changesets: []rollcall.Changeset{}, Leaving: []rollcall.Changeset{},
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
		case rollcall.EventRollPaused:
			entries[len(entries)-1].Outcome = "paused"
		case rollcall.EventRollResumed:
			entries[len(entries)-1].Outcome = ""
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
	plan, err := roll.ReadPlan(ctx, a.record, entry.Environment, entry.Roll, entry.Plan)
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

func matches(request rollcall.LogRequest, entry *rollcall.LogEntry) bool {
	if request.Author == "" && request.Ticket == "" {
		return true
	}
	ticket := strings.TrimPrefix(request.Ticket, "#")
	return slices.ContainsFunc(slices.Concat(entry.Changesets, entry.Leaving), func(c rollcall.Changeset) bool {
		return (request.Author == "" || c.WrittenBy(request.Author)) &&
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
		switch open := state.Open(); {
		case open == nil && state.Interrupted != nil:
			s.Interrupted = &state.Interrupted.Roll
		case open == nil:
		case a.rolling(ctx, state):
			s.Rolling, s.Lease = &open.Roll, state.Lease
		default:
			s.Interrupted = &open.Roll
			if stood := cmp.Or(state.Paused, state.Last); stood != nil && stood.Roll == open.Roll {
				s.Why = stood.Why
			}
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
