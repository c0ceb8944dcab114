package git

import (
	"context"
	"slices"

	"github.com/rollcall-dev/rollcall"
)

var _ rollcall.Promoter = (*Repository)(nil)

// Brought leaves out of a list of target's changesets what only keeps the ledger. Each
// promotion is a changeset of its own already, by who wrote it.
func (r *Repository) Brought(ctx context.Context, _, _ string, list []rollcall.Changeset) ([]rollcall.Changeset, error) {
	all := []rollcall.Changeset{}
	for _, one := range list {
		if len(one.Files) == 0 {
			c, err := r.commit(ctx, one.ID)
			if err != nil {
				return nil, noChangeset(one.ID, err)
			}
			said := slices.DeleteFunc(entries(one, c.message), func(e entry) bool { return e.evidence })
			if len(said) > 0 && (said[0].kind != trailPick || len(said) > 1) {
				continue
			}
		}
		all = append(all, one)
	}
	return all, nil
}
