package svn

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// reflect finds the candidates that only bring the target's own changes back. What else a
// revision brings makes it one to be offered, whatever its mergeinfo says.
func (p *pair) reflect(ctx context.Context, candidates []*candidate) error {
	var b *bench // one of the source, opened when it is needed
	defer func() {
		if b != nil {
			b.Close()
		}
	}()
	// From old to new, so that the bench's way is short.
	for _, one := range slices.Backward(candidates) {
		if one.standing != rollcall.StandEligible {
			continue
		}
		if err := p.load(ctx, one); err != nil {
			return err
		}
		if onlyCopies(one, p.to) {
			one.standing = rollcall.StandReflected
			continue
		}
		if !slices.ContainsFunc(one.entry.paths, func(c pathChange) bool { return c.path == one.path && c.props }) {
			continue
		}
		name := fmt.Sprintf("%d of %s towards %s", one.revision, one.path, p.to[0].path)
		var is bool
		found, err := p.known.get(ctx, "reflected", name, &is)
		if err != nil {
			return err
		}
		if !found {
			if is, err = p.isReflected(ctx, one, &b); err != nil {
				return fmt.Errorf("look what r%d brings of its own: %w", one.revision, err)
			}
			if err := p.known.put(ctx, "reflected", name, is); err != nil {
				return err
			}
		}
		if is {
			one.standing = rollcall.StandReflected
		}
	}
	return nil
}

// onlyCopies tells whether all that a revision did was to copy from the target what has
// the same place there.
func onlyCopies(c *candidate, target []segment) bool {
	some := false
	for _, changed := range c.entry.paths {
		name, below := strings.CutPrefix(changed.path, c.path+"/")
		if !below {
			if changed.path == c.path {
				return false
			}
			continue
		}
		place, ok := segmentOf(target, changed.fromRevision)
		if changed.fromPath == "" || changed.text || !ok || changed.fromPath != place.path+"/"+name {
			return false
		}
		some = true
	}
	return some
}

// isReflected looks whether a revision is what merging the target's revisions, which it
// says it brings, comes to.
func (p *pair) isReflected(ctx context.Context, one *candidate, b **bench) (bool, error) {
	before, err := p.rootNotes(ctx, one.path, one.revision-1)
	if complains(err, "160013", "170000", "200009", "195012") {
		return false, nil // the branch began with it
	}
	if err != nil {
		return false, err
	}
	after, err := p.rootNotes(ctx, one.path, one.revision)
	if err != nil {
		return false, err
	}
	if onlyRoot(one.entry, one.path) && before.Rest == after.Rest {
		return true, nil // nothing but the ledger of the source itself
	}
	was, err := readMergeinfo(before, one.path, one.revision-1)
	if err != nil {
		return false, err
	}
	is, err := readMergeinfo(after, one.path, one.revision)
	if err != nil {
		return false, err
	}
	brought := is.without(was)
	var runs []string
	for _, s := range p.to {
		for _, run := range brought[s.path].within(s.from, s.to) {
			runs = append(runs, mergeRange(run))
		}
	}
	if len(runs) == 0 || len(was.without(is)) > 0 || one.path != p.folder(p.source) {
		return false, nil
	}
	return p.sameAsMerging(ctx, one, runs, b)
}

func mergeRange(run span) string {
	if run.from == run.to {
		return fmt.Sprint(run.from)
	}
	return fmt.Sprintf("%d-%d", run.from, run.to)
}

// sameAsMerging merges revisions of the target into what the source was before, and
// compares it with what the source was after.
func (p *pair) sameAsMerging(ctx context.Context, one *candidate, runs []string, kept **bench) (same bool, err error) {
	b := *kept
	if b == nil {
		if b, err = p.bench(ctx, "", p.source, one.revision-1); err != nil {
			return false, err
		}
		*kept = b
	} else if err := b.move(ctx, one.revision-1); err != nil {
		return false, err
	}
	args := mergeArgs{
		options: []string{"--accept", "postpone", "-c", strings.Join(runs, ",")},
		source:  at(join(b.root, p.to[0].path), p.to[0].to),
	}
	_, stopped, err := b.merge(ctx, args)
	if err != nil || stopped {
		return false, err
	}
	if clashes, err := b.clashes(ctx); err != nil || len(clashes) > 0 {
		return false, err
	}
	merged, props, err := b.whole(ctx)
	if err != nil {
		return false, err
	}
	if err := b.move(ctx, one.revision); err != nil {
		return false, err
	}
	made, madeProps, err := b.whole(ctx)
	return err == nil && merged == made && maps.EqualFunc(props, madeProps, slices.Equal), err
}

// move brings the bench to another revision with nothing on it.
func (b *bench) move(ctx context.Context, revision int64) error {
	b.base = revision
	return b.ready(ctx)
}

// whole is all that stands on the bench: the tree, and the properties that are no ledger.
func (b *bench) whole(ctx context.Context) (tree string, props map[string][]string, err error) {
	if tree, err = b.Freeze(ctx); err != nil {
		return "", nil, err
	}
	all, err := b.client.properties(ctx, b.wc, true, ".")
	if err != nil {
		return "", nil, err
	}
	props = map[string][]string{}
	for path, own := range all {
		if plain := plainProps(path, own); len(plain) > 0 {
			props[path] = plain
		}
	}
	return tree, props, nil
}
