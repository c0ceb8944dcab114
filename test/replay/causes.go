package main

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// cause is what was found out about why a tree that was made is not the one predicted.
type cause struct {
	Kind  string   `json:"cause"`
	Paths []string `json:"paths,omitempty"`
}

// The kinds of causes. docs/replay.md explains them.
const (
	causeExtra     = "also edited other files"
	causeLeftOut   = "left a file of the change out"
	causeMoved     = "made the change in another file"
	causePart      = "took a part of the change"
	causeFurther   = "edited further in the same files"
	causePlace     = "the same lines in another place"
	causeSpace     = "white space"
	causeMode      = "the mode of a file"
	causeTrunkFile = "has the file as the trunk had it"
	causeOther     = "wrote lines of the change differently"
	causeApplies   = "would have applied"
	causeError     = "no prediction"
)

// causesOf compares, path by path, what was predicted with what was made.
func (h *history) causesOf(ctx context.Context, p *promotion, predicted string, differ []string) ([]cause, error) {
	picked, err := h.touched(ctx, p.Picks)
	if err != nil {
		return nil, err
	}
	found := map[string][]string{}
	for _, path := range differ {
		kind := causeExtra
		if picked[path] {
			if kind, err = h.causeAt(ctx, p, predicted, path); err != nil {
				return nil, err
			}
		}
		found[kind] = append(found[kind], path)
	}
	if err := h.findMoved(ctx, p, predicted, found); err != nil {
		return nil, err
	}
	var causes []cause
	for _, kind := range slices.Sorted(maps.Keys(found)) {
		causes = append(causes, cause{kind, found[kind]})
	}
	return causes, nil
}

// findMoved takes a file that was left out and another one that was edited alike together.
func (h *history) findMoved(ctx context.Context, p *promotion, predicted string, found map[string][]string) error {
	for _, left := range slices.Clone(found[causeLeftOut]) {
		wanted, err := h.changedLines(ctx, p.Before, predicted, left)
		if err != nil {
			return err
		}
		for _, extra := range slices.Clone(found[causeExtra]) {
			real, err := h.changedLines(ctx, p.Before, p.Tree, extra)
			if err != nil {
				return err
			}
			if len(real) == 0 || !maps.Equal(real, wanted) {
				continue
			}
			found[causeMoved] = append(found[causeMoved], left+" in "+extra)
			drop(found, causeLeftOut, left)
			drop(found, causeExtra, extra)
			break
		}
	}
	return nil
}

func drop(found map[string][]string, kind, path string) {
	if found[kind] = slices.DeleteFunc(found[kind], func(p string) bool { return p == path }); len(found[kind]) == 0 {
		delete(found, kind)
	}
}

func (h *history) causeAt(ctx context.Context, p *promotion, predicted, path string) (string, error) {
	before, made, ours := h.blob(ctx, p.Before, path), h.blob(ctx, p.Tree, path), h.blob(ctx, predicted, path)
	if made == before {
		return causeLeftOut, nil
	}
	if madeContent, oursContent := contentOf(made), contentOf(ours); madeContent == oursContent {
		return causeMode, nil
	}
	for _, id := range p.Picks {
		if made != "" && made == h.blob(ctx, id, path) {
			return causeTrunkFile, nil
		}
	}
	if made == "" || ours == "" {
		return causeOther, nil
	}
	space, err := h.git.run(ctx, nil, "diff", "-w", "--ignore-blank-lines", "--ignore-cr-at-eol", "--no-ext-diff", "--no-textconv", predicted, p.Tree, "--", path)
	if err != nil {
		return "", err
	}
	if !strings.Contains(space, "\n@@ ") && !strings.Contains(space, "Binary files") {
		return causeSpace, nil
	}
	real, err := h.changedLines(ctx, p.Before, p.Tree, path)
	if err != nil {
		return "", err
	}
	wanted, err := h.changedLines(ctx, p.Before, predicted, path)
	if err != nil {
		return "", err
	}
	switch fewer, more := within(real, wanted), within(wanted, real); {
	case fewer && more:
		return causePlace, nil
	case fewer:
		return causePart, nil
	case more:
		return causeFurther, nil
	}
	return causeOther, nil
}

// contentOf takes the mode from what ls-tree says of a path.
func contentOf(entry string) string {
	return entry[strings.LastIndexByte(entry, ' ')+1:]
}

// changedLines counts the lines that come and go between two trees at a path.
func (h *history) changedLines(ctx context.Context, a, b, path string) (map[string]int, error) {
	out, err := h.git.run(ctx, nil, "diff", "-U0", "--no-renames", "--no-ext-diff", "--no-textconv", a, b, "--", path)
	if err != nil {
		return nil, err
	}
	lines := map[string]int{}
	_, hunks, _ := strings.Cut(out, "\n@@ ")
	for line := range strings.Lines(hunks) {
		if line[0] == '+' || line[0] == '-' {
			lines[line]++
		}
	}
	return lines, nil
}

// within tells whether every line of a is in b, as often.
func within(a, b map[string]int) bool {
	for line, n := range a {
		if b[line] < n {
			return false
		}
	}
	return true
}
