package main

import (
	"context"
	"slices"
	"time"
)

// needsJudged is what came of asking for needs.
type needsJudged struct {
	// Asked are the changesets of plain promotions, each asked for at the production on
	// which it was really made: nothing can be missing there.
	Asked int `json:"asked"`
	// Alarms are those of them for which something was named all the same.
	Alarms []alarm `json:"false_alarms"`
	// Others are changesets of promotions that are not plain; nobody knows what is true.
	Others      int `json:"not_judged"`
	OthersNamed int `json:"not_judged_named"`

	Pairs  int      `json:"pairs"` // with a need that the stable branch proves
	Named  int      `json:"named"` // rightly
	Missed []missed `json:"missed"`
	// TooMany are what was named in a pair beside its need, and was not promoted before the
	// later one, which is plain.
	TooMany []alarm `json:"too_many"`

	took time.Duration
	n    int
}

type alarm struct {
	ID    string         `json:"id"`
	Pick  string         `json:"pick"`
	Named []namedSubject `json:"named"`
}

type namedSubject struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
}

func newAlarm(h *history, p *promotion, pick string, named []string) alarm {
	a := alarm{ID: p.ID, Pick: pick}
	for _, id := range named {
		a.Named = append(a.Named, namedSubject{id, h.subject[id]})
	}
	return a
}

type missed struct {
	ID       string   `json:"id"`
	Pick     string   `json:"pick"`
	Need     []string `json:"need"`
	Path     string   `json:"path"`
	Named    []string `json:"named"`
	Conflict bool     `json:"conflict"` // whether the pick conflicts without its need
	Error    string   `json:"error,omitempty"`
}

func (n *needsJudged) ask(ctx context.Context, e engine, base, pick string) ([]string, error) {
	begun := time.Now()
	needs, err := e.Needs(ctx, base, pick)
	n.took += time.Since(begun)
	n.n++
	return needs, err
}

// own asks for the needs of a promotion where it was really made.
func (n *needsJudged) own(ctx context.Context, e engine, h *history, p *promotion, j *judged, base string) error {
	for _, pick := range p.Picks {
		named, err := n.ask(ctx, e, base, pick)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			j.Error = "needs: " + err.Error()
		}
		named = slices.DeleteFunc(named, func(id string) bool { return slices.Contains(p.Picks, id) })
		j.Needs = append(j.Needs, named...)
		if j.Plain {
			n.Asked++
			if len(named) > 0 {
				n.Alarms = append(n.Alarms, newAlarm(h, p, pick, named))
			}
			continue
		}
		n.Others++
		if len(named) > 0 {
			n.OthersNamed++
		}
	}
	return nil
}

// pair asks for the needs of a promotion at the production that did not yet have one.
func (n *needsJudged) pair(ctx context.Context, e engine, h *history, q pair, plain bool, l *ledger) error {
	pick, base := q.Later.Picks[0], l.as[q.Need.Parents[0]]
	named, err := n.ask(ctx, e, base, pick)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	n.Pairs++
	if slices.ContainsFunc(named, func(id string) bool { return slices.Contains(q.Need.Picks, id) }) {
		n.Named++
	} else {
		m := missed{ID: q.Later.ID, Pick: pick, Need: q.Need.Picks, Path: q.Path, Named: named}
		if err != nil {
			m.Error = err.Error()
		} else if p, err := e.Predict(ctx, base, []string{pick}); err == nil {
			m.Conflict = len(p.Conflicts) > 0
		}
		n.Missed = append(n.Missed, m)
	}
	more := slices.DeleteFunc(slices.Clone(named), func(id string) bool { return h.promotedBefore(id, q.Later) })
	if plain && len(more) > 0 {
		n.TooMany = append(n.TooMany, newAlarm(h, q.Later, pick, more))
	}
	return nil
}

// promotedBefore tells whether a changeset was promoted before a promotion.
func (h *history) promotedBefore(id string, p *promotion) bool {
	for _, c := range h.stable {
		if c.ID == p.ID {
			return false
		}
		if earlier := h.pickedIn[c.ID]; earlier != nil && slices.Contains(earlier.Picks, id) {
			return true
		}
	}
	return false
}
