package svn

import (
	"context"
	"slices"
	"strings"
)

// moves tells where things of a branch went, out of the log. A move is a removal and, in
// the same revision, a copy of what was removed, however often that was copied before: a
// promotion copies a moved file from the trunk.
type moves struct {
	book *logbook
	came map[int64][]arrival // of revisions that were looked at
}

// arrival is a path that a revision brought by copying, with where it was before.
type arrival struct {
	path   string
	before []segment
}

// removal is what took a path from a branch: its own, or that of a folder it was in.
type removal struct {
	birth
	branch string // where the branch was then
}

// name is what was removed, below the branch.
func (r *removal) name() string { return r.Path[len(r.branch)+1:] }

// removal finds what took a path from a branch that does not have it any more. It is nil
// where the branch never had it.
func (m *moves) removal(ctx context.Context, history []segment, name string) (*removal, error) {
	for _, s := range history {
		last, err := m.book.birth(ctx, s.path+"/"+name, s.to)
		if err != nil {
			return nil, err
		}
		if last != nil && last.revision >= s.from && last.Path != s.path && within(last.Path, s.path) {
			return &removal{*last, s.path}, nil
		}
	}
	return nil, nil
}

// renamings is how often a path is followed from name to name.
const renamings = 100

// follow tells where a branch has, at the end of its history, what it does not have any
// more at a path. Empty: nowhere.
func (m *moves) follow(ctx context.Context, history []segment, name string) (string, error) {
	for range renamings {
		gone, err := m.removal(ctx, history, name)
		if err != nil || gone == nil {
			return "", err
		}
		if name, err = m.to(ctx, gone, name); err != nil || name == "" {
			return "", err
		}
		there, err := m.book.history(ctx, history[0].path+"/"+name, history[0].to)
		if err != nil || len(there) > 0 {
			return name, err
		}
	}
	return "", nil
}

// to tells where a removal moved a path of the branch. Empty: nowhere.
func (m *moves) to(ctx context.Context, gone *removal, name string) (string, error) {
	was, err := m.book.history(ctx, gone.branch+"/"+name, gone.revision-1)
	if err != nil || len(was) == 0 {
		return "", err
	}
	arrivals, err := m.arrivals(ctx, gone.revision)
	if err != nil {
		return "", err
	}
	// Below what was removed: where more than that was copied, it was no move.
	rest := len(gone.branch) + 1 + len(name) - len(gone.Path)
	best, nearest := "", rest+1
	for _, a := range arrivals {
		if !within(a.path, gone.branch) || a.path == gone.branch {
			continue
		}
		for _, w := range was {
			i := overlaps(a.before, w)
			if i < 0 {
				continue
			}
			below := w.path[len(a.before[i].path):]
			if len(below) >= nearest {
				continue
			}
			there, err := m.book.history(ctx, a.path+below, gone.revision)
			if err != nil {
				return "", err
			}
			if len(there) > 0 {
				best, nearest = a.path[len(gone.branch)+1:]+below, len(below)
			}
		}
	}
	return best, nil
}

func (m *moves) arrivals(ctx context.Context, revision int64) ([]arrival, error) {
	if known, ok := m.came[revision]; ok {
		return known, nil
	}
	e, err := m.book.entry(ctx, revision)
	if err != nil {
		return nil, err
	}
	var all []arrival
	for _, p := range e.paths {
		if p.fromPath == "" {
			continue
		}
		before, err := m.book.history(ctx, p.fromPath, p.fromRevision)
		if err != nil {
			return nil, err
		}
		all = append(all, arrival{p.path, before})
	}
	if m.came == nil {
		m.came = map[int64][]arrival{}
	}
	m.came[revision] = all
	return all, nil
}

// incoming tells where what comes in has what was at a path between its two versions, or,
// where a changeset is taken back, had it before. Empty: nowhere.
func (m *moves) incoming(ctx context.Context, name string, left, right version, back bool) (string, error) {
	branch, ok := strings.CutSuffix(right.Path, "/"+name)
	if !ok {
		return "", nil
	}
	if !back {
		if was, ok := strings.CutPrefix(left.Path, branch+"/"); ok {
			name = was
		}
		history, err := m.book.history(ctx, branch, right.Revision)
		if err != nil || len(history) == 0 {
			return "", err
		}
		return m.follow(ctx, history, name)
	}
	history, err := m.book.history(ctx, left.Path, left.Revision)
	if err != nil {
		return "", err
	}
	older, ok := upTo(history, right.Revision)
	if !ok || !strings.HasPrefix(older[0].path, branch+"/") {
		return "", nil
	}
	// What is still there was copied, and not moved.
	if still, err := m.book.history(ctx, older[0].path, left.Revision); err != nil || len(still) > 0 {
		return "", err
	}
	return older[0].path[len(branch)+1:], nil
}

// mine tells where a target has what was at a path, and in what comes in at a version.
// Empty: nowhere.
func (m *moves) mine(ctx context.Context, b *bench, name string, left version) (string, error) {
	history, err := m.book.history(ctx, b.folder(), b.base)
	if err != nil || len(history) == 0 {
		return "", err
	}
	to, err := m.follow(ctx, history, name)
	if err != nil || to == "" {
		return "", err
	}
	// Another file may have come to the same path meanwhile.
	own, err := m.book.history(ctx, b.folder()+"/"+to, b.base)
	if err != nil {
		return "", err
	}
	theirs, err := m.book.history(ctx, left.Path, left.Revision)
	if err != nil || !slices.ContainsFunc(own, func(s segment) bool { return overlaps(theirs, s) >= 0 }) {
		return "", err
	}
	return to, nil
}

// overlaps finds the part of a history that a part of another has too, or something in it.
// -1: none.
func overlaps(history []segment, s segment) int {
	return slices.IndexFunc(history, func(o segment) bool { return within(s.path, o.path) && s.from <= o.to && o.from <= s.to })
}
