package app

import (
	"context"
	"path/filepath"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/site"
	"github.com/rollcall-dev/rollcall/internal/vcs/git"
	"github.com/rollcall-dev/rollcall/internal/vcs/svn"
)

// repository opens a code's repository. A relative path starts at the site.
func (a *App) repository(ctx context.Context, code *rollcall.Code, note func(string)) (rollcall.Repository, error) {
	mirror := filepath.Join(a.state, "mirrors", code.Name)
	if code.SVN != "" {
		return a.subversion(ctx, code, mirror+".svn", note)
	}
	address := code.Git
	if git.IsLocal(address) {
		address = a.fromSite(address)
	}
	return git.Open(ctx, address, mirror+".git", note)
}

// repositoryFor opens what an environment rolls from. What was on a desk is only in the
// mirror, and the last release may have been made of it.
func (a *App) repositoryFor(ctx context.Context, env *rollcall.Environment, note func(string)) (rollcall.Repository, error) {
	if env.From == rollcall.FromCandidate || env.Code.Promotes() {
		return a.merger(ctx, env.Code, note)
	}
	return a.repository(ctx, env.Code, note)
}

// merger opens a code's repository for merging: always through a mirror of our own.
func (a *App) merger(ctx context.Context, code *rollcall.Code, note func(string)) (rollcall.Merger, error) {
	if code.SVN != "" {
		repo, err := a.repository(ctx, code, note)
		if err != nil {
			return nil, err
		}
		return repo.(rollcall.Merger), nil
	}
	address := code.Git
	if git.IsLocal(address) {
		address = a.fromSite(address)
	}
	return git.OpenMirror(ctx, address, filepath.Join(a.state, "mirrors", code.Name+".git"), note)
}

func (a *App) subversion(ctx context.Context, code *rollcall.Code, mirror string, note func(string)) (rollcall.Repository, error) {
	address := code.SVN
	if svn.IsLocal(address) {
		address = a.fromSite(address)
	}
	password, err := site.ReadSecret(code.Password)
	if err != nil {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "read the password for %s: %w", address, err)
	}
	return svn.Open(ctx, svn.Options{
		Address: address, Mirror: mirror, Branches: []string{code.Production, code.Trunk}, Password: password, Note: note,
	})
}

func (a *App) fromSite(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(a.site.Dir, name)
}
