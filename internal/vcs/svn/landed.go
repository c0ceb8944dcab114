package svn

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-dev/rollcall"
)

// brings lists, where a branch is merged on the bench, the changesets that it brings:
// those that the ledger has more than before.
func (b *bench) brings(ctx context.Context, steps []rollcall.DeskStep) ([]rollcall.Changeset, error) {
	if !slices.ContainsFunc(steps, func(s rollcall.DeskStep) bool { return s.Kind == rollcall.StepMerge }) {
		return nil, nil
	}
	props, err := b.rootProps(ctx)
	if err != nil {
		return nil, err
	}
	is, err := readMergeinfo(notesOf(props), b.folder(), b.base)
	if err != nil {
		return nil, err
	}
	before, err := b.rootNotes(ctx, b.folder(), b.base)
	if err != nil {
		return nil, err
	}
	was, err := readMergeinfo(before, b.folder(), b.base)
	if err != nil {
		return nil, err
	}
	book, err := b.logbook(ctx)
	if err != nil {
		return nil, err
	}
	defer book.close()
	known, err := b.facts(ctx)
	if err != nil {
		return nil, err
	}
	defer known.close()
	return b.writtenIn(ctx, book, known, b.folder(), is.without(was))
}

// writtenIn lists what was written in what a mergeinfo names, newest first: merges, and
// what only made a branch, are left out, and so is what is the folder's own.
func (r *Repository) writtenIn(ctx context.Context, book *logbook, known *facts, folder string, info mergeinfo) ([]rollcall.Changeset, error) {
	var all []touch
	for path, s := range info {
		if path == folder {
			continue
		}
		for _, run := range s {
			some, err := book.touched(ctx, []segment{{path, run.from, run.to}}, 0)
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
	}
	slices.SortFunc(all, func(a, b touch) int { return int(b.revision - a.revision) })
	var written []rollcall.Changeset
	for _, t := range all {
		e, err := book.entry(ctx, t.revision)
		if err != nil {
			return nil, err
		}
		added, _, err := r.broughtIn(ctx, book, known, segment{path: t.path}, t.revision)
		if err != nil {
			return nil, err
		}
		if len(added) == 0 && !onlyMade(e, t.path) {
			written = append(written, e.changeset(t.path))
		}
	}
	return written, nil
}

// authors names who else wrote what a revision of a branch brings, where it is a merge. It
// never changes, so it is kept.
func (r *Repository) authors(ctx context.Context, book *logbook, known *facts, e *logRecord, folder string) ([]string, error) {
	added, _, err := r.broughtIn(ctx, book, known, segment{path: folder}, e.revision)
	if err != nil || len(added) == 0 {
		return nil, err
	}
	var names []string
	name := fmt.Sprintf("%s@%d", folder, e.revision)
	if found, err := known.get(ctx, "authors", name, &names); err != nil || found {
		return names, err
	}
	written, err := r.writtenIn(ctx, book, known, folder, added)
	if err != nil {
		return nil, err
	}
	for _, c := range written {
		if c.Author != "" && c.Author != rollcall.Printable(e.author) && !slices.Contains(names, c.Author) {
			names = append(names, c.Author)
		}
	}
	return names, known.put(ctx, "authors", name, names)
}

// changeset is a revision as one of a branch.
func (e *logRecord) changeset(folder string) rollcall.Changeset {
	return rollcall.Changeset{
		ID: revisionID(e.revision), Author: rollcall.Printable(e.author), Date: e.at,
		Subject: subject(e.message), Tickets: rollcall.Tickets(e.message), Files: filesBelow(e.paths, folder),
	}
}
