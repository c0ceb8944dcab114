package main

import (
	"context"
	"regexp"
	"strconv"
	"strings"
)

// pair is a promotion of one changeset whose lines stand on those of an earlier one:
// blame in the stable branch says that it changed lines that Need had brought.
type pair struct {
	Later *promotion
	Need  *promotion
	Path  string // the first one that shows it
}

var hunkLine = regexp.MustCompile(`(?m)^@@ -(\d+)(?:,(\d+))? \+`)

// pairs finds the needs that the stable branch itself proves, in the order in which the
// later ones were made, at most limit of them (0: all).
func (h *history) pairs(ctx context.Context, limit int, beside []string) ([]pair, error) {
	judged := map[string]*promotion{}
	for i := range h.promotions {
		judged[h.promotions[i].ID] = &h.promotions[i]
	}
	var all []pair
	for i := range h.promotions {
		later := &h.promotions[i]
		if len(later.Picks) != 1 {
			continue
		}
		picked, err := h.touched(ctx, later.Picks)
		if err != nil {
			return nil, err
		}
		paths, err := h.differing(ctx, later.Parents[0], later.ID, beside)
		if err != nil {
			return nil, err
		}
		seen := map[string]bool{}
		for _, path := range paths {
			if !picked[path] {
				continue
			}
			owners, err := h.owners(ctx, later, path)
			if err != nil {
				return nil, err
			}
			for _, id := range owners {
				need := judged[id]
				// What came later on the trunk was promoted out of its order, and is no need.
				if need == nil || seen[id] || h.order[need.Picks[0]] >= h.order[later.Picks[0]] {
					continue
				}
				seen[id] = true
				all = append(all, pair{Later: later, Need: need, Path: path})
				if limit > 0 && len(all) == limit {
					return all, nil
				}
			}
		}
	}
	return all, nil
}

// owners lists the stable commits that brought the lines that a promotion took away or
// changed in a path.
func (h *history) owners(ctx context.Context, p *promotion, path string) ([]string, error) {
	before := p.Parents[0]
	if before == h.fork {
		return nil, nil
	}
	diff, err := h.git.run(ctx, nil, "diff", "-U0", "--no-renames", "--no-ext-diff", "--no-textconv", before, p.ID, "--", path)
	if err != nil {
		return nil, err
	}
	args := []string{"blame", "--porcelain", "-s"}
	for _, m := range hunkLine.FindAllStringSubmatch(diff, -1) {
		count := 1
		if m[2] != "" {
			if count, err = strconv.Atoi(m[2]); err != nil {
				return nil, err
			}
		}
		if count > 0 {
			args = append(args, "-L", m[1]+",+"+strconv.Itoa(count))
		}
	}
	if len(args) == 3 {
		return nil, nil // nothing was there before
	}
	out, err := h.git.run(ctx, nil, append(args, "--first-parent", h.fork+".."+before, "--", path)...)
	if err != nil {
		return nil, err
	}
	var ids []string
	for line := range strings.Lines(out) {
		if id, rest, ok := strings.Cut(line, " "); ok && len(id) == 40 && h.pickedIn[id] != nil && strings.Count(rest, " ") == 2 {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
