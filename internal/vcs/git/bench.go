package git

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-dev/rollcall"
)

// bench merges in the object store alone: it has no work tree that could be dirty, and
// nothing of it is left in the way when its process dies.
type bench struct {
	repo   *Repository
	target string
	base   rollcall.Revision
	tree   string    // what stands there now
	done   []applied // in order
	broken bool      // a conflict was met
	close  func() error
}

// applied is a step and the tree that it made.
type applied struct {
	step rollcall.DeskStep
	tree string
}

var _ rollcall.Parallel = (*bench)(nil)

// Bench opens a bench. What is made on one without a name is forgotten.
func (r *Repository) Bench(_ context.Context, name, target string, base rollcall.Revision) (rollcall.Bench, error) {
	b := &bench{repo: r, target: target, base: base, tree: base.Tree, close: func() error { return nil }}
	if name != "" {
		return b, nil
	}
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return nil, fmt.Errorf("open a bench: %w", err)
	}
	b.repo = r.with("GIT_OBJECT_DIRECTORY="+dir, "GIT_ALTERNATE_OBJECT_DIRECTORIES="+filepath.Join(r.dir, "objects"))
	b.close = func() error {
		b.repo.objects.close()
		return os.RemoveAll(dir)
	}
	return b, nil
}

func (b *bench) Close() error { return b.close() }

// Reset takes everything away that was applied.
func (b *bench) Reset(context.Context) error {
	b.tree, b.done, b.broken = b.base.Tree, nil, false
	return nil
}

// Freeze gives the tree that stands there.
func (b *bench) Freeze(context.Context) (string, error) { return b.tree, nil }

// Apply does one step.
func (b *bench) Apply(ctx context.Context, step rollcall.DeskStep, resolved []rollcall.Resolution) (rollcall.Applied, error) {
	if b.broken {
		return rollcall.Applied{}, fmt.Errorf("a bench with a conflict was not reset")
	}
	pair, err := b.pair(ctx, step, b.tree)
	if err != nil {
		return rollcall.Applied{}, err
	}
	results, err := b.repo.mergeTree(ctx, []mergePair{pair})
	if err != nil {
		return rollcall.Applied{}, err
	}
	m := results[0]
	if !m.clean {
		open, tree, err := b.settle(ctx, step, pair, m, resolved)
		if err != nil {
			return rollcall.Applied{}, err
		}
		if len(open) > 0 {
			b.broken = true
			return rollcall.Applied{Conflicts: open}, nil
		}
		m.tree = tree
	}
	changed := m.tree != b.tree
	b.tree = m.tree
	b.done = append(b.done, applied{step, m.tree})
	return rollcall.Applied{Changed: changed}, nil
}

