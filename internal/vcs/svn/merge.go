package svn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// rounds is how often one merge is taken up again: Subversion stops behind every run of
// revisions that conflicts.
const rounds = 1000

// Apply does one step on top of those before.
func (b *bench) Apply(ctx context.Context, step rollcall.DeskStep, resolved []rollcall.Resolution) (rollcall.Applied, error) {
	var applied rollcall.Applied
	if b.broken {
		return applied, errBroken
	}
	before, err := b.look(ctx)
	if err != nil {
		return applied, err
	}
	b.broken = true
	applied.Conflicts, err = b.apply(ctx, step, resolved)
	if err != nil {
		return applied, fmt.Errorf("%s %s: %w", step.Kind, step.ID, err)
	}
	if len(applied.Conflicts) > 0 {
		return applied, nil
	}
	b.applied = append(b.applied, appliedStep{step, keep(resolved)})
	b.state = nil
	after, err := b.look(ctx)
	if err != nil {
		return applied, err
	}
	applied.Changed = !maps.Equal(before, after)
	b.broken = false
	return applied, nil
}

func keep(resolved []rollcall.Resolution) []kept {
	var all []kept
	for _, one := range resolved {
		all = append(all, kept{one, one.Content})
	}
	return all
}

// apply merges a step and settles what conflicts. What it gives is what is left.
func (b *bench) apply(ctx context.Context, step rollcall.DeskStep, resolved []rollcall.Resolution) ([]rollcall.Conflict, error) {
	root, err := b.rootProps(ctx)
	if err != nil {
		return nil, err
	}
	args, err := b.arguments(ctx, step, root)
	if err != nil {
		return nil, err
	}
	b.carried = nil
	for range rounds {
		said, stopped, err := b.merge(ctx, args)
		if err != nil {
			return nil, err
		}
		clashes, err := b.met(ctx, step, said)
		if err != nil {
			return nil, err
		}
		left, err := b.settle(ctx, step, clashes, resolved)
		if err != nil || len(left) > 0 {
			return left, err
		}
		if !stopped {
			return nil, b.keepLedger(ctx, step, root)
		}
	}
	return nil, errors.New("svn merge comes to no end")
}

// mergeArgs are the words of a svn merge.
type mergeArgs struct{ options, targets []string }

// arguments tells how svn does a step, on a target whose root has these properties.
func (b *bench) arguments(ctx context.Context, step rollcall.DeskStep, root properties) (mergeArgs, error) {
	var args mergeArgs
	number, err := parseRevision(step.ID)
	if err != nil {
		return args, err
	}
	if number > b.head || number < 1 {
		return args, rollcall.Errorf(rollcall.KindNotFound, "there is no revision %s in the repository", step.ID)
	}
	book, history, err := b.branch(ctx, step.Source)
	if err != nil {
		return args, err
	}
	defer book.close()
	if step.Kind != rollcall.StepMerge {
		if _, has, err := book.ending(ctx, history, number); err != nil {
			return args, err
		} else if !has {
			return args, rollcall.Errorf(rollcall.KindNotFound, "%s is no changeset of %s", revisionID(number), step.Source)
		}
	}
	// Pegged to what was read: what is committed meanwhile changes nothing.
	args.targets = []string{at(join(b.root, b.Repository.folder(step.Source)), b.head), "."}
	args.options = []string{"--accept", "postpone"}
	switch step.Kind {
	case rollcall.StepPick:
		args.options = append(args.options, "-c", fmt.Sprint(number))
	case rollcall.StepBackOut:
		has, err := b.has(ctx, book, history, root, number)
		switch {
		case err != nil:
			return args, err
		case has == hasNot:
			return args, rollcall.Errorf(rollcall.KindRefused, "%s does not have %s of %s, so it can't be backed out", b.target, revisionID(number), step.Source)
		case has == hasUntracked: // svn merge would find nothing to reverse
			args.options = append(args.options, "--ignore-ancestry")
		}
		args.options = append(args.options, "-c", fmt.Sprint(-number))
	case rollcall.StepMerge:
		args.targets[0] = at(join(b.root, b.Repository.folder(step.Source)), number)
	default:
		return args, rollcall.Errorf(rollcall.KindInvalid, "%q is not a kind of step", step.Kind)
	}
	return args, nil
}

// having is how a target has a changeset.
type having int

const (
	hasNot       having = iota
	hasTracked          // in svn:mergeinfo, or as an ancestor
	hasUntracked        // only svnmerge.py says so
)

