package desk

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// Commit commits what is on the desk: the very tree that was checked and tried.
func (d *Desk) Commit(ctx context.Context, request rollcall.CommitRequest) (*rollcall.DeskOutcome, error) {
	s, err := d.enter(ctx, request.TakeOver)
	if err != nil {
		return nil, err
	}
	defer s.free()
	if !s.state.Open() {
		return nil, rollcall.Errorf(rollcall.KindConflict, "there is nothing on the desk %s of %s to commit", s.Name, s.Code.Name).
			WithHint("%s", s.toBegin())
	}
	note := request.Note
	for try := 1; ; try++ {
		before := s.state.Seq
		var outcome *rollcall.DeskOutcome
		if c := s.state.Committing; c != nil {
			note = cmp.Or(note, c.Commit.Note)
			outcome, err = s.finish(ctx)
		} else {
			outcome, err = s.commit(ctx, note)
		}
		// Where it was begun and is known not to have happened, it may be only the ledger that
		// has moved. What else has is told by beginning anew.
		begun := s.state.Seq != before && s.state.Committing == nil
		if rollcall.KindOf(err) != rollcall.KindConflict || !begun || try == commitTries {
			return outcome, err
		}
		s.asked = nil
	}
}

// commitTries is how often a commit is begun where something comes in between.
const commitTries = 3

