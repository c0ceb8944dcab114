package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

const modeLink = "120000"

// settle applies what was decided to a merge with conflicts, and gives those that nobody
// has decided, or else the tree.
func (b *bench) settle(ctx context.Context, step rollcall.DeskStep, m merged, resolved []rollcall.Resolution) ([]rollcall.Conflict, string, error) {
	var paths []string
	at := map[string][]stage{}
	for _, s := range m.stages {
		if at[s.path] == nil {
			paths = append(paths, s.path)
		}
		at[s.path] = append(at[s.path], s)
	}
	if len(paths) == 0 {
		return nil, "", rollcall.Errorf(rollcall.KindConflict, "git can't merge %s and names no path: %s", rollcall.ShortRevision(step.ID), spoken(m.said))
	}
	var open []rollcall.Conflict
	var decided []rollcall.Resolution
	for _, path := range paths {
		c, err := b.conflict(ctx, step, path, at[path], m.said)
		if err != nil {
			return nil, "", err
		}
		if r := c.Decided(resolved); r != nil {
			decided = append(decided, *r)
		} else {
			open = append(open, c)
		}
	}
	if len(open) > 0 {
		return open, "", nil
	}
	tree, err := b.repo.withPaths(ctx, m.tree, decided)
	return nil, tree, err
}

// conflict reads the sides of a path.
func (b *bench) conflict(ctx context.Context, step rollcall.DeskStep, path string, stages []stage, all []said) (rollcall.Conflict, error) {
	c := rollcall.Conflict{Path: path}
	for _, s := range stages {
		side := &rollcall.ConflictSide{Type: rollcall.TypeFile}
		switch s.mode {
		case modeExecutable:
			side.Type = rollcall.TypeExecutable
		case modeLink:
			side.Type = rollcall.TypeLink
		case modeFile:
		default:
			return c, rollcall.Errorf(rollcall.KindRefused, "%s: a submodule that both sides changed can't be merged here", rollcall.Printable(path)).
				WithHint("merge it by hand, in a clone")
		}
		content, err := b.repo.blob(ctx, s.blob)
		if err != nil {
			return c, err
		}
		side.Content = content
		switch s.number {
		case 1:
			c.Base = side
		case 2:
			c.Production = side
		case 3:
			c.Theirs = side
		}
	}
	c.Words = b.words(step, c, all)
	return c, nil
}

// words says what each side did to a path.
func (b *bench) words(step rollcall.DeskStep, c rollcall.Conflict, all []said) string {
	theirs := rollcall.ShortRevision(step.ID)
	switch step.Kind {
	case rollcall.StepBackOut:
		theirs = "backing out " + theirs
	case rollcall.StepMerge:
		theirs = step.Source
	case rollcall.StepPick:
	}
	switch {
	case c.Production != nil && c.Theirs != nil && c.Base == nil:
		return fmt.Sprintf("%s and %s both add it, with other contents", b.target, theirs)
	case c.Production != nil && c.Theirs != nil && c.Production.Type != c.Theirs.Type:
		return fmt.Sprintf("%s and %s both change it, and what kind of file it is", b.target, theirs)
	case c.Production != nil && c.Theirs != nil && (isBinary(c.Production.Content) || isBinary(c.Theirs.Content)):
		return fmt.Sprintf("%s and %s both change it, and it is no text", b.target, theirs)
	case c.Production != nil && c.Theirs != nil:
		return fmt.Sprintf("%s and %s both change the same lines", b.target, theirs)
	case c.Base != nil && c.Theirs != nil:
		return fmt.Sprintf("%s changes it, and %s does not have it", theirs, b.target)
	case c.Base != nil && c.Production != nil:
		return fmt.Sprintf("%s takes it away, and %s has changed it", theirs, b.target)
	case c.Base != nil:
		return fmt.Sprintf("%s and %s each give it another name", b.target, theirs)
	}
	var about []said
	for _, s := range all {
		if strings.HasPrefix(s.kind, "CONFLICT") && slices.Contains(s.paths, c.Path) {
			about = append(about, s)
		}
	}
	if len(about) == 0 {
		about = all
	}
	return spoken(about)
}

// spoken is what git says of conflicts, in its words.
func spoken(all []said) string {
	var lines []string
	for _, s := range all {
		if !strings.HasPrefix(s.kind, "CONFLICT") {
			continue
		}
		text := strings.TrimSpace(s.text)
		if _, rest, ok := strings.Cut(text, "): "); ok && strings.HasPrefix(text, "CONFLICT (") {
			text = rest
		}
		lines = append(lines, rollcall.Printable(text))
	}
	return strings.Join(lines, "; ")
}

// isBinary tells what git tells too: a NUL early in a content makes it no text.
func isBinary(content []byte) bool {
	return slices.Contains(content[:min(len(content), 8000)], 0)
}

// withPaths gives a tree with some of its paths replaced.
func (r *Repository) withPaths(ctx context.Context, tree string, decided []rollcall.Resolution) (string, error) {
	dir, err := os.MkdirTemp("", "rollcall-index-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	index := r.with("GIT_INDEX_FILE=" + filepath.Join(dir, "index"))
	if _, err := index.git(ctx, "read-tree", tree); err != nil {
		return "", err
	}
	// Mode 0 takes an entry away, whatever the hash.
	nothing := strings.Repeat("0", len(tree))
	var lines strings.Builder
	for _, d := range decided {
		fmt.Fprintf(&lines, "0 %s\t%s\x00", nothing, d.Path)
		if d.Delete {
			continue
		}
		out, err := r.gitIn(ctx, string(d.Content), "hash-object", "-t", "blob", "-w", "--stdin")
		if err != nil {
			return "", err
		}
		mode := modeFile
		switch d.Type {
		case rollcall.TypeExecutable:
			mode = modeExecutable
		case rollcall.TypeLink:
			mode = modeLink
		}
		fmt.Fprintf(&lines, "%s %s\t%s\x00", mode, strings.TrimSpace(string(out)), d.Path)
	}
	if _, err := index.gitIn(ctx, lines.String(), "update-index", "-z", "--index-info"); err != nil {
		return "", err
	}
	out, err := index.git(ctx, "write-tree")
	return strings.TrimSpace(string(out)), err
}
