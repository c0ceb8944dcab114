package git

import (
	"context"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// lacking tells who brought the files that a changeset changes and that the target does
// not have. git follows names: it lays the edit of a renamed file on the old name, and
// says nothing.
func (r *Repository) lacking(ctx context.Context, c *commit, target rollcall.Revision) ([]rollcall.Touch, error) {
	names, err := r.git(ctx, "diff-tree", "-r", "-z", "--no-renames", "--diff-filter=MDT", "--name-only", "--no-ext-diff", c.parents[0], c.id, "--")
	if err != nil || len(names) == 0 {
		return nil, err
	}
	paths := strings.Split(strings.TrimRight(string(names), "\x00"), "\x00")
	if len(paths) > touchLimit {
		return nil, nil
	}
	out, err := r.git(ctx, append([]string{"ls-tree", "-r", "-z", "--full-tree", "--name-only", target.Tree, "--"}, paths...)...)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for name := range strings.SplitSeq(string(out), "\x00") {
		there[name] = true
	}
	var touched []rollcall.Touch
	for _, path := range paths {
		if there[path] {
			continue
		}
		err := r.eachCommitOf(ctx, "", func(_ string, one rollcall.Standee) {
			touched = append(touched, rollcall.Touch{ID: one.ID, Path: path})
		}, []string{"--first-parent", "--max-count=1", "--diff-filter=A", c.parents[0], "^" + target.ID}, []string{path})
		if err != nil {
			return nil, err
		}
	}
	return touched, nil
}
