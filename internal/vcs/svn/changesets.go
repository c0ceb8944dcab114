package svn

import (
	"context"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// Changesets lists what lies between two revisions, newest first. A revision's number does
// not tell its branch: it is looked for among the branches that were asked for before, then
// among those that the repository was opened with.
func (r *Repository) Changesets(ctx context.Context, from, to string) (coming, going []rollcall.Changeset, err error) {
	if from == "" || from == to {
		return nil, nil, nil
	}
	first, err := parseRevision(from)
	if err != nil {
		return nil, nil, err
	}
	last, err := parseRevision(to)
	if err != nil {
		return nil, nil, err
	}
	book, err := r.logbook(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer book.close()
	old, fresh, err := r.histories(ctx, book, first, last)
	if err != nil {
		return nil, nil, err
	}
	known, err := r.facts(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer known.close()
	if coming, err = r.changesets(ctx, book, known, minus(fresh, old)); err != nil {
		return nil, nil, err
	}
	going, err = r.changesets(ctx, book, known, minus(old, fresh))
	return coming, going, err
}

// histories finds the histories of two revisions, on one branch where one has both.
func (r *Repository) histories(ctx context.Context, book *logbook, first, last int64) (old, fresh []segment, err error) {
	for _, branch := range r.known() {
		history, err := book.history(ctx, r.folder(branch), r.head)
		if err != nil {
			return nil, nil, err
		}
		a, hasFirst, err := book.ending(ctx, history, first)
		if err != nil {
			return nil, nil, err
		}
		b, hasLast, err := book.ending(ctx, history, last)
		if err != nil {
			return nil, nil, err
		}
		if hasFirst && hasLast {
			return a, b, nil
		}
		if hasFirst && old == nil {
			old = a
		}
		if hasLast && fresh == nil {
			fresh = b
		}
	}
	if old == nil {
		old, err = r.elsewhere(ctx, book, first, fresh)
	}
	if fresh == nil && err == nil {
		fresh, err = r.elsewhere(ctx, book, last, old)
	}
	return old, fresh, err
}

// elsewhere is the history of a revision that is of no branch that is known: the site
// rolled another one before. Where not even the tree that was read tells which, the
// revision is taken for a moment in the other's history.
func (r *Repository) elsewhere(ctx context.Context, book *logbook, revision int64, other []segment) ([]segment, error) {
	folder, err := book.frozenFrom(ctx, revision)
	if err != nil || folder == "" {
		return before(other, revision), err
	}
	return book.history(ctx, folder, revision)
}

// ending is a history up to a revision that changed something there.
func (b *logbook) ending(ctx context.Context, history []segment, revision int64) ([]segment, bool, error) {
	cut, ok := upTo(history, revision)
	if !ok {
		return nil, false, nil
	}
	last, err := b.touched(ctx, cut, 1)
	return cut, err == nil && len(last) == 1 && last[0].revision == revision, err
}

// authorsLimit is of how many of the newest changesets is told who wrote what they bring.
const authorsLimit = 20

func (r *Repository) changesets(ctx context.Context, book *logbook, known *facts, segments []segment) ([]rollcall.Changeset, error) {
	touched, err := book.touched(ctx, segments, 0)
	if err != nil {
		return nil, err
	}
	var all []rollcall.Changeset
	for i, t := range touched {
		e, err := book.entry(ctx, t.revision)
		if err != nil {
			return nil, err
		}
		one := e.changeset(t.path)
		if i < authorsLimit {
			// No roll fails because nobody can tell that.
			one.Authors, _ = r.authors(ctx, book, known, e, t.path)
		}
		all = append(all, one)
	}
	return all, nil
}

// filesBelow lists what a revision changed beneath a folder, from there. A folder is
// listed where it came by a copy or went: the log does not name what is in it.
func filesBelow(paths []pathChange, folder string) []string {
	files := []string{}
	for _, p := range paths {
		name, below := strings.CutPrefix(p.path, folder+"/")
		if below && (p.kind != "dir" || p.action != "M" && (p.action != "A" || p.fromPath != "")) {
			files = append(files, name)
		}
	}
	return files
}
