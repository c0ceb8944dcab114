package app

import (
	"context"
	"path/filepath"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/check"
)

// checkWatch is who is told of checks while they run. Each may be nil.
type checkWatch struct {
	Note     func(string)
	Progress func(done, total int)
	// Authors tells who last changed each path.
	Authors func(ctx context.Context, paths []string) map[string]string
}

// runChecks holds a tree against the code's checks. base is the tree that the change
// starts from; all looks for conflict markers beyond what differs from it. A tree that
// fails is no error.
func (a *App) runChecks(ctx context.Context, code *rollcall.Code, repo rollcall.Repository, tree, base string, all bool, watch checkWatch) (*rollcall.CheckReport, error) {
	checker, err := a.checker(ctx)
	if err != nil {
		return nil, err
	}
	return checker.Run(ctx, check.Request{
		Code: code, Repo: repo, Tree: tree, Base: base, All: all,
		Note: watch.Note, Progress: watch.Progress, Authors: watch.Authors,
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
