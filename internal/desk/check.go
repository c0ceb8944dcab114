package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// CheckRequest is what is to be checked.
type CheckRequest struct {
	Tree string
	Base string // what it came of; empty: nothing is known to be older
	All  bool   // conflict markers are looked for in every file
	// Release finds what keeps the tree from being a release too.
	Release bool
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
		report, err := d.Check(ctx, CheckRequest{Tree: tip.Tree, All: request.All, Release: true, Authors: s.changedBy(d.Code.Production, nil)})
		if err != nil || report.Passed() {
			return report, err
		}
		hint := "mend it on " + d.Code.Trunk
		if d.Code.Promotes() {
			hint += " and merge that"
		}
		return report, failing(report, d.Code.Production).WithHint("%s", hint)
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
		Tree: s.state.Tree, Base: s.state.Base.Tree, All: all, Release: s.state.Target == s.Code.Production,
		Authors: s.changedBy(s.state.Target, changesets),
	})
	if err != nil {
		return report, err
	}
	err = s.append(ctx, rollcall.NewEvent(rollcall.EventDeskChecked,
		rollcall.CheckedTree{Tree: s.state.Tree, Passed: report.Passed(), Failed: len(report.Failures)}))
	if err != nil || report.Passed() {
		return report, err
	}
	return report, failing(report, "the candidate").WithHint("%s", s.failedHint(report, changesets))
}

// failing makes a report with failures an error.
func failing(report *rollcall.CheckReport, what string) *rollcall.Error {
	return rollcall.Errorf(rollcall.KindRefused, "%s in the checks of %s", rollcall.Plural(len(report.Failures), "failure", "failures"), what)
}

// failedHint names the ways out of failed checks: what was so before is not mended by
// taking anything off the desk.
func (s *session) failedHint(report *rollcall.CheckReport, changesets []rollcall.Standee) string {
	fresh, unfit := false, false
	var drop []string
	for _, f := range report.Failures {
		fresh, unfit = fresh || !f.Before, unfit || f.Check == rollcall.Releasable
		for _, c := range bringers(changesets, f.Path) {
			if !f.Before && !slices.Contains(drop, c.Short()) {
				drop = append(drop, c.Short())
			}
		}
	}
	hint := fmt.Sprintf("mend it on %s and bring that too", s.state.Source)
	switch {
	case !fresh:
		hint = fmt.Sprintf("%s had that before, whatever is on the desk: %s", s.state.Target, hint)
	case len(drop) > 0 && len(drop) < len(s.state.Steps):
		hint += ", or take what brings it off the desk: " + s.command("merge", "--drop", strings.Join(drop, ","))
	default:
		hint += fmt.Sprintf("; %s leaves the desk clean", s.command("abandon"))
	}
	if unfit {
		hint += "; what is never to roll is left out with exclude: in rollcall.yaml"
	}
	return hint
}

// bringers are the changesets that change a path.
func bringers(changesets []rollcall.Standee, path string) []rollcall.Standee {
	var all []rollcall.Standee
	for _, c := range changesets {
		if slices.Contains(c.Files, path) {
			all = append(all, c)
		}
	}
	return all
}

// changedBy tells who last changed a path: on the desk, on the branch that it brings as a
// whole, or before on its target.
func (s *session) changedBy(target string, changesets []rollcall.Standee) func(context.Context, []string) map[string]string {
	return func(ctx context.Context, paths []string) map[string]string {
		names := map[string]string{}
		name := func(path string, c rollcall.Changeset) {
			names[path] = c.Author + " in " + c.Short()
			for _, ticket := range c.Tickets {
				names[path] += " #" + ticket
			}
		}
		on := map[string][]string{} // by branch
		brought := s.brought(ctx)
		for _, path := range paths {
			by := bringers(changesets, path)
			switch {
			case len(by) > 0:
				name(path, by[len(by)-1].Changeset)
			case brought[path]:
				on[s.state.Source] = append(on[s.state.Source], path)
			default:
				on[target] = append(on[target], path)
			}
		}
		for branch, paths := range on {
			last, err := s.Repo.LastChanged(ctx, branch, paths)
			if err != nil {
				continue // who it was is no part of whether it passes
			}
			for path, c := range last {
				name(path, c)
			}
		}
		return names
	}
}

// brought are the paths that a branch which is merged as a whole changes on its target.
func (s *session) brought(ctx context.Context) map[string]bool {
	if !s.state.Open() || s.state.Steps[0].Kind != rollcall.StepMerge {
		return nil
	}
	changes, err := s.Repo.Changes(ctx, s.state.Base.Tree, s.state.Tree)
	if err != nil {
		return nil
	}
	paths := map[string]bool{}
	for _, c := range changes {
		paths[c.Path] = true
	}
	return paths
}