// commit commits what is merged.
func (s *session) commit(ctx context.Context, note string) (*rollcall.DeskOutcome, error) {
	if !s.state.Clean() {
		return nil, rollcall.Errorf(rollcall.KindConflict, "%s on the desk has conflicts", names(s.state.Steps[s.state.Merged:s.state.Merged+1])).
			WithHint("%s shows them", s.command("resolve"))
	}
	bench, err := s.again(ctx)
	if err != nil {
		return nil, err
	}
	defer bench.Close()
	outcome, err := s.outcome(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.stillWanted(ctx, s.state.Source, s.state.Target, s.state.Steps); err != nil {
		return nil, err
	}
	if s.state.Checked == nil || s.state.Checked.Tree != s.state.Tree || !s.state.Checked.Passed {
		if outcome.Check, err = s.check(ctx, outcome.Changesets, false); err != nil {
			return outcome, err
		}
	}
	commit := rollcall.DeskCommit{By: s.By, Note: note, Steps: outcome.Changesets, Token: rand.Text()}
	if commit.Staged, err = s.Staged(ctx, s.state.Tree); err != nil {
		return nil, err
	}
	prepared, err := bench.Prepare(ctx, commit)
	if err != nil {
		return nil, err
	}
	err = s.append(ctx, rollcall.NewEvent(rollcall.EventDeskCommitting, rollcall.Committing{Commit: commit, Prepared: prepared, Tree: s.state.Tree}))
	if err != nil {
		return nil, err
	}
	return s.push(ctx, bench, outcome)
}

// again merges what is on the desk once more, on the target as it is now: it must come out
// the same.
func (s *session) again(ctx context.Context) (rollcall.Bench, error) {
	tip, err := s.Repo.Tip(ctx, s.state.Target)
	if err != nil {
		return nil, err
	}
	if tip.Tree != s.state.Base.Tree {
		return nil, s.hasMoved(tip)
	}
	bench, err := s.Repo.Bench(ctx, s.benchName(), s.state.Target, tip)
	if err != nil {
		return nil, err
	}
	b, err := s.build(ctx, bench, s.state.Steps, s.state.Resolved)
	if err == nil && (len(b.conflicts) > 0 || b.tree != s.state.Tree) {
		err = rollcall.Errorf(rollcall.KindConflict, "what is on the desk does not merge to the tree that was checked any more").
			WithHint("%s merges it again", s.command("merge"))
	}
	if err != nil {
		bench.Close()
		return nil, err
	}
	return bench, nil
}

func (s *session) hasMoved(tip rollcall.Revision) error {
	return rollcall.Errorf(rollcall.KindConflict, "%s has moved since this was merged: %s by %s, %s", s.state.Target,
		rollcall.ShortRevision(tip.ID), tip.Author, tip.Subject).WithHint("%s", s.mergeAgain())
}

// mergeAgain is the way on where the target is not what everything was merged onto.
func (s *session) mergeAgain() string {
	return s.command("merge") + " merges the desk's selection again on what stands there now; then it wants trying again"
}

// stillWanted refuses changesets that have come to the target in another way, or were
// blocked, since they were put on the desk.
func (s *session) stillWanted(ctx context.Context, source, target string, steps []rollcall.DeskStep) error {
	var gone []string
	var first string
	for _, step := range steps {
		if step.Kind == rollcall.StepMerge {
			continue
		}
		one, err := s.standee(ctx, source, target, step)
		if err != nil {
			return err
		}
		good := one != nil && one.Standing.Mergeable()
		if step.Kind == rollcall.StepBackOut {
			good = one != nil && one.Standing == rollcall.StandIntegrated
		}
		if good {
			continue
		}
		if gone = append(gone, rollcall.ShortRevision(step.ID)); first == "" {
			first = "gone from " + source + ", or on " + target + " already"
			if one != nil {
				first = string(one.Standing) + in(*one)
			}
		}
	}
	if len(gone) == 0 {
		return nil
	}
	e := rollcall.Errorf(rollcall.KindConflict, "%s can't be committed any more: it is %s", gone[0], first)
	if len(gone) == len(steps) {
		return e.WithHint("%s leaves the desk clean", s.command("abandon"))
	}
	return e.WithHint("%s takes it off the desk", s.command("merge", "--drop", strings.Join(gone, ",")))
}

// standee finds a step's changeset: what is integrated is listed where it is asked for.
func (s *session) standee(ctx context.Context, source, target string, step rollcall.DeskStep) (*rollcall.Standee, error) {
	for _, all := range []bool{step.Kind == rollcall.StepBackOut, true} {
		listed, err := s.standees(ctx, source, target, all)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(listed, func(l rollcall.Standee) bool { return l.ID == step.ID }); i >= 0 {
			return &listed[i], nil
		}
	}
	return nil, nil
}

// finish ends a commit of which nobody knows how far it went.
func (s *session) finish(ctx context.Context) (*rollcall.DeskOutcome, error) {
	s.note("a commit was interrupted: finding out whether it went through")
	outcome := &rollcall.DeskOutcome{DeskState: *s.state, Changesets: s.state.Committing.Commit.Steps}
	bench, err := s.Repo.Bench(ctx, s.benchName(), s.state.Target, s.state.Base)
	if err != nil {
		return nil, err
	}
	defer bench.Close()
	// Where it did not go through it is done from what is on the bench.
	if _, err := s.build(ctx, bench, s.state.Steps, s.state.Resolved); err != nil {
		return nil, err
	}
	return s.push(ctx, bench, outcome)
}

// push makes the commit everybody's, and says in the record how that ended.
func (s *session) push(ctx context.Context, bench rollcall.Bench, outcome *rollcall.DeskOutcome) (*rollcall.DeskOutcome, error) {
	c := s.state.Committing
	revision, err := bench.Commit(ctx, c.Commit, c.Prepared)
	if err != nil {
		if kind := rollcall.KindOf(err); kind == rollcall.KindConflict || kind == rollcall.KindRefused {
			// It is known not to have happened.
			if undo := s.append(ctx, rollcall.NewEvent(rollcall.EventDeskUncommitted, uncommitted{Why: err.Error()})); undo != nil {
				return nil, undo
			}
			if kind == rollcall.KindConflict {
				err = rollcall.Errorf(kind, "%w", err).WithHint("%s", s.mergeAgain())
			}
		}
		return outcome, err
	}
	if revision.Tree != c.Tree {
		return outcome, rollcall.Errorf(rollcall.KindInternal, "%s was committed, and its tree %s is not the one that was checked (%s)",
			rollcall.ShortRevision(revision.ID), revision.Tree, c.Tree).
			WithHint("do not roll it: look what differs, and report this; %s leaves the desk clean", s.command("abandon"))
	}
	outcome.DeskState = *s.state
	steps := slices.Clone(s.state.Steps)
	err = s.append(ctx, rollcall.NewEvent(rollcall.EventDeskCommitted, committed{By: c.Commit.By, Target: s.state.Target, Revision: revision, Steps: steps}))
	outcome.Committed, outcome.Committing, outcome.Changesets = &revision, nil, done(steps, outcome.Changesets)
	outcome.Staged = c.Commit.Staged
	return outcome, err
}

// done is how changesets stand once they are committed.
func done(steps []rollcall.DeskStep, changesets []rollcall.Standee) []rollcall.Standee {
	all := slices.Clone(changesets)
	for i, step := range steps[:min(len(steps), len(all))] {
		switch step.Kind {
		case rollcall.StepPick:
			all[i].Standing = rollcall.StandIntegrated
		case rollcall.StepBackOut:
			all[i].Standing = rollcall.StandBackedOut
		case rollcall.StepMerge:
		}
	}
	return all
}

// Abandon leaves the desk clean.
func (d *Desk) Abandon(ctx context.Context, request rollcall.DeskRequest) (*rollcall.DeskOutcome, error) {
	s, err := d.enter(ctx, request.TakeOver)
	if err != nil {
		return nil, err
	}
	defer s.free()
	if err := s.settled(); err != nil {
		return nil, err
	}
	outcome := &rollcall.DeskOutcome{DeskState: *s.state, Changesets: []rollcall.Standee{}}
	if !s.state.Open() {
		return outcome, nil
	}
	if err := s.append(ctx, rollcall.NewEvent(rollcall.EventDeskAbandoned, abandoned{By: s.By})); err != nil {
		return outcome, err
	}
	s.keepDrafts(nil)
	return outcome, nil
}
