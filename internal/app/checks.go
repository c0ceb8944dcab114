package app

import (
	"context"
	"path/filepath"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/check"
)

// runChecks runs a code's checks on a tree. A tree that fails is no error.
func (a *App) runChecks(ctx context.Context, request check.Request) (*rollcall.CheckReport, error) {
	checker, err := a.checker(ctx)
	if err != nil {
		return nil, err
	}
	return checker.Run(ctx, request)
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
