package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// Merge merges changesets of the trunk onto the desk, beside what is there. Without a
// selection it merges what is there again, on the target as it is now.
func (d *Desk) Merge(ctx context.Context, request rollcall.MergeRequest) (*rollcall.DeskOutcome, error) {
	s, err := d.enterFor(ctx, request)
	if err != nil {
		return nil, err
	}
	defer s.free()
	if err := s.settled(); err != nil {
		return nil, err
	}
	if request.Selection.Empty() {
		if !s.state.Open() {
			return nil, rollcall.Errorf(rollcall.KindConflict, "there is nothing on the desk %s of %s", s.Name, s.Code.Name).
				WithHint("%s", s.toBegin())
		}
		steps, err := s.without(request.Drop)
		if err != nil {
			return nil, err
		}
		return s.put(ctx, s.state.Source, s.state.Target, steps, request.DryRun)
	}
	listed, err := s.standees(ctx, d.Code.Trunk, d.Code.Production, false)
	if err != nil {
		return nil, err
	}
	if err := s.sameWay(d.Code.Trunk, d.Code.Production); err != nil {
		return nil, err
	}
	wanted, err := s.choose(ctx, listed, request.Selection)
	if err != nil {
		return nil, err
	}
	steps, err := s.without(request.Drop)
	if err != nil {
		return nil, err
	}
	for _, one := range wanted {
		step := rollcall.DeskStep{Kind: rollcall.StepPick, Source: d.Code.Trunk, ID: one.ID}
		if !slices.ContainsFunc(steps, func(o rollcall.DeskStep) bool { return o.ID == step.ID }) {
			steps = append(steps, step)
		}
	}
	ordered(steps, listed)
	return s.put(ctx, d.Code.Trunk, d.Code.Production, steps, request.DryRun)
}

// enterFor takes the desk for what is merged; who only asks what would come of it takes nothing.
func (d *Desk) enterFor(ctx context.Context, request rollcall.MergeRequest) (*session, error) {
	if request.DryRun {
		return d.look(ctx)
	}
	return d.enter(ctx, request.TakeOver)
}

// toBegin says how something comes onto an empty desk.
func (s *session) toBegin() string {
	if !s.Code.Promotes() {
		return s.command("land", "BRANCH") + " brings a developer's branch to " + s.Code.Trunk
	}
	return fmt.Sprintf("name changesets: %s; see rollcall avail %s", s.command("merge", "CHANGESET…"), s.Code.Name)
}

// without gives the desk's steps without some of them.
func (s *session) without(drop []string) ([]rollcall.DeskStep, error) {
	steps := slices.Clone(s.state.Steps)
	for _, text := range drop {
		var here []rollcall.Standee
		for _, step := range steps {
			here = append(here, rollcall.Standee{Changeset: rollcall.Changeset{ID: step.ID}})
		}
		one, err := Find(here, text)
		if err != nil {
			return nil, rollcall.Errorf(rollcall.KindNotFound, "%s is not on the desk", rollcall.Printable(text)).WithHint("it has %s on it", names(steps))
		}
		steps = slices.DeleteFunc(steps, func(o rollcall.DeskStep) bool { return o.ID == one.ID })
	}
	if len(steps) == 0 && len(drop) > 0 {
		return nil, rollcall.Errorf(rollcall.KindConflict, "nothing would stay on the desk").WithHint("%s leaves it clean", s.command("abandon"))
	}
	return steps, nil
}

