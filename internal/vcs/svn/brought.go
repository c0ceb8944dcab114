package svn

import (
	"context"
	"fmt"
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

// mergesDeep is how often a change is followed from the merge that brought it to another.
const mergesDeep = 5

// written finds where a path's change, which a branch got with a revision, was written: a
// merge brings what others wrote. What it takes back is its own.
func (r *Repository) written(ctx context.Context, book *logbook, known *facts, s segment, revision int64, name string) (segment, int64, error) {
	for range mergesDeep {
		added, removed, err := r.broughtIn(ctx, book, known, s, revision)
		if err != nil {
			return s, 0, err
		}
		_, taken, err := book.newestOf(ctx, removed, name)
		if err != nil {
			return s, 0, err
		}
		from, newest, err := book.newestOf(ctx, added, name)
		if err != nil {
			return s, 0, err
		}
		if taken > 0 || newest == 0 {
			break
		}
		s, revision = from, newest
	}
	return s, revision, nil
}

// newestOf finds the newest revision of a mergeinfo that changed a path. 0: none.
func (b *logbook) newestOf(ctx context.Context, info mergeinfo, name string) (from segment, newest int64, err error) {
	for path, s := range info {
		for _, run := range s {
			one := segment{path, run.from, run.to}
			revision, _, err := b.lastChange(ctx, one, name)
			if err != nil {
				return from, 0, err
			}
			if revision > newest {
				from, newest = one, revision
			}
		}
	}
	return from, newest, nil
}

// broughtIn is what a revision changed of the mergeinfo of a branch's root. It never changes,
// so it is kept.
func (r *Repository) broughtIn(ctx context.Context, book *logbook, known *facts, s segment, revision int64) (added, removed mergeinfo, err error) {
	e, err := book.entry(ctx, revision)
	if err != nil {
		return nil, nil, err
	}
	if !slices.ContainsFunc(e.paths, func(p pathChange) bool { return p.path == s.path && p.action == "M" && p.props }) {
		return nil, nil, nil
	}
	name, texts := fmt.Sprintf("%s@%d", s.path, revision), [2]string{}
	found, err := known.get(ctx, "mergeinfo", name, &texts)
	if err != nil {
		return nil, nil, err
	}
	if !found {
		for i := range texts {
			n, err := r.rootNotes(ctx, s.path, revision-1+int64(i))
			if err != nil {
				return nil, nil, err
			}
			texts[i] = n.Mergeinfo
		}
		if err := known.put(ctx, "mergeinfo", name, texts); err != nil {
			return nil, nil, err
		}
	}
	was, err := readMergeinfo(notes{Mergeinfo: texts[0]}, s.path, revision-1)
	if err != nil {
		return nil, nil, err
	}
	is, err := readMergeinfo(notes{Mergeinfo: texts[1]}, s.path, revision)
	return is.without(was), was.without(is), err
}
