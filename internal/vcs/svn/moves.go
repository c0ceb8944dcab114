package svn

import (
	"context"
	"math"
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
	// Where more was copied than what was removed, it was no move.
	rest := len(gone.branch) + 1 + len(name) - len(gone.Path)
	to, err := nearest(arrivals, was, rest, func(place string) (bool, error) {
		if !strings.HasPrefix(place, gone.branch+"/") {
			return false, nil
		}
		there, err := m.book.history(ctx, place, gone.revision)
		return len(there) > 0, err
	})
	if err != nil || to == "" {
		return "", err
	}
	return to[len(gone.branch)+1:], nil
}

// nearest finds, among what came, where something is that has a history: in the copy of the
// least around it, and of no more than so many bytes of its path. Empty: nowhere.
func nearest(arrivals []arrival, was []segment, most int, there func(place string) (bool, error)) (string, error) {
	best, least := "", most+1
	for _, a := range arrivals {
		for _, w := range was {
			i := overlaps(a.before, w)
			if i < 0 {
				continue
			}
			below := w.path[len(a.before[i].path):]
			if len(below) >= least {
				continue
			}
			ok, err := there(a.path + below)
			if err != nil {
				return "", err
			}
			if ok {
				best, least = a.path+below, len(below)
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

// mine tells where a bench has what was at a path, and in what comes in at a version.
// Empty: nowhere.
func (m *moves) mine(ctx context.Context, b *bench, name string, left version) (string, error) {
	theirs, err := m.book.history(ctx, left.Path, left.Revision)
	if err != nil {
		return "", err
	}
	// Another file may have come to the same path meanwhile.
	akin := func(history []segment) bool {
		return slices.ContainsFunc(history, func(s segment) bool { return overlaps(theirs, s) >= 0 })
	}
	was, err := m.book.history(ctx, b.folder()+"/"+name, b.base)
	if err != nil {
		return "", err
	}
	if len(was) > 0 { // a step before took it away
		if !akin(was) {
			return "", nil
		}
		return m.onBench(ctx, b, was)
	}
	history, err := m.book.history(ctx, b.folder(), b.base)
	if err != nil || len(history) == 0 {
		return "", err
	}
	to, err := m.follow(ctx, history, name)
	if err != nil || to == "" {
		return "", err
	}
	if was, err = m.book.history(ctx, b.folder()+"/"+to, b.base); err != nil || !akin(was) {
		return "", err
	}
	return to, nil
}

// onBench tells where steps before this one have put what has a history.
func (m *moves) onBench(ctx context.Context, b *bench, was []segment) (string, error) {
	all, err := b.client.status(ctx, b.wc)
	if err != nil {
		return "", err
	}
	var copies []string
	for _, one := range all {
		if _, before := b.state[one.Path]; before && one.Status.Copied {
			copies = append(copies, at(one.Path, 0))
		}
	}
	nodes, err := b.client.info(ctx, b.wc, false, copies...)
	if err != nil {
		return "", err
	}
	var arrivals []arrival
	for _, n := range nodes {
		from, ok := strings.CutPrefix(n.From, b.root)
		if !ok {
			continue // it came with the folder that it is in
		}
		if from, err = unescape(from); err != nil {
			return "", err
		}
		before, err := m.book.history(ctx, from, n.FromRev)
		if err != nil {
			return "", err
		}
		arrivals = append(arrivals, arrival{n.Path, before})
	}
	return nearest(arrivals, was, math.MaxInt-1, func(place string) (bool, error) {
		kind, err := b.versioned(ctx, place)
		return kind != "", err
	})
}

// overlaps finds the part of a history that a part of another has too, or something in it.
// -1: none.
func overlaps(history []segment, s segment) int {
	return slices.IndexFunc(history, func(o segment) bool { return within(s.path, o.path) && s.from <= o.to && o.from <= s.to })
}
