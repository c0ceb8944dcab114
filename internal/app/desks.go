package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/check"
	"github.com/rollcall-dev/rollcall/internal/desk"
	"github.com/rollcall-dev/rollcall/internal/roll"
	"github.com/rollcall-dev/rollcall/internal/site"
)

// code finds a code by its name; a site with one code needs none.
func (a *App) code(name string) (*rollcall.Code, error) {
	names := slices.Sorted(maps.Keys(a.site.Codes))
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	if code := a.site.Codes[name]; code != nil {
		return code, nil
	}
	if name == "" {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "which code?").WithHint("%s", rollcall.NamesOf("code", "codes", names))
	}
	e := rollcall.Errorf(rollcall.KindNotFound, "there is no code %q", rollcall.Printable(name))
	if near := site.Nearest(name, names); near != "" {
		return nil, e.WithHint("did you mean %s?", near)
	}
	return nil, e.WithHint("%s", rollcall.NamesOf("code", "codes", names))
}

// desks lists the desks of a code: main, and those that environments roll from.
func (a *App) desks(code *rollcall.Code) []string {
	names := []string{rollcall.DeskName}
	for _, env := range a.site.Environments {
		if env.Code == code && env.From == rollcall.FromCandidate && !slices.Contains(names, env.Desk) {
			names = append(names, env.Desk)
		}
	}
	slices.Sort(names[1:])
	return names
}

// desk opens a desk for the person who acts.
func (a *App) desk(ctx context.Context, request rollcall.DeskRequest) (*desk.Desk, error) {
	code, err := a.code(request.Code)
	if err != nil {
		return nil, err
	}
	name := cmp.Or(request.Desk, rollcall.DeskName)
	if names := a.desks(code); !slices.Contains(names, name) {
		return nil, rollcall.Errorf(rollcall.KindNotFound, "%s has no desk %q", code.Name, rollcall.Printable(name)).
			WithHint("%s; another one comes with an environment that has from: candidate and desk: NAME", rollcall.NamesOf("desk", "desks", names))
	}
	note := request.Note
	if note == nil {
		note = func(string) {}
	}
	repo, err := a.merger(ctx, code, note)
	if err != nil {
		return nil, err
	}
	return &desk.Desk{
		Record: a.record, Repo: repo, Code: code, Name: name, By: a.by, Dir: a.deskDir(code), Note: note,
		Check: func(ctx context.Context, c desk.CheckRequest) (*rollcall.CheckReport, error) {
			return a.runChecks(ctx, check.Request{
				Code: code, Repo: repo, Tree: c.Tree, Base: c.Base, All: c.All, Release: c.Release, Authors: c.Authors, Note: note, Progress: request.Progress,
			})
		},
		Staged: func(ctx context.Context, tree string) ([]rollcall.ReleaseID, error) { return a.staged(ctx, code, tree) },
	}, nil
}

// promoting opens a desk of a code whose changesets go from one branch to another.
func (a *App) promoting(ctx context.Context, request rollcall.DeskRequest) (*desk.Desk, error) {
	code, err := a.code(request.Code)
	if err != nil {
		return nil, err
	}
	if !code.Promotes() {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "%s promotes nothing: its trunk, %s, is what rolls", code.Name, code.Trunk).
			WithHint("rollcall roll ENVIRONMENT rolls its tip; to promote changesets say with production: which branch they go to")
	}
	return a.desk(ctx, request)
}

func (a *App) deskDir(code *rollcall.Code) string { return filepath.Join(a.state, "desks", code.Name) }

// staged gives the releases of a tree that environments which roll candidates have had.
func (a *App) staged(ctx context.Context, code *rollcall.Code, tree string) ([]rollcall.ReleaseID, error) {
	var releases []rollcall.ReleaseID
	for _, name := range slices.Sorted(maps.Keys(a.site.Environments)) {
		env := a.site.Environments[name]
		if env.Code != code || env.From != rollcall.FromCandidate {
			continue
		}
		state, err := roll.ReadState(ctx, a.record, env.Name)
		if err != nil {
			return nil, err
		}
		for _, live := range append(slices.Clone(state.Before), state.Live) {
			if live.Release != "" && live.Revision.Tree == tree && !slices.Contains(releases, live.Release) {
				releases = append(releases, live.Release)
			}
		}
	}
	return releases, nil
}

// Avail lists the changesets of a code's trunk.
func (a *App) Avail(ctx context.Context, request rollcall.AvailRequest) ([]rollcall.Available, error) {
	d, err := a.promoting(ctx, request.DeskRequest)
	if err != nil {
		return nil, err
	}
	all, err := d.Avail(ctx, request)
	if err != nil {
		return nil, err
	}
	for _, name := range a.desks(d.Code) {
		state, err := desk.ReadState(ctx, a.record, d.Code.Name, name)
		if err != nil {
			return nil, err
		}
		for i := range all {
			if slices.ContainsFunc(state.Steps, func(s rollcall.DeskStep) bool { return s.ID == all[i].ID }) {
				all[i].OnDesk = fmt.Sprintf("%s's desk %s", state.By, name)
			}
		}
	}
	return all, nil
}

