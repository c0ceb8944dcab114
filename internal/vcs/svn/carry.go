package svn

import (
	"context"
	"errors"
	"slices"

	"github.com/rollcall-dev/rollcall"
)

// met gives what a merge came to that is to be settled.
func (b *bench) met(ctx context.Context, step rollcall.DeskStep, said told) ([]*clash, error) {
	clashes, err := b.clashes(ctx)
	if err != nil {
		return nil, err
	}
	if err := mustNotSkip(said, clashes); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(clashes, (*clash).removes) {
		return clashes, nil
	}
	book, err := b.logbook(ctx)
	if err != nil {
		return nil, err
	}
	defer book.close()
	m := &moves{book: book}
	for range renamings {
		carried := false
		for _, c := range clashes {
			to, err := b.carriedTo(ctx, m, step, c, clashes)
			if err != nil {
				return nil, err
			}
			if to == "" {
				continue
			}
			if err := b.carry(ctx, c, to); err != nil {
				return nil, err
			}
			carried = true
		}
		if !carried {
			return clashes, nil
		}
		if clashes, err = b.clashes(ctx); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("what was moved comes to no end")
}

// removes tells whether what comes in takes the path away.
func (c *clash) removes() bool { return c.tree && c.action == "delete" }

// carriedTo tells where a step moved what the target has changed, if that stands there now
// and in nobody's way. Empty: nowhere.
func (b *bench) carriedTo(ctx context.Context, m *moves, step rollcall.DeskStep, c *clash, clashes []*clash) (string, error) {
	if !c.removes() {
		return "", nil
	}
	if there, err := b.versioned(ctx, c.path); err != nil || there != c.left.Kind {
		return "", err
	}
	to, err := m.incoming(ctx, c.path, c.left, c.right, step.Kind == rollcall.StepBackOut)
	if err != nil || to == "" || within(to, c.path) || within(c.path, to) {
		return "", err
	}
	if slices.ContainsFunc(clashes, func(o *clash) bool { return within(o.path, to) || within(to, o.path) }) {
		return "", nil
	}
	if there, err := b.versioned(ctx, to); err != nil || there != c.left.Kind {
		return "", err
	}
	return to, nil
}

// carry moves what the target has to where a step moved it, and merges there what the step
// changes in it, as git does, and svn's own resolver. It may conflict there.
func (b *bench) carry(ctx context.Context, c *clash, to string) error {
	if err := b.calm(ctx, c); err != nil {
		return err
	}
	if err := b.remove(ctx, to); err != nil {
		return err
	}
	if _, err := b.client.svnIn(ctx, b.wc, "move", []string{"-q"}, at(c.path, 0), to); err != nil {
		return err
	}
	if b.carried == nil {
		b.carried = map[string]string{}
	}
	b.carried[to] = c.path
	came := c.right.Path[:len(c.right.Path)-len(c.path)] + to
	said, _, err := b.merge(ctx, mergeArgs{
		options: []string{"--accept", "postpone", "--ignore-ancestry"}, // else it would keep a ledger there
		targets: []string{at(join(b.root, c.left.Path), c.left.Revision), at(join(b.root, came), c.right.Revision), to},
	})
	if err != nil {
		return err
	}
	clashes, err := b.clashes(ctx)
	if err != nil {
		return err
	}
	return mustNotSkip(said, clashes)
}

// calledBefore is what the target calls a path that a step carried away, or nothing.
func (b *bench) calledBefore(path string) string {
	for to, from := range b.carried {
		if within(path, to) {
			return from + path[len(to):]
		}
	}
	return ""
}
