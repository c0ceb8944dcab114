package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// handLimit is how many of the target's commits that nobody picked with Rollcall are
// compared with what is eligible: those before were decided on long ago.
const handLimit = 2000

// judge looks closer at what seems eligible: whether it only brings back what the target
// did itself, and whether somebody has picked it by hand.
func (r *Repository) judge(ctx context.Context, target string, book *book, listed []judged) error {
	if err := r.judgeReflections(ctx, target, listed); err != nil {
		return err
	}
	return r.judgeByHand(ctx, target, book, listed)
}

// judgeReflections finds what was brought from the target to the source.
func (r *Repository) judgeReflections(ctx context.Context, target string, listed []judged) error {
	known := r.reflections()
	kept := len(known)
	var fresh strings.Builder
	for i := range listed {
		s := &listed[i]
		if s.Standing != rollcall.StandEligible {
			continue
		}
		verdict, ok := known[s.ID]
		if !ok {
			var err error
			if verdict, err = r.reflection(ctx, target, s); err != nil {
				return err
			}
			if verdict == "" {
				continue
			}
			known[s.ID] = verdict
			fresh.WriteString(s.ID + " " + verdict + "\n")
		}
		switch verdict {
		case reflects:
			s.Standing = rollcall.StandReflected
		case reflectsAndEdits:
			s.Standing, s.Why = rollcall.StandProbable, "it brings the target's own changes back, with edits of its own"
		}
	}
	if len(known) == kept {
		return nil
	}
	return r.keepReflections(fresh.String())
}

// What is kept of a changeset that brings the target's changes back.
const (
	reflects         = "same"
	reflectsAndEdits = "edited"
)

// reflection tells whether a changeset brings back what target did. Empty: it does not.
func (r *Repository) reflection(ctx context.Context, target string, s *judged) (string, error) {
	if len(s.parents) > 1 {
		for _, parent := range s.parents[1:] {
			if !r.isAncestor(ctx, parent, target) {
				return "", nil
			}
		}
		if len(s.parents) > 2 {
			return reflectsAndEdits, nil
		}
		merged, err := r.mergeTree(ctx, []mergePair{{s.parents[0], s.parents[1]}})
		if err != nil {
			return "", err
		}
		c, err := r.commit(ctx, s.ID)
		if err != nil {
			return "", err
		}
		if merged[0].clean && merged[0].tree == c.tree {
			return reflects, nil
		}
		return reflectsAndEdits, nil
	}
	for _, e := range entries(s.Changeset, s.Message) {
		if !fullHash.MatchString(e.id) {
			continue
		}
		switch e.kind {
		case trailBlock, trailUnblock, trailForget:
			if len(s.Files) == 0 {
				return reflects, nil // it only keeps the other branch's ledger
			}
		case trailBackOut:
			if r.isAncestor(ctx, e.id, target) {
				return reflects, nil // it takes back what the target brought there
			}
		case trailPick:
			if !r.isAncestor(ctx, e.id, target) {
				continue
			}
			ids, err := r.patchIDs(ctx, s.ID, e.id)
			if err != nil {
				return "", err
			}
			if ids[s.ID] == ids[e.id] {
				return reflects, nil
			}
			return reflectsAndEdits, nil
		}
	}
	return "", nil
}

// judgeByHand finds what somebody has brought to the target without saying so.
func (r *Repository) judgeByHand(ctx context.Context, target string, book *book, listed []judged) error {
	byFiles := map[string][]*judged{}
	for i := range listed {
		if s := &listed[i]; s.Standing == rollcall.StandEligible && len(s.Files) > 0 && len(s.parents) < 2 {
			byFiles[filesKey(s.Files)] = append(byFiles[filesKey(s.Files)], s)
		}
	}
	if len(byFiles) == 0 {
		return nil
	}
	type likeness struct {
		hand rollcall.Standee
		s    *judged
	}
	var alike []likeness
	var ids []string
	newest := listed[0].ID
	err := r.eachCommit(ctx, "", func(_ string, c rollcall.Standee) {
		for _, s := range byFiles[filesKey(c.Files)] {
			alike = append(alike, likeness{c, s})
			ids = append(ids, c.ID, s.ID)
		}
	}, "--first-parent", "--no-merges", "--name-only", "--invert-grep", "--grep=^Rollcall-", fmt.Sprintf("--max-count=%d", handLimit), target, "^"+newest)
	if err != nil || len(alike) == 0 {
		return err
	}
	patches, err := r.patchIDs(ctx, ids...)
	if err != nil {
		return err
	}
	taken := book.reverted()
	for _, a := range alike { // the newest first
		if a.s.Standing != rollcall.StandEligible {
			continue
		}
		if id := patches[a.s.ID]; id != "" && id == patches[a.hand.ID] && !slices.ContainsFunc(book.said, func(e entry) bool { return e.id == a.s.ID && !e.evidence }) {
			a.s.Standing, a.s.In, a.s.By, a.s.Why = rollcall.StandProbable, a.hand.ID, a.hand.Author, "its change is the same"
			if by, ok := taken[a.hand.ID]; ok {
				a.s.Standing, a.s.In, a.s.By, a.s.Why = rollcall.StandBackedOut, by.in, by.by, revertedWhy
			}
		}
	}
	return nil
}

func filesKey(files []string) string {
	sorted := slices.Sorted(slices.Values(files))
	return strings.Join(sorted, "\x00")
}

// patchIDs names what each commit changes, wherever it does it.
func (r *Repository) patchIDs(ctx context.Context, ids ...string) (map[string]string, error) {
	slices.Sort(ids)
	list := strings.Join(slices.Compact(ids), "\n") + "\n"
	patches, err := r.gitIn(ctx, list, "log", "--no-walk=unsorted", "--stdin", "-p", "--diff-merges=first-parent", "--no-renames", "--no-color",
		"--no-ext-diff", "--no-textconv", "--no-show-signature", "--format=commit %H", "--full-index", "--binary", "--")
	if err != nil {
		return nil, err
	}
	out, err := r.gitIn(ctx, string(patches), "patch-id", "--stable")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			found[fields[1]] = fields[0]
		}
	}
	return found, nil
}

func (r *Repository) reflectionsFile() string { return filepath.Join(r.dir, "rollcall", "reflections") }

// reflections gives what is kept: a changeset's hash and what it is, a line each. What
// was found once stays so.
func (r *Repository) reflections() map[string]string {
	known := map[string]string{}
	b, err := os.ReadFile(r.reflectionsFile())
	if err != nil {
		return known // it is only there to be quicker
	}
	for line := range bytes.Lines(b) {
		if id, verdict, ok := strings.Cut(strings.TrimSpace(string(line)), " "); ok && (verdict == reflects || verdict == reflectsAndEdits) {
			known[id] = verdict
		}
	}
	return known
}

func (r *Repository) keepReflections(lines string) error {
	file := r.reflectionsFile()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("keep what reflects: %w", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep what reflects: %w", err)
	}
	_, err = f.WriteString(lines)
	return errors.Join(err, f.Close())
}
