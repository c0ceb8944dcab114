package desk

import (
	"context"
	"slices"

	"github.com/rollcall-dev/rollcall"
)

// CheckRequest is what is to be checked.
type CheckRequest struct {
	Tree string
	Base string // what it came of; empty: nothing is known to be older
	All  bool   // conflict markers are looked for in every file
	// Authors tells who last changed each path.
	Authors func(ctx context.Context, paths []string) map[string]string
}

// CheckNow runs the checks on what is on the desk, or on the production branch where
// nothing is.
func (d *Desk) CheckNow(ctx context.Context, request rollcall.CheckRequest) (*rollcall.CheckReport, error) {
	s, err := d.enter(ctx, request.TakeOver)
	if err != nil {
		return nil, err
	}
	defer s.free()
	if !s.state.Open() {
		tip, err := d.Repo.Tip(ctx, d.Code.Production)
		if err != nil {
			return nil, err
		}
		report, err := d.Check(ctx, CheckRequest{Tree: tip.Tree, All: request.All, Authors: s.changedBy(d.Code.Production, nil)})
		return report, failing(report, err, d.Code.Production)
	}
	if !s.state.Clean() {
		return nil, rollcall.Errorf(rollcall.KindConflict, "there are conflicts on the desk %s of %s", d.Name, d.Code.Name).
			WithHint("%s shows them", d.command("resolve"))
	}
	outcome, err := s.outcome(ctx)
	if err != nil {
		return nil, err
	}
	return s.check(ctx, outcome.Changesets, request.All)
}

// check runs the checks on what is on the desk, and keeps how they ended.
func (s *session) check(ctx context.Context, changesets []rollcall.Standee, all bool) (*rollcall.CheckReport, error) {
	report, err := s.Check(ctx, CheckRequest{
		Tree: s.state.Tree, Base: s.state.Base.Tree, All: all, Authors: s.changedBy(s.state.Target, changesets),
	})
	if err != nil {
		return report, err
	}
	err = s.append(ctx, rollcall.NewEvent(rollcall.EventDeskChecked,
		rollcall.CheckedTree{Tree: s.state.Tree, Passed: report.Passed(), Failed: len(report.Failures)}))
	return report, failing(report, err, "the candidate")
}

// failing makes a report with failures an error.
func failing(report *rollcall.CheckReport, err error, what string) error {
	if err != nil || report.Passed() {
		return err
	}
	return rollcall.Errorf(rollcall.KindRefused, "%s in the checks of %s", plural(len(report.Failures), "failure"), what).
		WithHint("mend it on the trunk and merge that too, or take what brings it off the desk: rollcall merge CODE --drop CHANGESET")
}

// changedBy tells who last changed a path: on the desk, or before on its target.
func (s *session) changedBy(target string, changesets []rollcall.Standee) func(context.Context, []string) map[string]string {
	return func(ctx context.Context, paths []string) map[string]string {
		names := map[string]string{}
		name := func(path string, c rollcall.Changeset) {
			names[path] = c.Author + " in " + c.Short()
			for _, ticket := range c.Tickets {
				names[path] += " #" + ticket
			}
		}
		var rest []string
		for _, path := range paths {
			i := slices.IndexFunc(changesets, func(c rollcall.Standee) bool { return slices.Contains(c.Files, path) })
			for j := len(changesets) - 1; j > i && i >= 0; j-- {
				if slices.Contains(changesets[j].Files, path) {
					i = j
				}
			}
			if i >= 0 {
				name(path, changesets[i].Changeset)
			} else {
				rest = append(rest, path)
			}
		}
		last, err := s.Repo.LastChanged(ctx, target, rest)
		if err != nil {
			return names // who it was is no part of whether it passes
		}
		for path, c := range last {
			name(path, c)
		}
		return names
	}
}
