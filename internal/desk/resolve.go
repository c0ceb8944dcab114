package desk

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// Resolve lists the conflicts on the desk, or decides one of them. When the last one is
// decided, what is left of the selection is merged.
func (d *Desk) Resolve(ctx context.Context, request rollcall.ResolveRequest) (*rollcall.DeskOutcome, error) {
	enter := func() (*session, error) { return d.enter(ctx, request.TakeOver) }
	if request.Path == "" {
		enter = func() (*session, error) { return d.look(ctx) }
	}
	s, err := enter()
	if err != nil {
		return nil, err
	}
	defer s.free()
	if err := s.settled(); err != nil {
		return nil, err
	}
	if s.state.Clean() && request.Path == "" {
		return s.outcome(ctx)
	}
	if s.state.Clean() && s.decidedAt(request) < 0 {
		return nil, rollcall.Errorf(rollcall.KindConflict, "there are no conflicts on the desk %s of %s", s.Name, s.Code.Name)
	}
	if s.state.Clean() {
		return s.decideAgain(ctx, request, nil)
	}
	conflicts, moved, err := s.conflicts(ctx)
	if err != nil {
		return nil, err
	}
	if len(conflicts) == 0 && s.decidedAt(request) < 0 { // everything was decided, and the process died before it went on
		return nil, rollcall.Errorf(rollcall.KindConflict, "every conflict on the desk is decided").
			WithHint("%s goes on", s.command("merge"))
	}
	if request.Path == "" {
		outcome, err := s.outcome(ctx)
		if err != nil {
			return nil, err
		}
		outcome.Moved = moved
		return outcome, s.explain(ctx, outcome, conflicts)
	}
	i := conflictAt(conflicts, request)
	if i < 0 && s.decidedAt(request) >= 0 {
		return s.decideAgain(ctx, request, conflicts)
	}
	if i < 0 {
		return nil, s.noConflict(request, conflicts)
	}
	return s.keepDecision(ctx, request, s.state.Merged, conflicts[i], slices.Delete(slices.Clone(conflicts), i, i+1))
}

func conflictAt(conflicts []rollcall.Conflict, request rollcall.ResolveRequest) int {
	return slices.IndexFunc(conflicts, func(c rollcall.Conflict) bool { return c.Path == request.Path && c.Property == request.Property })
}

// decidedAt is the step that a decision for the path was last made for, or -1.
func (s *session) decidedAt(request rollcall.ResolveRequest) int {
	for _, r := range slices.Backward(s.state.Decisions()) {
		if request.Path != "" && r.Path == request.Path && r.Property == request.Property {
			return slices.IndexFunc(s.state.Steps, func(step rollcall.DeskStep) bool { return step.Key() == r.Step })
		}
	}
	return -1
}

// decideAgain changes a decision: its conflict is made once more, without it.
func (s *session) decideAgain(ctx context.Context, request rollcall.ResolveRequest, open []rollcall.Conflict) (*rollcall.DeskOutcome, error) {
	at := s.decidedAt(request)
	without := slices.DeleteFunc(slices.Clone(s.state.Resolved), func(r rollcall.StepResolution) bool {
		return r.Step == s.state.Steps[at].Key() && r.Path == request.Path && r.Property == request.Property
	})
	conflicts, err := s.met(ctx, at, without)
	if err != nil {
		return nil, err
	}
	i := conflictAt(conflicts, request)
	if i < 0 {
		return nil, rollcall.Errorf(rollcall.KindNotFound, "%s has no conflict any more", rollcall.Printable(request.Path)).
			WithHint("%s merges everything again", s.command("merge"))
	}
	return s.keepDecision(ctx, request, at, conflicts[i], open)
}

// keepDecision decides a conflict of a step. Where no other one of it is open, what is on
// the desk is merged with that.
func (s *session) keepDecision(ctx context.Context, request rollcall.ResolveRequest, at int, c rollcall.Conflict, open []rollcall.Conflict) (*rollcall.DeskOutcome, error) {
	decision, err := s.decide(c, request)
	if err != nil {
		return nil, err
	}
	kept := rollcall.StepResolution{Step: s.state.Steps[at].Key(), Resolution: decision, By: s.By}
	if !decision.Delete {
		if kept.Hash, err = s.keepContent(decision.Content); err != nil {
			return nil, err
		}
	}
	decided := rollcall.NewEvent(rollcall.EventDeskResolved, kept)
	if len(open) == 0 || at != s.state.Merged {
		if err := s.append(ctx, decided); err != nil {
			return nil, err
		}
		return s.put(ctx, s.state.Source, s.state.Target, s.state.Steps, false)
	}
	outcome, err := s.outcome(ctx)
	if err != nil {
		return nil, err
	}
	err = s.append(ctx, decided, rollcall.NewEvent(rollcall.EventDeskMerged, merged{Merged: s.state.Merged, Tree: s.state.Tree, Conflicts: open}))
	if err != nil {
		return nil, err
	}
	s.keepDrafts(open)
	outcome.DeskState = *s.state
	return outcome, s.explain(ctx, outcome, open)
}

