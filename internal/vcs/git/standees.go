package git

import (
	"context"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

var _ rollcall.Merger = (*Repository)(nil)

// lineage is one commit of a first-parent line.
type lineage struct {
	id      string
	parents []string
}

// Standees lists the changesets of source and how they stand towards target.
func (r *Repository) Standees(ctx context.Context, source, target string, all bool) ([]rollcall.Standee, error) {
	from, err := r.Tip(ctx, source)
	if err != nil {
		return nil, err
	}
	to, err := r.Tip(ctx, target)
	if err != nil || from.ID == to.ID {
		return nil, err
	}
	book, err := r.openBook(ctx, target, to.ID)
	if err != nil {
		return nil, err
	}
	if err := r.checkBook(ctx, book, source, target, from.ID); err != nil {
		return nil, err
	}
	// What target can't be reached from is open, unless the ledger says otherwise. What it
	// can be reached from is there by ancestry; of that the ledger may say that it was taken
	// back.
	open, err := r.line(ctx, from.ID, "--not", to.ID)
	if err != nil {
		return nil, err
	}
	last := book.last()
	listed := standing(open, last, rollcall.StandEligible)
	older := map[string]bool{}
	for id, e := range last {
		if !e.evidence && (e.kind == trailBackOut || e.kind == trailBlock) && !slices.ContainsFunc(open, func(l lineage) bool { return l.id == id }) {
			older[id] = true
		}
	}
	if all && book.origin != "" || len(older) > 0 {
		more := []string{"--not"}
		if book.origin != "" && len(older) == 0 {
			more = append(more, book.origin+"^@")
		}
		line, err := r.line(ctx, from.ID, more...)
		if err != nil {
			return nil, err
		}
		var rest []lineage
		for _, l := range line[min(len(open), len(line)):] {
			if all || older[l.id] {
				rest = append(rest, l)
			}
		}
		listed = append(listed, standing(rest, last, rollcall.StandIntegrated)...)
	}
	if !all {
		listed = slices.DeleteFunc(listed, func(s judged) bool { return s.Standing == rollcall.StandIntegrated })
	}
	if err := r.describe(ctx, listed); err != nil {
		return nil, err
	}
	if err := r.judge(ctx, to.ID, book, listed); err != nil {
		return nil, err
	}
	if err := r.addAuthors(ctx, from.ID, to.ID, listed); err != nil {
		return nil, err
	}
	var standees []rollcall.Standee
	for _, s := range listed {
		if all || s.Standing != rollcall.StandReflected {
			standees = append(standees, s.Standee)
		}
	}
	return standees, nil
}

// judged is a changeset with what its standing is told from.
type judged struct {
	rollcall.Standee
	parents []string
}

// line lists the first-parent line of a commit, newest first.
func (r *Repository) line(ctx context.Context, tip string, more ...string) ([]lineage, error) {
	out, err := r.git(ctx, append([]string{"rev-list", "--first-parent", "--parents", tip}, more...)...)
	if err != nil {
		return nil, err
	}
	var line []lineage
	for text := range strings.Lines(string(out)) {
		fields := strings.Fields(text)
		line = append(line, lineage{fields[0], fields[1:]})
	}
	return line, nil
}

// standing says what the ledger says of commits, and otherwise what is so without it.
func standing(line []lineage, last map[string]entry, otherwise rollcall.Standing) []judged {
	all := make([]judged, len(line))
	for i, l := range line {
		s := judged{parents: l.parents}
		s.ID, s.Standing = l.id, otherwise
		e, ok := last[l.id]
		if ok && (!e.evidence || otherwise == rollcall.StandEligible) {
			s.In, s.By, s.Why = e.in, e.by, e.why
			switch {
			case e.evidence && e.kind == trailPick:
				s.Standing, s.Why = rollcall.StandProbable, "its message says that it was picked from this one"
			case e.kind == trailPick:
				s.Standing = rollcall.StandIntegrated
			case e.kind == trailBackOut:
				s.Standing, s.Was = rollcall.StandBackedOut, e.was
			case e.kind == trailBlock:
				s.Standing = rollcall.StandBlocked
			default: // unblocked, forgotten: as if nothing had been said
				s.In, s.By, s.Why = "", "", ""
			}
		}
		all[i] = s
	}
	return all
}

// namedIntegrated is down to which changeset those that are integrated have their files
// listed: who takes something back wants to know what came after it.
const namedIntegrated = 1000

// describe fills in who wrote changesets, when and what for, and which files they change.
func (r *Repository) describe(ctx context.Context, listed []judged) error {
	if len(listed) == 0 {
		return nil
	}
	at := make(map[string]int, len(listed))
	var named, bare strings.Builder
	for i, s := range listed {
		at[s.ID] = i
		if s.Standing == rollcall.StandIntegrated && i >= namedIntegrated {
			bare.WriteString(s.ID + "\n")
		} else {
			named.WriteString(s.ID + "\n")
		}
	}
	fill := func(_ string, c rollcall.Standee) {
		s := &listed[at[c.ID]]
		s.Changeset, s.Message = c.Changeset, c.Message
	}
	for _, part := range []struct {
		ids  string
		args []string
	}{{named.String(), []string{"--name-only"}}, {bare.String(), nil}} {
		if part.ids == "" {
			continue
		}
		if err := r.eachCommit(ctx, part.ids, fill, append(part.args, "--no-walk=unsorted", "--stdin")...); err != nil {
			return err
		}
	}
	return nil
}
