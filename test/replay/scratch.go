package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The branches of the scratch repository.
const (
	trunkBranch      = "trunk"
	productionBranch = "production"
)

// replayed is where the scratch repository has the refs of the one that is replayed, so
// that none of their names is in the way.
const replayed = "refs/replayed/"

// newScratch makes a bare repository that borrows the objects of another one and keeps
// what is written for itself: the replayed repository stays as it is.
func newScratch(ctx context.Context, repo, folder string) (git, error) {
	source := git{dir: repo}
	if _, err := os.Stat(filepath.Join(repo, ".git")); err == nil {
		source.dir = filepath.Join(repo, ".git")
	}
	objects, err := source.line(ctx, "rev-parse", "--path-format=absolute", "--git-path", "objects")
	if err != nil {
		return git{}, fmt.Errorf("%s is no git repository: %w", repo, err)
	}
	refs, err := source.line(ctx, "for-each-ref", "--format=create "+replayed+"%(refname) %(objectname)", "refs/heads", "refs/remotes/origin", "refs/tags")
	if err != nil {
		return git{}, err
	}
	g := git{dir: filepath.Join(folder, "scratch.git")}
	if _, err := g.run(ctx, nil, "init", "-q", "--bare"); err != nil {
		return git{}, err
	}
	if err := os.WriteFile(filepath.Join(g.dir, "objects/info/alternates"), []byte(objects+"\n"), 0o644); err != nil {
		return git{}, err
	}
	for name, value := range map[string]string{"user.name": "Replay", "user.email": "replay@localhost"} {
		if _, err := g.run(ctx, nil, "config", name, value); err != nil {
			return git{}, err
		}
	}
	_, err = g.run(ctx, strings.NewReader(refs+"\n"), "update-ref", "--stdin")
	return g, err
}

// ledger is the stable branch as Rollcall would have kept it.
type ledger struct {
	as map[string]string // for every stable commit the one that stands for it
	// trunk is, for each of those, the newest of the trunk's commits that was promoted by
	// then: what the trunk had for sure.
	trunk map[string]string
}

// writeLedger writes the stable branch once more, commit by commit with the same trees:
// what was promoted stands in trailers, and what was promoted once more was backed out
// before.
func (h *history) writeLedger(ctx context.Context) (*ledger, error) {
	as, trunk := map[string]string{h.fork: h.fork}, map[string]string{h.fork: h.fork}
	last, newest := h.fork, h.fork
	for i, c := range h.stable {
		message := "replayed " + c.ID + "\n\n"
		if p := h.pickedIn[c.ID]; p != nil {
			for _, id := range p.Picks {
				message += "Rollcall-Pick: " + id + "\n"
				newest = h.newer(newest, id)
			}
		}
		for _, id := range h.again(i + 1) {
			message += "Rollcall-Back-Out: " + id + "\n"
			newest = h.newer(newest, id)
		}
		if i == 0 {
			as[c.Parents[0]] = h.fork
		}
		id, err := h.git.line(ctx, "commit-tree", c.Tree, "-p", last, "-m", message)
		if err != nil {
			return nil, err
		}
		as[c.ID], last = id, id
		trunk[id] = newest
	}
	return &ledger{as, trunk}, nil
}

// newer gives the later one of two commits of the trunk.
func (h *history) newer(a, b string) string {
	if h.order[b] > h.order[a] {
		return b
	}
	return a
}

// again gives what the stable commit of a number promotes and what it had already.
func (h *history) again(number int) []string {
	if number >= len(h.stable) || h.pickedIn[h.stable[number].ID] == nil {
		return nil
	}
	var ids []string
	for _, id := range h.pickedIn[h.stable[number].ID].Picks {
		had := h.order[id] <= h.order[h.fork]
		for _, c := range h.stable[:number] {
			p := h.pickedIn[c.ID]
			had = had || p != nil && slices.Contains(p.Picks, id)
		}
		if had {
			ids = append(ids, id)
		}
	}
	return ids
}