// Show tells everything of one changeset.
func (a *App) Show(ctx context.Context, request rollcall.DeskRequest, changeset string) (*rollcall.Shown, error) {
	d, err := a.promoting(ctx, request)
	if err != nil {
		return nil, err
	}
	return d.Show(ctx, changeset)
}

// DeskStates tells what is on desks.
func (a *App) DeskStates(ctx context.Context, name string) ([]rollcall.DeskState, error) {
	names := slices.Sorted(maps.Keys(a.site.Codes))
	if name != "" {
		code, err := a.code(name)
		if err != nil {
			return nil, err
		}
		names = []string{code.Name}
	}
	var all []rollcall.DeskState
	for _, name := range names {
		for _, deskName := range a.desks(a.site.Codes[name]) {
			state, err := a.deskState(ctx, a.site.Codes[name], deskName)
			if err != nil {
				return nil, err
			}
			all = append(all, *state)
		}
	}
	return all, nil
}

// deskState reads a desk, and whether a command works on it. A commit that nobody works on
// was interrupted, unless it ended while this was found out.
func (a *App) deskState(ctx context.Context, code *rollcall.Code, name string) (*rollcall.DeskState, error) {
	for {
		state, err := desk.ReadState(ctx, a.record, code.Name, name)
		if err != nil {
			return nil, err
		}
		state.Busy = desk.Busy(a.deskDir(code), name)
		if state.Committing == nil || state.Busy {
			return state, nil
		}
		again, err := desk.ReadState(ctx, a.record, code.Name, name)
		if err != nil || again.Seq == state.Seq {
			return state, err
		}
	}
}

// Merge merges changesets onto the desk.
func (a *App) Merge(ctx context.Context, request rollcall.MergeRequest) (*rollcall.DeskOutcome, error) {
	open := a.promoting
	if request.Selection.Empty() {
		open = a.desk // what is there may be a branch on its way to the trunk
	}
	d, err := open(ctx, request.DeskRequest)
	if err != nil {
		return nil, err
	}
	return d.Merge(ctx, request)
}

// BackOut takes changesets back, on the desk.
func (a *App) BackOut(ctx context.Context, request rollcall.MergeRequest) (*rollcall.DeskOutcome, error) {
	d, err := a.promoting(ctx, request.DeskRequest)
	if err != nil {
		return nil, err
	}
	return d.BackOut(ctx, request)
}

// Land merges a developer's branch into the trunk, on the desk.
func (a *App) Land(ctx context.Context, request rollcall.DeskRequest, branch string) (*rollcall.DeskOutcome, error) {
	d, err := a.desk(ctx, request)
	if err != nil {
		return nil, err
	}
	return d.Land(ctx, request, branch)
}

// Sync merges the trunk into a developer's branch, on the desk.
func (a *App) Sync(ctx context.Context, request rollcall.DeskRequest, branch string) (*rollcall.DeskOutcome, error) {
	d, err := a.desk(ctx, request)
	if err != nil {
		return nil, err
	}
	return d.Sync(ctx, request, branch)
}

// Resolve lists conflicts, or decides one.
func (a *App) Resolve(ctx context.Context, request rollcall.ResolveRequest) (*rollcall.DeskOutcome, error) {
	d, err := a.desk(ctx, request.DeskRequest)
	if err != nil {
		return nil, err
	}
	return d.Resolve(ctx, request)
}

// CheckCode runs the checks on what is on the desk, or on the production branch.
func (a *App) CheckCode(ctx context.Context, request rollcall.CheckRequest) (*rollcall.CheckReport, error) {
	d, err := a.desk(ctx, request.DeskRequest)
	if err != nil {
		return nil, err
	}
	return d.CheckNow(ctx, request)
}

// CommitDesk commits what is on the desk.
func (a *App) CommitDesk(ctx context.Context, request rollcall.CommitRequest) (*rollcall.DeskOutcome, error) {
	d, err := a.desk(ctx, request.DeskRequest)
	if err != nil {
		return nil, err
	}
	outcome, err := d.Commit(ctx, request)
	if err != nil || outcome.Committed == nil {
		return outcome, err
	}
	if outcome.Lifted, err = a.liftHolds(ctx, d.Repo, d.Code, outcome.Steps); err != nil {
		// What is committed is committed: whoever rolls next meets the hold and lifts it.
		d.Note("a hold could not be lifted: " + err.Error())
	}
	return outcome, nil
}

// Abandon leaves the desk clean.
func (a *App) Abandon(ctx context.Context, request rollcall.DeskRequest) (*rollcall.DeskOutcome, error) {
	d, err := a.desk(ctx, request)
	if err != nil {
		return nil, err
	}
	return d.Abandon(ctx, request)
}

// MarkChangesets writes the ledger.
func (a *App) MarkChangesets(ctx context.Context, request rollcall.MarkRequest) ([]rollcall.Standee, error) {
	d, err := a.promoting(ctx, request.DeskRequest)
	if err != nil {
		return nil, err
	}
	return d.Mark(ctx, request)
}

// ImportLedger brings an older ledger into today's.
func (a *App) ImportLedger(ctx context.Context, request rollcall.DeskRequest, confirm func(*rollcall.Imported) error) (*rollcall.Imported, error) {
	d, err := a.promoting(ctx, request)
	if err != nil {
		return nil, err
	}
	return d.Import(ctx, confirm)
}
