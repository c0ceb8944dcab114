package svn

import (
	"context"
	"slices"

	"github.com/rollcall-dev/rollcall"
)

var _ rollcall.Promoter = (*Repository)(nil)

// Brought replaces each promotion in a list of target's changesets by what it brought: a
// desk is committed as one revision, and those who wrote its changes are not who committed.
func (r *Repository) Brought(ctx context.Context, source, target string, list []rollcall.Changeset) ([]rollcall.Changeset, error) {
	p, err := r.pair(ctx, source, target)
	if err != nil {
		return nil, err
	}
	defer p.close()
	c, err := r.chronicle(ctx, p.book, p.known, p.own)
	if err != nil {
		return nil, err
	}
	candidates, err := p.candidates(ctx)
	if err != nil {
		return nil, err
	}
	all := []rollcall.Changeset{}
	for _, one := range list {
		number, err := parseRevision(one.ID)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(c.turns, func(t turn) bool { return t.Revision == number })
		if i < 0 {
			all = append(all, one)
			continue
		}
		e, err := p.book.entry(ctx, number)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(p.own, func(s segment) bool { return s.from < number && number <= s.to && onlyNoted(e, s.path) }) {
			continue // it only keeps the ledger
		}
		var brought []rollcall.Changeset
		for _, cand := range candidates {
			if in, _ := c.turns[i].Added[cand.path].find(cand.revision); !in {
				continue
			}
			s, err := p.standee(ctx, cand)
			if err != nil {
				return nil, err
			}
			brought = append(brought, s.Changeset)
		}
		// What it takes back, or changes without saying whose that is, is its own.
		if len(brought) == 0 || len(c.turns[i].Removed) > 0 {
			brought = append([]rollcall.Changeset{one}, brought...)
		}
		all = append(all, brought...)
	}
	return all, nil
}