func (b *bench) has(ctx context.Context, book *logbook, history []segment, root properties, number int64) (having, error) {
	info, err := parseMergeinfo(root[propMergeinfo])
	if err != nil {
		return hasNot, err
	}
	place, ok := segmentOf(history, number)
	if !ok {
		return hasNot, nil
	}
	if in, _ := info[place.path].find(number); in {
		return hasTracked, nil
	}
	if b.isAncestor(ctx, book, place.path, number) {
		return hasTracked, nil
	}
	if in, _ := parseSvnmerge(root[propIntegrated], b.uuid)[place.path].find(number); in {
		return hasUntracked, nil
	}
	below, err := b.subtrees(ctx)
	if err != nil {
		return hasNot, err
	}
	for folder, info := range below {
		if in, _ := info[place.path+"/"+folder].find(number); in {
			return hasTracked, nil
		}
	}
	return hasNot, nil
}

func segmentOf(history []segment, number int64) (segment, bool) {
	for _, s := range history {
		if s.from <= number && number <= s.to {
			return s, true
		}
	}
	return segment{}, false
}

// merge runs svn merge. It ends well with conflicts too; stopped tells that more is to be
// merged once these are settled.
func (b *bench) merge(ctx context.Context, args mergeArgs) (said told, stopped bool, err error) {
	var out []byte
	one := command{verb: "merge", options: args.options, targets: args.targets, dir: b.wc, limit: longLimit}
	err = b.client.stream(ctx, one, func(r io.Reader) error {
		var err error
		out, err = io.ReadAll(r)
		return err
	})
	said = parseTold(out)
	switch {
	case complains(err, "155015"):
		return said, true, nil
	case complains(err, "195016"), complains(err, "205000"):
		return said, false, rollcall.Errorf(rollcall.KindRefused, "%w", err)
	}
	return said, false, err
}

// mustNotSkip refuses a merge that left something alone and would be recorded all the
// same. What stands in a folder that conflicts is settled with it.
func mustNotSkip(said told, clashes []*clash) error {
	for _, text := range said.skipped {
		name := text[strings.IndexByte(text, '\'')+1:]
		if i := strings.LastIndexByte(name, '\''); i >= 0 {
			name = name[:i]
		}
		if !slices.ContainsFunc(clashes, func(c *clash) bool { return within(name, c.path) }) {
			return rollcall.Errorf(rollcall.KindInternal, "svn left something alone that it should have merged: %s", rollcall.Printable(text))
		}
	}
	return nil
}

// keepLedger puts back what the merge brought of another branch's ledger, and sees to it
// that the target's own says what was done: svn leaves it as it is where nothing came of a
// step.
func (b *bench) keepLedger(ctx context.Context, step rollcall.DeskStep, before properties) error {
	now, err := b.rootProps(ctx)
	if err != nil {
		return err
	}
	want := maps.Clone(before)
	if want == nil {
		want = properties{}
	}
	if want[propMergeinfo] = now[propMergeinfo]; want[propMergeinfo] == "" {
		delete(want, propMergeinfo)
	}
	if step.Kind != rollcall.StepMerge {
		if err := b.record(ctx, step, want); err != nil {
			return err
		}
	}
	for _, name := range append([]string{propMergeinfo}, ledgerProps...) {
		if err := b.setProperty(ctx, ".", name, now, want); err != nil {
			return err
		}
	}
	return nil
}

// record puts a changeset into the ledger, or takes it out.
func (b *bench) record(ctx context.Context, step rollcall.DeskStep, props properties) error {
	number, err := parseRevision(step.ID)
	if err != nil {
		return err
	}
	book, history, err := b.branch(ctx, step.Source)
	if err != nil {
		return err
	}
	defer book.close()
	place, ok := segmentOf(history, number)
	if !ok {
		return nil
	}
	info, err := parseMergeinfo(props[propMergeinfo])
	if err != nil {
		return err
	}
	one := mergeinfo{place.path: {{from: number, to: number}}}
	if step.Kind == rollcall.StepPick {
		if in, _ := info[place.path].find(number); !in && !b.isAncestor(ctx, book, place.path, number) {
			props[propMergeinfo] = info.union(one).String()
		}
		return nil
	}
	if in, _ := info[place.path].find(number); in {
		if props[propMergeinfo] = info.without(one).String(); props[propMergeinfo] == "" {
			delete(props, propMergeinfo)
		}
	}
	integrated := parseSvnmerge(props[propIntegrated], b.uuid)
	if in, _ := integrated[place.path].find(number); in {
		props[propIntegrated] = rewriteSvnmerge(props[propIntegrated], b.uuid, integrated.without(one))
	}
	return nil
}

// isAncestor tells whether a revision of a path is part of the target's own history.
func (b *bench) isAncestor(ctx context.Context, book *logbook, path string, number int64) bool {
	history, err := book.history(ctx, b.folder(), b.base)
	own, ok := segmentOf(history, number)
	return err == nil && ok && own.path == path
}
