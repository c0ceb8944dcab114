package main

import (
	"context"
	"slices"
	"time"
)

// verdict is what a prediction came to beside what was made.
type verdict string

const (
	sameTree    verdict = "clean, the same tree"
	sameBeside  verdict = "clean, the same but for paths beside"
	otherTree   verdict = "clean, another tree"
	byHand      verdict = "conflict, resolved by hand"
	wouldApply  verdict = "conflict, would have applied"
	noPredicted verdict = "no prediction"
)

var verdicts = []verdict{sameTree, sameBeside, byHand, otherTree, wouldApply, noPredicted}

func (v verdict) agrees() bool { return v == sameTree || v == sameBeside || v == byHand }

// judged is one promotion with what was predicted of it.
type judged struct {
	Number  int      `json:"number"`
	ID      string   `json:"id"`
	Subject string   `json:"subject"`
	Picks   []string `json:"picks"`
	Verdict verdict  `json:"verdict"`
	// Plain tells that the patches alone, by git apply, give what was made.
	Plain bool `json:"plain"`
	// Loose tells of a conflict resolved by hand that the patches give what was made there
	// when only one line of their context must be as it was.
	Loose     bool     `json:"loose,omitempty"`
	Conflicts []string `json:"conflicts,omitempty"`
	At        string   `json:"conflict_at,omitempty"`
	Causes    []cause  `json:"causes,omitempty"`
	Error     string   `json:"error,omitempty"`
	// Needs are the changesets named beside those that production has.
	Needs   []string      `json:"needs,omitempty"`
	Seconds float64       `json:"seconds"`
	took    time.Duration // of the prediction alone
}

// judge predicts one promotion and compares. base is the revision that production is at.
func (h *history) judge(ctx context.Context, e engine, p *promotion, base string, o options, scratch string) (judged, error) {
	j := judged{Number: p.Number, ID: p.ID, Subject: p.subject(), Picks: p.Picks}
	plain, err := h.patched(ctx, p.Before, p.Picks, nil, allContext, scratch)
	if err != nil {
		return j, err
	}
	if plain != "" {
		differ, err := h.differing(ctx, plain, p.Tree, o.beside)
		if err != nil {
			return j, err
		}
		j.Plain = len(differ) == 0
	}
	begun := time.Now()
	predicted, err := e.Predict(ctx, base, p.Picks)
	j.took = time.Since(begun)
	j.Seconds = j.took.Seconds()
	switch {
	case err != nil:
		j.Verdict, j.Error = noPredicted, err.Error()
		j.Causes = []cause{{Kind: causeError}}
		return j, ctx.Err()
	case len(predicted.Conflicts) > 0:
		j.Conflicts, j.At = predicted.Conflicts, predicted.At
		return j, h.judgeConflict(ctx, p, &j, scratch)
	}
	return j, h.judgeClean(ctx, p, &j, predicted.Tree, o)
}

func (h *history) judgeClean(ctx context.Context, p *promotion, j *judged, predicted string, o options) error {
	if predicted == p.Tree {
		j.Verdict = sameTree
		return nil
	}
	differ, err := h.differing(ctx, predicted, p.Tree, o.beside)
	if err != nil {
		return err
	}
	if len(differ) == 0 {
		j.Verdict = sameBeside
		return nil
	}
	j.Verdict = otherTree
	j.Causes, err = h.causesOf(ctx, p, predicted, differ)
	return err
}

// judgeConflict asks whether there was anything to resolve: a conflict was none where the
// patches, applied by git apply to the paths in conflict, give what was made of them.
func (h *history) judgeConflict(ctx context.Context, p *promotion, j *judged, scratch string) error {
	none := j.Plain
	var err error
	if !none {
		if none, err = h.patchGivesMade(ctx, p, j.Conflicts, allContext, scratch); err != nil {
			return err
		}
	}
	if none {
		j.Verdict = wouldApply
		j.Causes = []cause{{causeApplies, j.Conflicts}}
		return nil
	}
	j.Verdict = byHand
	j.Loose, err = h.patchGivesMade(ctx, p, j.Conflicts, littleContext, scratch)
	return err
}

// patchGivesMade tells whether the patches of a promotion give what was made of some paths.
func (h *history) patchGivesMade(ctx context.Context, p *promotion, paths []string, contextLines, scratch string) (bool, error) {
	picked, err := h.touched(ctx, p.Picks)
	if err != nil || !slices.ContainsFunc(paths, func(path string) bool { return picked[path] }) {
		return false, err
	}
	tree, err := h.patched(ctx, p.Before, p.Picks, paths, contextLines, scratch)
	if err != nil || tree == "" {
		return false, err
	}
	for _, path := range paths {
		if h.blob(ctx, tree, path) != h.blob(ctx, p.Tree, path) {
			return false, nil
		}
	}
	return true, nil
}