// BackOut takes changesets back on the desk.
func (d *Desk) BackOut(ctx context.Context, request rollcall.MergeRequest) (*rollcall.DeskOutcome, error) {
	s, err := d.enterFor(ctx, request)
	if err != nil {
		return nil, err
	}
	defer s.free()
	if err := s.settled(); err != nil {
		return nil, err
	}
	if err := s.sameWay(d.Code.Trunk, d.Code.Production); err != nil {
		return nil, err
	}
	listed, err := s.standees(ctx, d.Code.Trunk, d.Code.Production, true)
	if err != nil {
		return nil, err
	}
	steps := slices.Clone(s.state.Steps)
	for _, text := range request.Selection.Texts {
		one, err := choice{listed, d.Code.Name}.through(text)
		if err != nil {
			return nil, err
		}
		if one.Standing != rollcall.StandIntegrated {
			return nil, rollcall.Errorf(rollcall.KindConflict, "%s is not on %s: it is %s", one.Short(), d.Code.Production, one.Standing).
				WithHint("only what is integrated can be backed out: rollcall avail %s --state integrated", d.Code.Name)
		}
		steps = append(steps, rollcall.DeskStep{Kind: rollcall.StepBackOut, Source: d.Code.Trunk, ID: one.ID, In: one.In})
	}
	ordered(steps, listed)
	return s.put(ctx, d.Code.Trunk, d.Code.Production, slices.Compact(steps), request.DryRun)
}

// Land merges a developer's branch into the trunk, on the desk. Of the production branch
// it brings what was changed there and nowhere else.
func (d *Desk) Land(ctx context.Context, request rollcall.DeskRequest, branch string) (*rollcall.DeskOutcome, error) {
	branch, err := d.branchNamed(ctx, branch)
	if err != nil {
		return nil, err
	}
	if branch == d.Code.Trunk {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "%s is the trunk itself", branch)
	}
	if branch != d.Code.Production {
		return d.whole(ctx, request, branch, d.Code.Trunk)
	}
	s, err := d.enter(ctx, request.TakeOver)
	if err != nil {
		return nil, err
	}
	defer s.free()
	if err := s.emptyBut(branch, d.Code.Trunk, rollcall.StepPick); err != nil {
		return nil, err
	}
	// Where the trunk was rewritten its old history is on the production branch, and would all
	// come back: production's ledger tells.
	if _, err := s.standees(ctx, d.Code.Trunk, branch, false); err != nil {
		return nil, err
	}
	listed, err := s.standees(ctx, branch, d.Code.Trunk, false)
	if err != nil {
		return nil, err
	}
	var steps []rollcall.DeskStep
	for _, one := range listed {
		if one.Standing == rollcall.StandEligible {
			steps = append(steps, rollcall.DeskStep{Kind: rollcall.StepPick, Source: branch, ID: one.ID})
		}
	}
	if len(steps) == 0 {
		return nil, rollcall.Errorf(rollcall.KindConflict, "%s has nothing of its own that %s lacks", branch, d.Code.Trunk)
	}
	ordered(steps, listed)
	return s.put(ctx, branch, d.Code.Trunk, steps, false)
}

// Sync merges the trunk into a developer's branch, on the desk.
func (d *Desk) Sync(ctx context.Context, request rollcall.DeskRequest, branch string) (*rollcall.DeskOutcome, error) {
	branch, err := d.branchNamed(ctx, branch)
	if err != nil {
		return nil, err
	}
	if branch == d.Code.Trunk || branch == d.Code.Production {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "%s is no developer's branch", branch).
			WithHint("%s brings changesets to production", d.command("merge"))
	}
	return d.whole(ctx, request, d.Code.Trunk, branch)
}

// whole merges one branch into another as a whole.
func (d *Desk) whole(ctx context.Context, request rollcall.DeskRequest, source, target string) (*rollcall.DeskOutcome, error) {
	s, err := d.enter(ctx, request.TakeOver)
	if err != nil {
		return nil, err
	}
	defer s.free()
	if err := s.emptyBut(source, target, rollcall.StepMerge); err != nil {
		return nil, err
	}
	if err := s.mayMerge(ctx, source, target); err != nil {
		return nil, err
	}
	tip, err := d.Repo.Tip(ctx, source)
	if err != nil {
		return nil, err
	}
	return s.put(ctx, source, target, []rollcall.DeskStep{{Kind: rollcall.StepMerge, Source: source, ID: tip.ID}}, false)
}

