package app

import (
	"context"
	"maps"
	"slices"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/desk"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// Where tells on which nodes a changeset is live, and since which roll.
func (a *App) Where(ctx context.Context, changeset string) ([]rollcall.Place, error) {
	var places []rollcall.Place
	var lastErr error
	for _, env := range must(a.environments("")) {
		place, err := a.whereIn(ctx, env, changeset)
		if rollcall.KindOf(err) == rollcall.KindNotFound || rollcall.KindOf(err) == rollcall.KindRefused {
			lastErr = err // not in this environment's code, or not on its branch
			continue
		}
		if err != nil {
			return nil, err
		}
		places = append(places, *place)
	}
	if len(places) == 0 && lastErr != nil {
		return nil, lastErr
	}
	return places, nil
}

func must(environments []*rollcall.Environment, _ error) []*rollcall.Environment { return environments }

func (a *App) whereIn(ctx context.Context, env *rollcall.Environment, changeset string) (*rollcall.Place, error) {
	repo, err := a.repositoryFor(ctx, env, func(string) {})
	if err != nil {
		return nil, err
	}
	what, revision, gone, err := a.changeset(ctx, repo, env.Code, changeset)
	if err != nil {
		return nil, err
	}
	state, err := roll.ReadState(ctx, a.record, env.Name)
	if err != nil {
		return nil, err
	}
	if rollcall.IsCandidate(state.Live.Revision.ID) {
		return nil, rollcall.Errorf(rollcall.KindNotFound, "%s has a candidate that is not committed: what is in it is not known", env.Name)
	}
	known, err := a.known(ctx, env, state)
	if err != nil {
		return nil, err
	}
	place := &rollcall.Place{
		Environment: env.Name, Nodes: []string{}, Missing: []string{},
		Changeset: what,
	}
	// Which of the releases that stand somewhere have it, and since when the oldest of
	// those that follow each other without a gap up to now.
	with := map[rollcall.ReleaseID]bool{}
	stands, gap := slices.Collect(maps.Values(known)), false
	history := append(slices.Clone(state.Before), state.Live)
	for i := len(history) - 1; i >= 0; i-- {
		live := history[i]
		if live.Release == "" || rollcall.IsCandidate(live.Revision.ID) || gap && !slices.Contains(stands, live.Release) {
			continue // nobody can list what a candidate that was not committed has
		}
		has, err := contains(ctx, repo, live.Revision.ID, revision.ID)
		if has && gone != "" {
			has, err = contains(ctx, repo, live.Revision.ID, gone)
			has = !has
		}
		if err != nil {
			return nil, err
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
	for _, node := range env.Nodes() {
		if with[known[node.Name]] {
			place.Nodes = append(place.Nodes, node.Name)
		} else {
			place.Missing = append(place.Missing, node.Name)
		}
	}
	return place, nil
}

// changeset finds a changeset, and the revisions of the production branch that brought it
// and, where it was backed out, took it back: people know it by its name on the trunk.
func (a *App) changeset(ctx context.Context, repo rollcall.Repository, code *rollcall.Code, text string) (what rollcall.Changeset, revision rollcall.Revision, gone string, err error) {
	revision, err = repo.At(ctx, code.Production, text)
	what = rollcall.Changeset{
		ID: revision.ID, Author: revision.Author, Date: revision.Time, Subject: revision.Subject, Tickets: []string{}, Files: []string{},
	}
	kind := rollcall.KindOf(err)
	if err == nil || !code.Promotes() || kind != rollcall.KindNotFound && kind != rollcall.KindRefused {
		return what, revision, "", err
	}
	merger, mergerErr := a.merger(ctx, code, func(string) {})
	if mergerErr != nil {
		return what, revision, "", mergerErr
	}
	all, listErr := merger.Standees(ctx, code.Trunk, code.Production, true)
	if listErr != nil {
		return what, revision, "", listErr
	}
	one, findErr := desk.Find(all, text)
	in := ""
	switch {
	case findErr != nil:
		return what, revision, "", err
	case one.Standing == rollcall.StandBackedOut && one.Was != "":
		in, gone = one.Was, one.In
	case one.Standing != rollcall.StandIntegrated || one.In == "":
		return what, revision, "", rollcall.Errorf(rollcall.KindRefused, "%s is not in production: it is %s", one.Short(), one.Standing).
			WithHint("see rollcall show %s %s", code.Name, one.Short())
	default:
		in = one.In
	}
	revision, err = repo.At(ctx, code.Production, in)
	return one.Changeset, revision, gone, err
}

// contains tells whether a revision has another one in its history.
func contains(ctx context.Context, repo rollcall.Repository, revision, other string) (bool, error) {
	if revision == other {
		return true, nil
	}
	coming, _, err := repo.Changesets(ctx, revision, other)
	return len(coming) == 0, err
}