// noConflict says where there are conflicts, to whom asks for one that is none.
func (s *session) noConflict(request rollcall.ResolveRequest, conflicts []rollcall.Conflict) error {
	var all []string
	for _, c := range conflicts {
		if c.Path == request.Path && request.Property == "" {
			return rollcall.Errorf(rollcall.KindNotFound, "it is not %s itself that conflicts, but its property %s", rollcall.Printable(c.Path), rollcall.Printable(c.Property)).
				WithHint("%s --take theirs|production|PATH", s.command("resolve", rollcall.Printable(c.Path), "--property", rollcall.Printable(c.Property)))
		}
		all = append(all, c.Name())
	}
	wanted := rollcall.Conflict{Path: request.Path, Property: request.Property}
	return rollcall.Errorf(rollcall.KindNotFound, "%s has no conflict", wanted.Name()).WithHint("there is one in %s", few(all))
}

// conflicts makes the conflicts of the desk again, with their sides, on the base that they
// were met on; it tells too whether the target has moved since.
func (s *session) conflicts(ctx context.Context) ([]rollcall.Conflict, bool, error) {
	tip, err := s.Repo.Tip(ctx, s.state.Target)
	if err != nil {
		return nil, false, err
	}
	conflicts, err := s.met(ctx, s.state.Merged, s.state.Resolved)
	return conflicts, tip.Tree != s.state.Base.Tree, err
}

// met are the conflicts that a step of the desk meets, on the base that everything was
// merged onto.
func (s *session) met(ctx context.Context, at int, resolved []rollcall.StepResolution) ([]rollcall.Conflict, error) {
	bench, err := s.Repo.Bench(ctx, s.benchName(), s.state.Target, s.state.Base)
	if err != nil {
		return nil, err
	}
	defer bench.Close()
	b, err := s.build(ctx, bench, s.state.Steps[:at+1], resolved)
	if b.merged < at {
		return nil, err // one before it does: it is of no use yet
	}
	return b.conflicts, err
}

// decide makes a decision out of what a person took.
func (d *Desk) decide(c rollcall.Conflict, request rollcall.ResolveRequest) (rollcall.Resolution, error) {
	r := rollcall.Resolution{Path: c.Path, Property: c.Property, Of: c.Fingerprint(), Take: request.Take, Type: rollcall.TypeFile}
	side := c.Theirs
	switch request.Take {
	case rollcall.TakeTheirs:
	case rollcall.TakeProduction:
		side = c.Production
	case rollcall.TakeFile:
		line := strangeMarker(request.Content, c)
		if line == 0 && request.Edited {
			line = leftMarker(request.Content, c)
		}
		if line > 0 {
			e := rollcall.Errorf(rollcall.KindRefused, "line %d of what is to stand in %s is a conflict marker", line, rollcall.Printable(c.Path))
			if request.Edited {
				return r, e.WithHint("decide there too: %s goes on from what you have, which is kept in %s",
					d.command("resolve", rollcall.Printable(c.Path), "--edit"), rollcall.Printable(d.draft(c)))
			}
			return r, e.WithHint("decide there too, and take the markers out")
		}
		r.Content = request.Content
		for _, side := range []*rollcall.ConflictSide{c.Theirs, c.Production, c.Base} {
			if isText(side) {
				r.Type = side.Type
				return r, nil
			}
		}
		return r, nil
	default:
		return r, rollcall.Errorf(rollcall.KindInvalid, "%q can't be taken", rollcall.Printable(string(request.Take))).
			WithHint("take theirs, production, or name a file")
	}
	if side == nil {
		r.Delete = true
		return r, nil
	}
	r.Type, r.Content = side.Type, side.Content
	return r, nil
}

// isText tells whether a side is a file, and neither a link nor a folder.
func isText(side *rollcall.ConflictSide) bool {
	return side != nil && side.Type != rollcall.TypeLink && side.Type != rollcall.TypeFolder
}

// strangeMarker finds a line that is a conflict marker and stands on neither side.
func strangeMarker(content []byte, c rollcall.Conflict) int {
	own := map[string]bool{}
	for _, side := range []*rollcall.ConflictSide{c.Base, c.Production, c.Theirs} {
		if side != nil {
			for line := range bytes.Lines(side.Content) {
				own[string(bytes.TrimRight(line, "\r\n"))] = true
			}
		}
	}
	n := 0
	for line := range strings.Lines(string(content)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		for _, mark := range []string{"<<<<<<< ", "||||||| ", ">>>>>>> "} {
			if strings.HasPrefix(line, mark) && !own[line] {
				return n
			}
		}
	}
	return 0
}

// leftMarker finds a line of an edited text that is one of the markers that it began with:
// rows of a width that no line of the sides begins with.
func leftMarker(content []byte, c rollcall.Conflict) int {
	width := markerWidth(c)
	n := 0
	for line := range bytes.Lines(content) {
		n++
		line = bytes.TrimRight(line, "\r\n")
		if row := rowOf(line); row == width && (len(line) == row || line[row] == ' ') {
			return n
		}
	}
	return 0
}
