package app

import (
	"context"
	"maps"
	"slices"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/desk"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// sought is a changeset that is looked for.
type sought struct {
	rollcall.Changeset
	on   rollcall.Revision // of production, that brought it
	gone string            // the revision of production that took it back
	why  error             // where production never had it: then on is zero
}

// in tells whether a revision of production has it.
func (w *sought) in(ctx context.Context, repo rollcall.Repository, revision string) (bool, error) {
	if w.on.ID == "" {
		return false, nil
	}
	has, err := contains(ctx, repo, revision, w.on.ID)
	if has && err == nil && w.gone != "" {
		has, err = contains(ctx, repo, revision, w.gone)
		has = !has
	}
	return has, err
}

// Where tells on which desks a changeset lies, on which nodes it is live, and since which roll.
func (a *App) Where(ctx context.Context, text string) (*rollcall.Whereabouts, error) {
	found := &rollcall.Whereabouts{}
	var lastErr error
	codes := map[*rollcall.Code]*sought{}
	for _, env := range must(a.environments("")) {
		repo, err := a.repositoryFor(ctx, env, func(string) {})
		if err != nil {
			return nil, err
		}
		what, asked := codes[env.Code]
		if !asked {
			if what, err = a.changeset(ctx, repo, env.Code, text); err == nil {
				err = a.lying(ctx, env.Code, what, found)
			}
			codes[env.Code] = what
		}
		if err == nil && what != nil {
			err = a.whereIn(ctx, repo, env, what, found)
		}
		if rollcall.KindOf(err) == rollcall.KindNotFound || rollcall.KindOf(err) == rollcall.KindRefused {
			lastErr = err // not in this environment's code, or not on its branch
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	if len(found.Places)+len(found.Desks) == 0 && lastErr != nil {
		return nil, lastErr
	}
	return found, nil
}

func must(environments []*rollcall.Environment, _ error) []*rollcall.Environment { return environments }

// lying adds the desks of a code that a changeset lies on.
func (a *App) lying(ctx context.Context, code *rollcall.Code, what *sought, found *rollcall.Whereabouts) error {
	for _, name := range a.desks(code) {
		state, err := desk.ReadState(ctx, a.record, code.Name, name)
		if err != nil {
			return err
		}
		if i := desk.Step(state.Steps, what.ID); i >= 0 {
			found.Desks = append(found.Desks, rollcall.OnDesk{
				Desk: name, Code: code.Name, By: state.By, Since: state.Since, Target: state.Target,
				Kind: state.Steps[i].Kind, Merged: i < state.Merged, Changeset: what.Changeset,
			})
		}
	}
	return nil
}

// whereIn adds an environment, where it may have the changeset: of what is not committed
// only if it has.
func (a *App) whereIn(ctx context.Context, repo rollcall.Repository, env *rollcall.Environment, what *sought, found *rollcall.Whereabouts) error {
	state, err := roll.ReadState(ctx, a.record, env.Name)
	if err != nil {
		return err
	}
	candidates, err := desk.Candidates(ctx, a.record, env.Code.Name, env.Desk)
	if err != nil {
		return err
	}
	if live := state.Live.Revision; rollcall.IsCandidate(live.ID) && candidates[live.Tree] == nil {
		return rollcall.Errorf(rollcall.KindNotFound, "%s has a candidate that this record does not know: what is in it can't be told", env.Name)
	}
	known, err := a.known(ctx, env, state)
	if err != nil {
		return err
	}
	place := rollcall.Place{
		Environment: env.Name, Nodes: []string{}, Missing: []string{},
		Changeset: what.Changeset,
	}
	// Which of the releases that stand somewhere have it, and since when the oldest of
	// those that follow each other without a gap up to now.
	with := map[rollcall.ReleaseID]bool{}
	stands, gap := slices.Collect(maps.Values(known)), false
	history := append(slices.Clone(state.Before), state.Live)
	for _, live := range slices.Backward(history) {
		made, candidate := candidates[live.Revision.Tree], rollcall.IsCandidate(live.Revision.ID)
		if live.Release == "" || candidate && made == nil || gap && !slices.Contains(stands, live.Release) {
			continue
		}
		has := false
		if candidate {
			has, err = holds(ctx, repo, env.Code, made, what)
		} else {
			has, err = what.in(ctx, repo, live.Revision.ID)
		}
		if err != nil {
			return err
		}
		if !has {
			gap = true
			continue
		}
		if with[live.Release] = true; gap {
			continue
		}
		place.Live, place.Since, place.Roll, place.By = true, live.At, live.Roll, live.By
	}
	if what.on.ID == "" {
		if !place.Live {
			return what.why
		}
		place.Candidate = state.Live.Revision.ID
	}
	for _, node := range env.Nodes() {
		if with[known[node.Name]] {
			place.Nodes = append(place.Nodes, node.Name)
		} else {
			place.Missing = append(place.Missing, node.Name)
		}
	}
	found.Places = append(found.Places, place)
	return nil
}

// holds tells whether a candidate has a changeset: it was merged there, or stood on the
// branch before.
func holds(ctx context.Context, repo rollcall.Repository, code *rollcall.Code, made *desk.Candidate, what *sought) (bool, error) {
	if i := desk.Step(made.Steps, what.ID); i >= 0 {
		return made.Steps[i].Kind != rollcall.StepBackOut, nil
	}
	if made.Target != code.Production {
		return false, nil
	}
	if made.Committed != nil {
		return what.in(ctx, repo, made.Committed.ID)
	}
	return what.in(ctx, repo, made.Base.ID)
}

// changeset finds a changeset, and the revisions of the production branch that brought it
// and, where it was backed out, took it back: people know it by its name on the trunk.
func (a *App) changeset(ctx context.Context, repo rollcall.Repository, code *rollcall.Code, text string) (*sought, error) {
	revision, err := repo.At(ctx, code.Production, text)
	if err == nil {
		return &sought{Changeset: rollcall.Changeset{
			ID: revision.ID, Author: revision.Author, Date: revision.Time, Subject: revision.Subject, Tickets: []string{}, Files: []string{},
		}, on: revision}, nil
	}
	kind := rollcall.KindOf(err)
	if !code.Promotes() || kind != rollcall.KindNotFound && kind != rollcall.KindRefused {
		return nil, err
	}
	merger, mergerErr := a.merger(ctx, code, func(string) {})
	if mergerErr != nil {
		return nil, mergerErr
	}
	all, listErr := merger.Standees(ctx, code.Trunk, code.Production, true)
	if listErr != nil {
		return nil, listErr
	}
	one, findErr := desk.Find(all, text)
	if findErr != nil {
		return nil, err
	}
	what, brought := &sought{Changeset: one.Changeset}, ""
	switch {
	case one.Standing == rollcall.StandBackedOut && one.Was != "":
		brought, what.gone = one.Was, one.In
	case one.Standing == rollcall.StandIntegrated && one.In != "":
		brought = one.In
	default:
		what.why = rollcall.Errorf(rollcall.KindRefused, "%s is not in production: it is %s", one.Short(), one.Standing).
			WithHint("see rollcall show %s %s", code.Name, one.Short())
		return what, nil
	}
	what.on, err = repo.At(ctx, code.Production, brought)
	return what, err
}

// contains tells whether a revision has another one in its history.
func contains(ctx context.Context, repo rollcall.Repository, revision, other string) (bool, error) {
	if revision == "" || revision == other {
		return revision != "", nil // what was adopted came of nobody knows what
	}
	coming, _, err := repo.Changesets(ctx, revision, other)
	return len(coming) == 0, err
}
