package desk

import (
	"context"
	"fmt"

	"github.com/rollcall-dev/rollcall"
)

// Mark blocks or unblocks changesets, or forgets what the ledger says of them.
func (d *Desk) Mark(ctx context.Context, request rollcall.MarkRequest) ([]rollcall.Standee, error) {
	if request.Why == "" {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "the ledger wants a reason").WithHint("give it with --why TEXT: whoever meets it will read it")
	}
	if request.Kind == rollcall.MarkForgotten {
		return d.forget(ctx, request)
	}
	listed, err := d.Repo.Standees(ctx, d.Code.Trunk, d.Code.Production, false)
	if err != nil {
		return nil, err
	}
	var marked []rollcall.Standee
	var marks []rollcall.Mark
	for _, text := range request.Changesets {
		one, err := choice{listed, d.Code.Name}.one(text)
		if rollcall.KindOf(err) == rollcall.KindNotFound {
			if there, allErr := d.integrated(ctx, text); allErr == nil {
				return nil, rollcall.Errorf(rollcall.KindConflict, "%s can't be blocked or unblocked: it is %s%s", there.Short(), there.Standing, in(*there)).
					WithHint("%s takes it back", d.command("back-out", there.Short()))
			}
		}
		if err != nil {
			return nil, err
		}
		blocked := one.Standing == rollcall.StandBlocked
		switch {
		case request.Kind == rollcall.MarkBlocked && blocked:
			return nil, rollcall.Errorf(rollcall.KindConflict, "%s is blocked already, by %s: %s", one.Short(), one.By, one.Why)
		case request.Kind == rollcall.MarkUnblocked && !blocked:
			return nil, rollcall.Errorf(rollcall.KindConflict, "%s is not blocked: it is %s", one.Short(), one.Standing)
		}
		marks = append(marks, rollcall.Mark{Kind: request.Kind, ID: one.ID, Why: rollcall.Printable(request.Why)})
		marked = append(marked, *one)
	}
	if len(marks) == 0 {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "no changeset is named")
	}
	_, err = d.Repo.Mark(ctx, d.Code.Trunk, d.Code.Production, marks, d.By)
	return marked, err
}

// integrated finds a changeset among all that the trunk has.
func (d *Desk) integrated(ctx context.Context, text string) (*rollcall.Standee, error) {
	all, err := d.Repo.Standees(ctx, d.Code.Trunk, d.Code.Production, true)
	if err != nil {
		return nil, err
	}
	return Find(all, text)
}

// forget needs no listing: what it is about may be nowhere any more.
func (d *Desk) forget(ctx context.Context, request rollcall.MarkRequest) ([]rollcall.Standee, error) {
	var marks []rollcall.Mark
	for _, text := range request.Changesets {
		if !number.MatchString(text) && (!hashPrefix.MatchString(text) || len(text) < 40) {
			return nil, rollcall.Errorf(rollcall.KindInvalid, "%q is no changeset's full name", rollcall.Printable(text))
		}
		marks = append(marks, rollcall.Mark{Kind: rollcall.MarkForgotten, ID: text, Why: rollcall.Printable(request.Why)})
	}
	_, err := d.Repo.Mark(ctx, d.Code.Trunk, d.Code.Production, marks, d.By)
	return nil, err
}

// Importer is a rollcall.Merger that can read an older tool's ledger. It is found by
// assertion.
type Importer interface {
	// ImportPlan gives the marks that say the same as what the older tool wrote.
	ImportPlan(ctx context.Context, source, target string) ([]rollcall.Mark, error)
}

// Import brings what an older ledger says into today's: what another tool wrote, and what
// is only probable.
func (d *Desk) Import(ctx context.Context, confirm func(*rollcall.Imported) error) (*rollcall.Imported, error) {
	listed, err := d.Repo.Standees(ctx, d.Code.Trunk, d.Code.Production, true)
	if err != nil {
		return nil, err
	}
	imported := &rollcall.Imported{Changesets: []rollcall.Standee{}}
	if other, ok := d.Repo.(Importer); ok {
		if imported.Marks, err = other.ImportPlan(ctx, d.Code.Trunk, d.Code.Production); err != nil {
			return nil, err
		}
		for _, m := range imported.Marks {
			one := rollcall.Standee{Changeset: rollcall.Changeset{ID: m.ID}, Why: m.Why}
			if found, err := (choice{listed: listed}).one(m.ID); err == nil {
				one.Changeset = found.Changeset
			}
			one.Standing = rollcall.StandIntegrated
			if m.Kind == rollcall.MarkBlocked {
				one.Standing = rollcall.StandBlocked
			}
			imported.Changesets = append(imported.Changesets, one)
		}
	}
	for _, s := range listed {
		if s.Standing == rollcall.StandProbable && s.In != "" {
			imported.Marks = append(imported.Marks, rollcall.Mark{Kind: rollcall.MarkIntegrated, ID: s.ID})
			s.Standing, s.Why = rollcall.StandIntegrated, fmt.Sprintf("%s (%s)", s.Why, rollcall.ShortRevision(s.In))
			imported.Changesets = append(imported.Changesets, s)
		}
	}
	if len(imported.Marks) == 0 {
		return imported, nil
	}
	if err := confirm(imported); err != nil {
		return imported, err
	}
	_, err = d.Repo.Mark(ctx, d.Code.Trunk, d.Code.Production, imported.Marks, d.By)
	return imported, err
}
