package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// outcome tells of every step on the desk whose changeset it is.
func (s *session) outcome(ctx context.Context) (*rollcall.DeskOutcome, error) {
	o := &rollcall.DeskOutcome{DeskState: *s.state, Changesets: []rollcall.Standee{}}
	listed, err := s.listed(ctx)
	if err != nil {
		return nil, err
	}
	for _, step := range s.state.Steps {
		one := rollcall.Standee{Changeset: rollcall.Changeset{ID: step.ID}}
		if i := slices.IndexFunc(listed, func(l rollcall.Standee) bool { return l.ID == step.ID }); i >= 0 {
			one = listed[i]
		} else if step.Kind == rollcall.StepMerge {
			one.Author, one.Subject = s.By, "the branch "+step.Source
		}
		o.Changesets = append(o.Changesets, one)
	}
	return o, nil
}

// listed are the changesets that the desk's steps are taken from, newest first.
func (s *session) listed(ctx context.Context) ([]rollcall.Standee, error) {
	if !s.state.Open() || s.state.Steps[0].Kind == rollcall.StepMerge {
		return nil, nil
	}
	all := slices.ContainsFunc(s.state.Steps, func(o rollcall.DeskStep) bool { return o.Kind == rollcall.StepBackOut })
	return s.standees(ctx, s.state.Source, s.state.Target, all)
}

// explain adds, for each conflict, who is on both sides and where they differ, and the
// smallest set of changesets that makes it clean.
func (s *session) explain(ctx context.Context, o *rollcall.DeskOutcome, conflicts []rollcall.Conflict) error {
	step, brings := s.state.Steps[s.state.Merged], o.Changesets[s.state.Merged].Changeset
	var paths []string
	for _, c := range conflicts {
		paths = append(paths, onTarget(c))
	}
	last, err := s.Repo.LastChanged(ctx, s.state.Target, paths)
	if err != nil {
		return err
	}
	var theirs map[string]rollcall.Changeset
	if step.Kind == rollcall.StepMerge { // of a branch it is whoever changed it there, and not who merges
		brings.Author = ""
		if theirs, err = s.Repo.LastChanged(ctx, step.Source, paths); err != nil {
			return err
		}
	}
	for _, c := range conflicts {
		view := rollcall.ConflictView{Conflict: c, Target: s.state.Target, Step: step, TheirsBy: brings}
		if by, ok := theirs[c.Path]; ok {
			view.TheirsBy = by
		}
		view.Regions, view.Marked = compare(ctx, c, s.state.Target, rollcall.ShortRevision(step.ID))
		if err := s.begun(&view); err != nil {
			return fmt.Errorf("read what was edited: %w", err)
		}
		path := onTarget(c)
		if by, ok := last[path]; ok {
			view.Production = &by
		}
		for _, before := range slices.Backward(o.Changesets[:s.state.Merged]) {
			if slices.ContainsFunc(before.Files, func(f string) bool { return f == path || strings.HasPrefix(f, path+"/") }) {
				view.Production = &before.Changeset
				break
			}
		}
		o.Views = append(o.Views, view)
	}
	o.Minimum, err = s.minimum(ctx, step, s.state.Steps[:s.state.Merged])
	if err != nil {
		return err
	}
	listed, err := s.listed(ctx)
	for _, l := range listed {
		if slices.Contains(o.Minimum, l.ID) {
			o.Names = append(o.Names, l)
		}
	}
	return err
}

// onTarget is what the target calls what a conflict is about.
func onTarget(c rollcall.Conflict) string {
	if c.Production != nil && c.Production.Path != "" {
		return c.Production.Path
	}
	return c.Path
}