// branchNamed finds the branch that is called so: by its whole name, or, where only one
// ends like that, by the end of it. Subversion's are folders in folders.
func (d *Desk) branchNamed(ctx context.Context, text string) (string, error) {
	if text == d.Code.Trunk || text == d.Code.Production {
		return text, nil
	}
	developers, err := d.Repo.Branches(ctx, d.Code.Branches)
	if err != nil || slices.Contains(developers, text) {
		return text, err
	}
	var like []string
	for _, branch := range append(developers, d.Code.Trunk, d.Code.Production) {
		if strings.HasSuffix(branch, "/"+text) && !slices.Contains(like, branch) {
			like = append(like, branch)
		}
	}
	if len(like) == 1 {
		return like[0], nil
	}
	return text, nil
}

// mayMerge refuses branches that are no developers'.
func (s *session) mayMerge(ctx context.Context, source, target string) error {
	developers, err := s.Repo.Branches(ctx, s.Code.Branches)
	if err != nil {
		return err
	}
	for _, branch := range []string{source, target} {
		if branch != s.Code.Trunk && !slices.Contains(developers, branch) {
			e := rollcall.Errorf(rollcall.KindNotFound, "%s has no developer's branch %q", s.Code.Name, rollcall.Printable(branch))
			switch {
			case s.Code.Branches == "":
				return e.WithHint("say which branches are theirs with branches: in rollcall.yaml")
			case len(developers) == 0:
				return e.WithHint("no branch is named like %s", s.Code.Branches)
			case target == s.Code.Trunk:
				return e.WithHint("it has %s; and what was committed to %s is landed by that name", few(developers), s.Code.Production)
			default:
				return e.WithHint("it has %s", few(developers))
			}
		}
	}
	return nil
}

// sameWay refuses to put beside each other what goes to different branches.
func (s *session) sameWay(source, target string) error {
	if !s.state.Open() || s.state.Source == source && s.state.Target == target {
		return nil
	}
	return rollcall.Errorf(rollcall.KindConflict, "the desk has %s for %s on it", names(s.state.Steps), s.state.Target).
		WithHint("%s or %s comes first", s.command("commit"), s.command("abandon"))
}

// emptyBut refuses a desk with anything on it but the same: who died over a command gives
// it again.
func (s *session) emptyBut(source, target string, kind rollcall.DeskStepKind) error {
	if err := s.settled(); err != nil || !s.state.Open() {
		return err
	}
	other := func(step rollcall.DeskStep) bool { return step.Kind != kind }
	if s.state.Source == source && s.state.Target == target && !slices.ContainsFunc(s.state.Steps, other) {
		return nil
	}
	return rollcall.Errorf(rollcall.KindConflict, "the desk has %s for %s on it", names(s.state.Steps), s.state.Target).
		WithHint("%s or %s comes first", s.command("commit"), s.command("abandon"))
}

// choose finds what is selected, and refuses what may not be merged.
func (s *session) choose(ctx context.Context, listed []rollcall.Standee, selection rollcall.ChangesetSelection) ([]rollcall.Standee, error) {
	wanted, err := choice{listed, s.Code.Name}.chosen(selection)
	if rollcall.KindOf(err) == rollcall.KindNotFound && len(selection.Texts) > 0 {
		// It may be there already: then say so.
		if all, allErr := s.standees(ctx, s.Code.Trunk, s.Code.Production, true); allErr == nil {
			for _, text := range selection.Texts {
				if one, oneErr := (choice{all, s.Code.Name}).one(text); oneErr == nil && !one.Standing.Mergeable() && one.Standing != rollcall.StandBlocked {
					return nil, rollcall.Errorf(rollcall.KindConflict, "%s needs no merging: it is %s%s", one.Short(), one.Standing, in(*one))
				}
			}
		}
	}
	if err != nil {
		return nil, err
	}
	for _, one := range wanted {
		if one.Standing == rollcall.StandBlocked {
			return nil, rollcall.Errorf(rollcall.KindRefused, "%s is blocked by %s: %s", one.Short(), one.By, one.Why).
				WithHint("rollcall unblock %s %s --why TEXT offers it again", s.Code.Name, one.Short())
		}
	}
	return wanted, nil
}

