package git

import (
	"context"
	"path"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// LastChanged gives the changeset of a branch that last changed each path.
func (r *Repository) LastChanged(ctx context.Context, branch string, paths []string) (map[string]rollcall.Changeset, error) {
	tip, err := r.Tip(ctx, branch)
	if err != nil {
		return nil, err
	}
	last := map[string]rollcall.Changeset{}
	for _, p := range paths {
		err := r.eachCommitOf(ctx, "", func(_ string, c rollcall.Standee) {
			last[p] = pickedChangeset(c)
		}, []string{"--first-parent", "--max-count=1", tip.ID}, []string{p})
		if err != nil {
			return nil, err
		}
	}
	return last, nil
}

// pickedChangeset is the changeset that a commit of the ledger brought, under the name
// that people know it by; any other commit is its own.
func pickedChangeset(c rollcall.Standee) rollcall.Changeset {
	if id := first(trailers(c.Message), trailPick); fullHash.MatchString(id) {
		c.ID = id
	}
	return c.Changeset
}

// Patch is what a changeset changes.
func (r *Repository) Patch(ctx context.Context, _, id string) ([]byte, error) {
	c, err := r.commit(ctx, id)
	if err != nil {
		return nil, noChangeset(id, err)
	}
	return r.git(ctx, "show", "--format=", "-p", "--diff-merges=first-parent", "--find-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--no-show-signature", c.id, "--")
}

// Branches lists the branches of a pattern.
func (r *Repository) Branches(ctx context.Context, pattern string) ([]string, error) {
	out, err := r.git(ctx, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/")
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		name := strings.TrimSpace(line)
		if ok, err := path.Match(pattern, name); pattern == "" || ok && err == nil {
			names = append(names, name)
		}
	}
	return names, nil
}
