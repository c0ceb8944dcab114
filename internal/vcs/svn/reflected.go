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
		var is reflection
		found, err := p.known.get(ctx, "reflection", name, &is)
		if err != nil {
			return err
		}
		if !found {
			if is, err = p.reflection(ctx, one, &b); err != nil {
				return fmt.Errorf("look what r%d brings of its own: %w", one.revision, err)
			}
			if err := p.known.put(ctx, "reflection", name, is); err != nil {
				return err
			}
		}
		switch is {
		case reflects:
			one.standing = rollcall.StandReflected
		case reflectsAndEdits:
			one.standing, one.why = rollcall.StandProbable, "it brings the target's own changes back, with edits of its own"
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

// reflection is what a revision brings back of the target's own. Empty: nothing.
type reflection string

const (
	reflects         reflection = "same"
	reflectsAndEdits reflection = "edited"
)

// reflection looks whether a revision is what merging the target's revisions, which it
// says it brings, comes to.
func (p *pair) reflection(ctx context.Context, one *candidate, b **bench) (reflection, error) {
	before, err := p.rootNotes(ctx, one.path, one.revision-1)
	if complains(err, "160013", "170000", "200009", "195012") {
		return "", nil // the branch began with it
	}
	if err != nil {
		return "", err
	}
	after, err := p.rootNotes(ctx, one.path, one.revision)
	if err != nil {
		return "", err
	}
	if onlyRoot(one.entry, one.path) && before.Rest == after.Rest {
		return reflects, nil // nothing but the ledger of the source itself
	}
	was, err := readMergeinfo(before, one.path, one.revision-1)
	if err != nil {
		return "", err
	}
	is, err := readMergeinfo(after, one.path, one.revision)
	if err != nil {
		return "", err
	}
	brought, taken := is.without(was), was.without(is)
	var runs []string
	for _, s := range p.to {
		for _, run := range brought[s.path].within(s.from, s.to) {
			runs = append(runs, mergeRange(run))
		}
	}
	takesBack := slices.ContainsFunc(p.to, func(s segment) bool { return len(taken[s.path].within(s.from, s.to)) > 0 })
	switch {
	case takesBack && len(runs) == 0:
		return reflects, nil // it takes back what the target brought there
	case len(runs) == 0:
		return "", nil
	case takesBack || one.path != p.folder(p.source):
		return reflectsAndEdits, nil
	}
	same, err := p.sameAsMerging(ctx, one, runs, b)
	if err != nil || !same {
		return reflectsAndEdits, err
	}
	return reflects, nil
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
		targets: []string{at(join(b.root, p.to[0].path), p.to[0].to), "."},
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
