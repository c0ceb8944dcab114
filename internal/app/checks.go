package app

import (
	"context"
	"path/filepath"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/check"
)

// checkRun is what is to be checked.
type checkRun struct {
	tree, base string
	branch     string // whose people changed the files last
	all        bool
	note       func(string)
	progress   func(done, total int)
}

// runChecks runs a code's checks on a tree.
func (a *App) runChecks(ctx context.Context, code *rollcall.Code, repo rollcall.Repository, run checkRun) (*rollcall.CheckReport, error) {
	checker, err := a.checker(ctx)
	if err != nil {
		return nil, err
	}
	return checker.Run(ctx, check.Request{
		Code: code, Repo: repo, Tree: run.tree, Base: run.base, All: run.all, Note: run.note, Progress: run.progress,
		Authors: func(ctx context.Context, paths []string) map[string]string {
			merger, ok := repo.(rollcall.Merger)
			if !ok {
				return nil
			}
			last, err := merger.LastChanged(ctx, run.branch, paths)
			if err != nil {
				return nil // who it was is no part of whether it passes
			}
			names := map[string]string{}
			for path, c := range last {
				names[path] = c.Author + " in " + c.Short()
			}
			return names
		},
	})
}

// checker opens what is kept of checks when it is first needed.
func (a *App) checker(ctx context.Context) (*check.Checker, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.checks == nil {
		c, err := check.Open(ctx, filepath.Join(a.state, "checks"), a.site.Dir)
		if err != nil {
			return nil, stateError(a.state, err)
		}
		a.checks = c
	}
	return a.checks, nil
}
