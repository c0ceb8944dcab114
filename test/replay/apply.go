package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// The lines of context around a change that must be as they were for a patch to apply.
const (
	allContext    = "3"
	littleContext = "1"
)

// parentOf gives what a commit of the trunk changed from.
func (h *history) parentOf(ctx context.Context, id string) string {
	if parent, err := h.git.commit(ctx, id+"^1"); err == nil {
		return parent
	}
	return emptyTree
}

// patched gives the tree that comes of applying the patches of picks, one after the
// other, to a tree by plain git apply, with so many lines of context as must be as they
// were. It is empty where one does not apply. With paths only what the picks change there
// is applied.
func (h *history) patched(ctx context.Context, tree string, picks, paths []string, contextLines, scratch string) (string, error) {
	g := h.git
	g.index = filepath.Join(scratch, "index")
	if _, err := g.run(ctx, nil, "read-tree", tree); err != nil {
		return "", err
	}
	for _, id := range picks {
		args := []string{"diff", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv", h.parentOf(ctx, id), id}
		if len(paths) > 0 {
			args = append(append(args, "--"), paths...)
		}
		patch, err := g.run(ctx, nil, args...)
		if err != nil {
			return "", err
		}
		if patch == "" {
			continue
		}
		if _, err := g.run(ctx, strings.NewReader(patch), "apply", "--cached", "--whitespace=nowarn", "-C"+contextLines, "-"); err != nil {
			if ctx.Err() != nil {
				return "", err
			}
			return "", nil
		}
	}
	return g.line(ctx, "write-tree")
}

// differing lists the paths in which two trees differ.
func (h *history) differing(ctx context.Context, a, b string, beside []string) ([]string, error) {
	all, err := h.git.fields(ctx, "diff-tree", "-r", "-z", "--name-only", "--no-renames", a, b)
	if err != nil || len(beside) == 0 {
		return all, err
	}
	var kept []string
	for _, p := range all {
		if !rollcall.MatchAny(beside, p) {
			kept = append(kept, p)
		}
	}
	return kept, nil
}

// touched lists the paths that picks change.
func (h *history) touched(ctx context.Context, picks []string) (map[string]bool, error) {
	paths := map[string]bool{}
	for _, id := range picks {
		changed, err := h.differing(ctx, h.parentOf(ctx, id), id, nil)
		if err != nil {
			return nil, err
		}
		for _, p := range changed {
			paths[p] = true
		}
	}
	return paths, nil
}

// blob names what a tree has at a path, with its mode; empty: nothing.
func (h *history) blob(ctx context.Context, tree, path string) string {
	out, err := h.git.run(ctx, nil, "ls-tree", "-z", tree, "--", path)
	if err != nil {
		return ""
	}
	entry, _, _ := strings.Cut(out, "\t")
	return entry
}
