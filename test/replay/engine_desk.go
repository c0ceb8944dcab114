package main

import (
	"context"

	"github.com/rollcall-dev/rollcall"
	vcs "github.com/rollcall-dev/rollcall/internal/vcs/git"
)

// deskEngine is Rollcall's own, in the scratch repository, whose production branch it
// finds where the replay has come to.
type deskEngine struct {
	h    *history
	repo *vcs.Repository
}

func newEngine(ctx context.Context, h *history) (engine, error) {
	if _, err := h.git.run(ctx, nil, "update-ref", "refs/heads/"+trunkBranch, h.trunkTip); err != nil {
		return nil, err
	}
	repo, err := vcs.Open(ctx, h.git.dir, "", func(string) {})
	if err != nil {
		return nil, err
	}
	return &deskEngine{h: h, repo: repo}, nil
}

func (e *deskEngine) Predict(ctx context.Context, base string, picks []string) (prediction, error) {
	production, err := e.moveTo(ctx, base)
	if err != nil {
		return prediction{}, err
	}
	// A bench with a name, so that the trees are still there to be compared.
	bench, err := e.repo.Bench(ctx, "replay", productionBranch, production)
	if err != nil {
		return prediction{}, err
	}
	defer bench.Close()
	for _, id := range picks {
		applied, err := bench.Apply(ctx, rollcall.DeskStep{Kind: rollcall.StepPick, Source: trunkBranch, ID: id}, nil)
		if err != nil {
			return prediction{}, err
		}
		if len(applied.Conflicts) > 0 {
			p := prediction{At: id}
			for _, c := range applied.Conflicts {
				p.Conflicts = append(p.Conflicts, c.Path)
			}
			return p, nil
		}
	}
	tree, err := bench.Freeze(ctx)
	return prediction{Tree: tree}, err
}

func (e *deskEngine) Needs(ctx context.Context, base, pick string) ([]string, error) {
	if _, err := e.moveTo(ctx, base); err != nil {
		return nil, err
	}
	touched, err := e.repo.Touched(ctx, trunkBranch, productionBranch, pick)
	if err != nil {
		return nil, err
	}
	integrated, err := e.integrated(ctx)
	if err != nil {
		return nil, err
	}
	var needs []string
	for _, t := range touched {
		if !integrated[t.ID] {
			integrated[t.ID] = true
			needs = append(needs, t.ID)
		}
	}
	return needs, nil
}

// integrated are the changesets that production has.
func (e *deskEngine) integrated(ctx context.Context) (map[string]bool, error) {
	standees, err := e.repo.Standees(ctx, trunkBranch, productionBranch, true)
	if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, s := range standees {
		have[s.ID] = !s.Standing.Mergeable()
	}
	return have, nil
}

// moveTo puts the production branch to a revision.
func (e *deskEngine) moveTo(ctx context.Context, base string) (rollcall.Revision, error) {
	if _, err := e.h.git.run(ctx, nil, "update-ref", "refs/heads/"+productionBranch, base); err != nil {
		return rollcall.Revision{}, err
	}
	return e.repo.Tip(ctx, productionBranch)
}
