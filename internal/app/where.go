package app

import (
	"context"
	"slices"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/desk"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// sought is a changeset that is looked for.
type sought struct {
	rollcall.Changeset
	on  rollcall.Revision // of production, that brought it
	why error             // where production has it not: then on is zero
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
	history := append(slices.Clone(state.Before), state.Live)
	for _, live := range slices.Backward(history) {
		made := candidates[live.Revision.Tree]
		if live.Release == "" || rollcall.IsCandidate(live.Revision.ID) && made == nil {
			continue
		}
		has := false
		if rollcall.IsCandidate(live.Revision.ID) {
			has, err = holds(ctx, repo, env.Code, made, what)
		} else if what.on.ID != "" {
			has, err = contains(ctx, repo, live.Revision.ID, what.on.ID)
		}
		if err != nil {
			return err
		}
		if !has {
			break
		}
		with[live.Release] = true
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
	if what.on.ID == "" || made.Target != code.Production {
		return false, nil
	}
	if made.Committed != nil {
		return contains(ctx, repo, made.Committed.ID, what.on.ID)
	}
	return contains(ctx, repo, made.Base.ID, what.on.ID)
}

// changeset finds a changeset, and the revision of the production branch that brought it:
// people know it by its name on the trunk.
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
	what := &sought{Changeset: one.Changeset}
	if one.Standing != rollcall.StandIntegrated || one.In == "" {
		what.why = rollcall.Errorf(rollcall.KindRefused, "%s is not in production: it is %s", one.Short(), one.Standing).
			WithHint("see rollcall show %s %s", code.Name, one.Short())
		return what, nil
	}
	what.on, err = repo.At(ctx, code.Production, one.In)
	return what, err
}

// contains tells whether a revision has another one in its history.
func contains(ctx context.Context, repo rollcall.Repository, revision, other string) (bool, error) {
	if revision == other {
		return true, nil
	}
	coming, _, err := repo.Changesets(ctx, revision, other)
	return len(coming) == 0, err
}
