package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/check"
	"github.com/rollcall-dev/rollcall/internal/desk"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// candidate aims at what is on the environment's desk; with nothing on it at what it
// starts from.
func (a *App) candidate(ctx context.Context, p *planning, request rollcall.RollRequest, in *roll.Input, note func(string)) error {
	if request.At != "" {
		return rollcall.Errorf(rollcall.KindInvalid, "%s rolls what is on a desk: no revision can be chosen", p.env.Name).
			WithHint("leave --at out, or roll an environment that is not from: candidate")
	}
	code := p.env.Code
	state, err := desk.ReadState(ctx, a.record, code.Name, p.env.Desk)
	if err != nil {
		return err
	}
	target := state.Target
	if !state.Open() {
		target = code.Production
	}
	revision, err := p.repo.Tip(ctx, target)
	if err != nil {
		return err
	}
	if state.Open() {
		if !state.Clean() {
			return rollcall.Errorf(rollcall.KindRefused, "the desk %s of %s has conflicts: there is no candidate yet", state.Desk, code.Name).
				WithHint("%s shows them", state.Command("resolve"))
		}
		if state.Checked != nil && state.Checked.Tree == state.Tree && !state.Checked.Passed {
			in.Odd = append(in.Odd, "the candidate's checks fail: it can't be committed so")
		}
		if revision.Tree != state.Base.Tree {
			in.Odd = append(in.Odd, target+" has moved since the candidate was merged: it can't be committed so")
		}
		if in.Coming, err = a.onDesk(ctx, p.repo, state); err != nil {
			return err
		}
		revision = rollcall.Revision{
			ID: rollcall.CandidateID(state.Tree), Tree: state.Tree, Time: time.Now().UTC(), Author: state.By, Subject: candidateSubject(in.Coming),
		}
	}
	made, err := p.releases.Build(ctx, code, p.repo, revision, note)
	if err != nil {
		return err
	}
	in.Release, in.Revision, in.Odd = made.ID, revision, append(in.Odd, made.Odd...)
	return nil
}

func candidateSubject(coming []rollcall.Changeset) string {
	var names []string
	for _, c := range coming {
		names = append(names, c.Short())
	}
	return "candidate: " + strings.Join(names, " ")
}

// onDesk lists the changesets of a desk, newest first.
func (a *App) onDesk(ctx context.Context, repo rollcall.Repository, state *rollcall.DeskState) ([]rollcall.Changeset, error) {
	coming := []rollcall.Changeset{}
	var listed []rollcall.Standee
	if merger, ok := repo.(rollcall.Merger); ok && state.Steps[0].Kind != rollcall.StepMerge {
		var err error
		if listed, err = merger.Standees(ctx, state.Source, state.Target, true); err != nil {
			return nil, err
		}
	}
	for _, step := range slices.Backward(state.Steps) {
		c := rollcall.Changeset{ID: step.ID, Author: state.By, Subject: "the branch " + step.Source, Tickets: []string{}, Files: []string{}}
		if i := slices.IndexFunc(listed, func(l rollcall.Standee) bool { return l.ID == step.ID }); i >= 0 {
			c = listed[i].Changeset
		}
		if step.Kind == rollcall.StepBackOut {
			c.Subject = "back out: " + c.Subject
		}
		coming = append(coming, c)
	}
	return coming, nil
}

// require finds what a tree has not passed that the environment wants of it.
func (a *App) require(ctx context.Context, p *planning, in *roll.Input, note func(string)) error {
	if in.Release == p.state.Live.Release {
		return nil
	}
	for _, r := range p.env.Require {
		var text string
		var err error
		switch r {
		case rollcall.RequireStaged:
			text, err = a.unstaged(ctx, p, in)
		case rollcall.RequireChecks:
			text, err = a.unchecked(ctx, p, in, note)
		}
		if err != nil {
			return err
		}
		if text != "" {
			in.Unproven = append(in.Unproven, rollcall.Warning{ID: rollcall.Risks[r], Text: text})
		}
	}
	return nil
}

// unstaged says that a release was never tried: neither by the record, nor by what the
// commits of the branch say, wherever that was.
func (a *App) unstaged(ctx context.Context, p *planning, in *roll.Input) (string, error) {
	here, err := a.staged(ctx, p.env.Code, in.Revision.Tree)
	if err != nil || slices.Contains(here, in.Release) {
		return "", err
	}
	if merger, ok := p.repo.(rollcall.Merger); ok {
		proofs, err := merger.Proofs(ctx, p.env.Code.Production)
		if err != nil || slices.Contains(proofs, in.Release) {
			return "", err
		}
	}
	return "it was not tried on a staging environment", nil
}

// unchecked runs the checks: what is known of each file is not run again.
func (a *App) unchecked(ctx context.Context, p *planning, in *roll.Input, note func(string)) (string, error) {
	base := p.state.Live.Revision.Tree
	if base == "" || rollcall.IsCandidate(p.state.Live.Revision.ID) {
		base = in.Revision.Tree // what stands there was never compared: markers are no news
	}
	run := check.Request{Code: p.env.Code, Repo: p.repo, Tree: in.Revision.Tree, Base: base, Note: note}
	report, err := a.runChecks(ctx, run)
	if err != nil {
		var known *rollcall.Error
		if errors.As(err, &known) || base == in.Revision.Tree {
			return "", err
		}
		run.Base = in.Revision.Tree // the old tree is gone from the repository
		if report, err = a.runChecks(ctx, run); err != nil {
			return "", err
		}
	}
	if report.Passed() {
		return "", nil
	}
	first := report.Failures[0]
	return "its checks fail: " + first.Check + " in " + rollcall.Printable(first.Path), nil
}
