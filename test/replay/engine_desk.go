package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/desk"
	"github.com/rollcall-dev/rollcall/internal/record/sqlite"
	vcs "github.com/rollcall-dev/rollcall/internal/vcs/git"
)

// deskEngine is Rollcall's own desk in the scratch repository, whose branches stand where
// the replay has come to.
type deskEngine struct {
	h      *history
	ledger *ledger
	repo   *vcs.Repository
	record *sqlite.Record
	desk   *desk.Desk
}

func newEngine(ctx context.Context, h *history, l *ledger, folder string) (engine, error) {
	repo, err := vcs.Open(ctx, h.git.dir, "", func(string) {})
	if err != nil {
		return nil, err
	}
	record, err := sqlite.Open(ctx, filepath.Join(folder, "record.db"))
	if err != nil {
		return nil, err
	}
	return &deskEngine{h, l, repo, record, &desk.Desk{
		Record: record, Repo: repo, Name: rollcall.DeskName, By: "replay", Dir: filepath.Join(folder, "desk"),
		Code: &rollcall.Code{Name: "replayed", Trunk: trunkBranch, Production: productionBranch},
	}}, nil
}

func (e *deskEngine) Close() error { return e.record.Close() }

// Predict is rollcall merge --dry-run.
func (e *deskEngine) Predict(ctx context.Context, base string, picks []string) (prediction, error) {
	if err := e.moveTo(ctx, base, picks...); err != nil {
		return prediction{}, err
	}
	outcome, err := e.desk.Merge(ctx, rollcall.MergeRequest{Selection: rollcall.ChangesetSelection{Texts: picks}, DryRun: true})
	if outcome == nil {
		return prediction{}, err
	}
	if len(outcome.Conflict) == 0 {
		return prediction{Tree: outcome.Tree}, err
	}
	p := prediction{At: outcome.Steps[outcome.Merged].ID}
	for _, c := range outcome.Conflict {
		p.Conflicts = append(p.Conflicts, c.Path)
	}
	return p, nil
}

// Needs is what rollcall show names: what a pick builds upon, and with what it would not
// conflict.
func (e *deskEngine) Needs(ctx context.Context, base, pick string) ([]string, error) {
	if err := e.moveTo(ctx, base, pick); err != nil {
		return nil, err
	}
	shown, err := e.desk.Show(ctx, pick)
	if err != nil {
		return nil, err
	}
	needs := shown.Needs
	for _, id := range shown.Minimum {
		if !slices.Contains(needs, id) {
			needs = append(needs, id)
		}
	}
	return needs, nil
}

// moveTo puts the production branch to a revision, and the trunk to where it was by then,
// as far as promotions tell.
func (e *deskEngine) moveTo(ctx context.Context, base string, picks ...string) error {
	trunk := e.ledger.trunk[base]
	for _, id := range picks {
		trunk = e.h.newer(trunk, id)
	}
	_, err := e.h.git.run(ctx, strings.NewReader(fmt.Sprintf("update refs/heads/%s %s\nupdate refs/heads/%s %s\n",
		productionBranch, base, trunkBranch, trunk)), "update-ref", "--stdin")
	return err
}