// Each tries steps alone on the base, some at once.
func (b *bench) Each(ctx context.Context, steps []rollcall.DeskStep, fn func(i int, applied rollcall.Applied, err error)) error {
	const batch = 25
	results := make([]merged, len(steps))
	pairs := make([]mergePair, len(steps))
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for start := 0; start < len(steps); start += batch {
		part := steps[start:min(start+batch, len(steps))]
		work.Go(func() error {
			some, err := b.pairs(workCtx, part, b.base.Tree)
			if err != nil {
				return err
			}
			copy(pairs[start:], some)
			merged, err := b.repo.mergeTree(workCtx, some)
			copy(results[start:], merged)
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	for i, step := range steps {
		m, pair := results[i], pairs[i]
		applied := rollcall.Applied{Changed: m.clean && m.tree != b.base.Tree}
		var err error
		if !m.clean {
			for _, d := range m.disputes(pair) {
				applied.Conflicts = append(applied.Conflicts, rollcall.Conflict{Path: d.Path})
			}
			if len(applied.Conflicts) == 0 {
				_, _, err = b.settle(ctx, step, pair, m, nil) // which says why not
			}
		}
		fn(i, applied, err)
	}
	return nil
}

// pair makes the two commits whose merge is a step on top of a tree. git 2.39 merges
// only commits, by the base that it finds for them: so a commit is made of the tree,
// beside what the step starts from.
func (b *bench) pair(ctx context.Context, step rollcall.DeskStep, tree string) (mergePair, error) {
	pairs, err := b.pairs(ctx, []rollcall.DeskStep{step}, tree)
	if err != nil {
		return mergePair{}, err
	}
	return pairs[0], nil
}

func (b *bench) pairs(ctx context.Context, steps []rollcall.DeskStep, tree string) ([]mergePair, error) {
	pairs := make([]mergePair, len(steps))
	var texts []string
	var at []*string // where the made commit's hash goes
	for i, step := range steps {
		switch step.Kind {
		case rollcall.StepPick:
			c, err := b.repo.commit(ctx, step.ID)
			if err != nil {
				return nil, noChangeset(step.ID, err)
			}
			parent := ""
			pairs[i].theirs = c.id
			if len(c.parents) > 0 {
				parent = c.parents[0]
			} else if parent, err = b.rootless(ctx, c, &pairs[i]); err != nil {
				return nil, err
			}
			texts, at = append(texts, synthetic(tree, parent)), append(at, &pairs[i].ours)
		case rollcall.StepBackOut:
			id := step.In
			if id == "" {
				id = step.ID
			}
			c, err := b.repo.commit(ctx, id)
			if err != nil {
				return nil, noChangeset(id, err)
			}
			before, err := b.treeBefore(ctx, c)
			if err != nil {
				return nil, err
			}
			texts = append(texts, synthetic(tree, c.id), synthetic(before, c.id))
			at = append(at, &pairs[i].ours, &pairs[i].theirs)
		case rollcall.StepMerge:
			pairs[i].theirs = step.ID
			texts, at = append(texts, synthetic(tree, b.base.ID)), append(at, &pairs[i].ours)
		default:
			return nil, fmt.Errorf("git can't do %q", step.Kind)
		}
	}
	made, err := b.repo.writeCommits(ctx, texts)
	if err != nil {
		return nil, err
	}
	for i, id := range made {
		*at[i] = id
	}
	return pairs, nil
}

// rootless makes a parent for a commit that has none: one with nothing in it.
func (b *bench) rootless(ctx context.Context, c *commit, pair *mergePair) (string, error) {
	empty, err := b.repo.emptyTree(ctx)
	if err != nil {
		return "", err
	}
	nothing, err := b.repo.writeCommits(ctx, []string{synthetic(empty, "")})
	if err != nil {
		return "", err
	}
	child, err := b.repo.writeCommits(ctx, []string{synthetic(c.tree, nothing[0])})
	if err != nil {
		return "", err
	}
	pair.theirs = child[0]
	return nothing[0], nil
}

func (b *bench) treeBefore(ctx context.Context, c *commit) (string, error) {
	if len(c.parents) == 0 {
		return b.repo.emptyTree(ctx)
	}
	parent, err := b.repo.commit(ctx, c.parents[0])
	if err != nil {
		return "", err
	}
	return parent.tree, nil
}

func (r *Repository) emptyTree(ctx context.Context) (string, error) {
	out, err := r.git(ctx, "mktree")
	return strings.TrimSpace(string(out)), err
}

// synthetic is the text of a commit that only git's search for merge bases looks at.
// It is the same every time, so that the same merge makes the same objects, and it is
// newer than all others: git follows the newest first, and would go through the whole of
// history before it came to an old one.
func synthetic(tree, parent string) string {
	return commitText(tree, parents(parent), "Rollcall <rollcall> 2147483647 +0000", "Rollcall <rollcall> 2147483647 +0000", "", "synthetic\n")
}

func parents(ids ...string) []string {
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}

// commitText is a commit object's content.
func commitText(tree string, parents []string, author, committer, encoding, message string) string {
	var t strings.Builder
	fmt.Fprintf(&t, "tree %s\n", tree)
	for _, p := range parents {
		fmt.Fprintf(&t, "parent %s\n", p)
	}
	fmt.Fprintf(&t, "author %s\ncommitter %s\n", author, committer)
	if encoding != "" {
		fmt.Fprintf(&t, "encoding %s\n", encoding)
	}
	t.WriteString("\n" + message)
	return t.String()
}

// writeCommits stores commits of which no one needs another, and gives their hashes.
func (r *Repository) writeCommits(ctx context.Context, texts []string) ([]string, error) {
	if len(texts) == 1 {
		out, err := r.gitIn(ctx, texts[0], "hash-object", "-t", "commit", "-w", "--stdin")
		return []string{strings.TrimSpace(string(out))}, err
	}
	dir, err := os.MkdirTemp("", "rollcall-commits-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var files strings.Builder
	for i, text := range texts {
		file := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
		files.WriteString(file + "\n")
	}
	out, err := r.gitIn(ctx, files.String(), "hash-object", "-t", "commit", "-w", "--no-filters", "--stdin-paths")
	if err != nil {
		return nil, err
	}
	made := strings.Fields(string(out))
	if len(made) != len(texts) {
		return nil, fmt.Errorf("git hash-object: %d commits of %d", len(made), len(texts))
	}
	return made, nil
}

func noChangeset(id string, err error) error {
	return rollcall.Errorf(rollcall.KindNotFound, "the changeset %s can't be read: %w", rollcall.ShortRevision(id), err)
}

// blob reads a content whole.
func (r *Repository) blob(ctx context.Context, id string) (content []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	err = r.Blobs(ctx, []string{id}, func(_ int, _ int64, in io.Reader) error {
		content, err = io.ReadAll(in)
		return err
	})
	return content, err
}

// stamp is a person and a moment as commits have them.
func stamp(name, email string, at time.Time) string {
	clean := func(text string) string {
		return strings.TrimSpace(strings.Map(func(r rune) rune {
			if r == '<' || r == '>' || r == '\n' || r == 0 {
				return -1
			}
			return r
		}, text))
	}
	_, offset := at.Zone()
	sign := '+'
	if offset < 0 {
		sign, offset = '-', -offset
	}
	return fmt.Sprintf("%s <%s> %d %c%02d%02d", clean(name), clean(email), at.Unix(), sign, offset/3600, offset%3600/60)
}