// in says which revision of the target made a changeset stand as it does.
func in(s rollcall.Standee) string {
	if s.In == "" {
		return ""
	}
	return fmt.Sprintf(", in %s by %s", rollcall.ShortRevision(s.In), s.By)
}

// put merges steps onto the target as it is now, and keeps them on the desk with what came
// of it.
func (s *session) put(ctx context.Context, source, target string, steps []rollcall.DeskStep, dryRun bool) (*rollcall.DeskOutcome, error) {
	if err := s.stillWanted(ctx, source, target, steps); err != nil {
		return nil, err
	}
	base, err := s.Repo.Tip(ctx, target)
	if err != nil {
		return nil, err
	}
	bench, err := s.Repo.Bench(ctx, s.benchName(), target, base)
	if err != nil {
		return nil, err
	}
	defer bench.Close()
	b, err := s.build(ctx, bench, steps, s.state.Resolved)
	if err != nil {
		return nil, err
	}
	decided := func(r rollcall.StepResolution) bool { return r.Step == steps[0].Key() }
	if len(steps) == 1 && steps[0].Kind == rollcall.StepMerge && len(b.unchanged) == 1 && !slices.ContainsFunc(s.state.Resolved, decided) {
		return nil, rollcall.Errorf(rollcall.KindConflict, "%s has nothing that %s lacks", source, target)
	}
	by := s.By
	if dryRun {
		by = cmp.Or(s.state.By, by)
	}
	events := []rollcall.Event{
		rollcall.NewEvent(rollcall.EventDeskSelected, selected{By: by, Source: source, Target: target, Base: base, Steps: steps}),
		rollcall.NewEvent(rollcall.EventDeskMerged, merged{Merged: b.merged, Tree: b.tree, Conflicts: b.conflicts}),
	}
	if dryRun {
		kept := *s.state
		defer func() { *s.state = kept }()
		for _, e := range events {
			e.Seq = s.state.Seq
			if err := apply(s.state, e); err != nil {
				return nil, err
			}
		}
	} else {
		if err := s.append(ctx, events...); err != nil {
			return nil, err
		}
		s.keepDrafts(b.conflicts)
	}
	return s.tell(ctx, b, dryRun)
}

// benchName is where the repository keeps what this desk merges on.
func (d *Desk) benchName() string { return d.Name }

// tell says what came of merging, and has what is clean checked.
func (s *session) tell(ctx context.Context, b built, dryRun bool) (*rollcall.DeskOutcome, error) {
	outcome, err := s.outcome(ctx)
	if err != nil {
		return nil, err
	}
	outcome.Unchanged = b.unchanged
	if len(b.conflicts) > 0 {
		if err := s.explain(ctx, outcome, b.conflicts); err != nil {
			return nil, err
		}
		var paths []string
		for _, c := range b.conflicts {
			paths = append(paths, c.Name())
		}
		step := s.state.Steps[b.merged]
		return outcome, rollcall.Errorf(rollcall.KindConflict, "%s conflicts with %s in %s", names([]rollcall.DeskStep{step}), s.state.Target, few(paths)).
			WithHint("%s", conflictHint(outcome, dryRun))
	}
	if outcome.Needs, outcome.Names, err = s.needs(ctx); err != nil {
		return nil, err
	}
	if dryRun {
		return outcome, nil
	}
	outcome.Check, err = s.check(ctx, outcome.Changesets, false)
	return outcome, err
}

// conflictHint names the ways out of a conflict.
func conflictHint(outcome *rollcall.DeskOutcome, dryRun bool) string {
	var ways []string
	if together := outcome.Together(); together != "" {
		ways = append(ways, together)
	}
	if !dryRun {
		ways = append(ways, fmt.Sprintf("%s shows both sides; %s leaves the desk clean", outcome.Command("resolve"), outcome.Command("abandon")))
	}
	return strings.Join(ways, ";\nor ")
}

// few lists the first of many.
func few(texts []string) string {
	if len(texts) > namedAtMost {
		texts = append(slices.Clone(texts[:namedAtMost]), fmt.Sprintf("%d more", len(texts)-namedAtMost))
	}
	return strings.Join(texts, ", ")
}
