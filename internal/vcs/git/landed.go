package git

import (
	"context"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// addAuthors says of the merges among changesets of source, that are none of target's, who
// wrote what they bring.
func (r *Repository) addAuthors(ctx context.Context, source, target string, listed []judged) error {
	oldest := ""
	for _, s := range listed {
		if len(s.parents) > 1 && s.Standing != rollcall.StandIntegrated && s.Standing != rollcall.StandReflected {
			oldest = s.parents[0]
		}
	}
	if oldest == "" {
		return nil
	}
	authors, err := r.authors(ctx, source, "^"+oldest, "^"+target)
	for i := range listed {
		s := &listed[i]
		s.Authors = others(s.Changeset, authors[s.ID])
	}
	return err
}

// authorsLimit is of how many of the newest changesets is told who wrote what they bring.
const authorsLimit = 20

// withAuthors says it of a list of a branch's changesets, the newest first: of merges, and
// of picks of such.
func (r *Repository) withAuthors(ctx context.Context, list []rollcall.Changeset) {
	for i := range list[:min(len(list), authorsLimit)] {
		c, err := r.commit(ctx, list[i].ID)
		if err == nil && len(c.parents) < 2 {
			if picked := first(trailers(c.message), trailPick); fullHash.MatchString(picked) {
				c, err = r.commit(ctx, picked)
			}
		}
		// No roll fails because nobody knows that any more.
		if err != nil || len(c.parents) < 2 {
			continue
		}
		if authors, err := r.authors(ctx, c.id, "^"+c.parents[0]); err == nil {
			list[i].Authors = others(list[i], authors[c.id])
		}
	}
}

// others are those of authors that did not write a changeset itself.
func others(c rollcall.Changeset, authors []string) []string {
	return slices.DeleteFunc(authors, func(a string) bool { return a == c.Author+" <"+c.Email+">" })
}

// authors gives, for each merge on the first-parent line of a commit, as far as that is
// listed, who wrote what it brought to the line. A merge itself is nobody's writing.
func (r *Repository) authors(ctx context.Context, tip string, without ...string) (map[string][]string, error) {
	out, err := r.git(ctx, append([]string{"log", "--no-show-signature", "--no-mailmap", "--encoding=UTF-8", "--format=%H%x00%P%x00%an <%ae>", tip}, without...)...)
	if err != nil {
		return nil, err
	}
	type node struct {
		parents []string
		author  string
		seen    bool
	}
	nodes := map[string]*node{}
	for text := range strings.Lines(string(out)) {
		if fields := strings.Split(strings.TrimSuffix(text, "\n"), "\x00"); len(fields) == 3 {
			nodes[fields[0]] = &node{parents: strings.Fields(fields[1]), author: rollcall.Printable(fields[2])}
		}
	}
	var line []string
	for id := tip; nodes[id] != nil; id = nodes[id].parents[0] {
		line, nodes[id].seen = append(line, id), true
		if len(nodes[id].parents) == 0 {
			break
		}
	}
	all := map[string][]string{}
	for _, id := range slices.Backward(line) {
		for next := slices.Clone(nodes[id].parents); len(next) > 0; {
			n := nodes[next[0]]
			next = next[1:]
			if n == nil || n.seen {
				continue
			}
			n.seen = true
			if len(n.parents) < 2 && !slices.Contains(all[id], n.author) {
				all[id] = append(all[id], n.author)
			}
			next = append(next, n.parents...)
		}
	}
	return all, nil
}
