package app

import (
	"context"
	"maps"
	"slices"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// liftHolds lifts the holds that a rollback left, where what was committed takes back a
// changeset which that rollback took off the nodes: the branch would bring it no more. It
// gives the environments.
func (a *App) liftHolds(ctx context.Context, repo rollcall.Repository, code *rollcall.Code, steps []rollcall.DeskStep) ([]string, error) {
	back := map[string]bool{}
	for _, step := range steps {
		if step.Kind == rollcall.StepBackOut {
			back[step.ID], back[step.In] = true, true
		}
	}
	var lifted []string
	for _, name := range slices.Sorted(maps.Keys(a.site.Environments)) {
		env := a.site.Environments[name]
		if len(back) == 0 || env.Code != code || env.From != "" {
			continue
		}
		state, err := roll.ReadState(ctx, a.record, name)
		if err != nil {
			return lifted, err
		}
		if state.Hold == nil || state.Hold.Roll == 0 || state.Hold.Revision == "" {
			continue // a person's own hold is that person's to lift
		}
		gone, _, err := repo.Changesets(ctx, state.Live.Revision.ID, state.Hold.Revision)
		if err != nil {
			return lifted, err
		}
		if !slices.ContainsFunc(gone, func(c rollcall.Changeset) bool { return back[c.ID] }) {
			continue
		}
		if err := a.Unhold(ctx, name); err != nil {
			return lifted, err
		}
		lifted = append(lifted, name)
	}
	return lifted, nil
}
