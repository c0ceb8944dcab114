package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// commit is one first-parent commit of a branch.
type commit struct {
	ID, Tree string
	Parents  []string
	Message  string
}

func (c commit) subject() string {
	subject, _, _ := strings.Cut(c.Message, "\n")
	return subject
}

// promotion is a commit of the stable branch that brings changesets of the trunk.
type promotion struct {
	commit
	Number int
	Before string   // the tree that was production before
	Picks  []string // full ids, in the trunk's order
}

// exclusion is a commit of the stable branch that is not judged, and why.
type exclusion struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
	Why     string `json:"why,omitempty"`
}

// history is what was read of a repository: the truth, as far as messages tell it.
type history struct {
	git        git
	trunkTip   string
	fork       string // where stable and trunk parted
	from, to   string // what lies behind from, up to to
	stable     []commit
	promotions []promotion
	unmarked   []exclusion // say nothing of a pick: no promotions
	excluded   []exclusion
	// pickedIn gives, for a stable commit, what it promoted.
	pickedIn map[string]*promotion
	order    map[string]int    // of the trunk's commits, oldest first
	subject  map[string]string // of the trunk's commits
	revision map[int]string    // of the trunk's Subversion numbers
}

func readHistory(ctx context.Context, g git, o options) (*history, error) {
	h := &history{git: g, pickedIn: map[string]*promotion{}, order: map[string]int{}, subject: map[string]string{}, revision: map[int]string{}}
	var err error
	if h.trunkTip, err = g.revision(ctx, o.trunk); err != nil {
		return nil, err
	}
	stableTip, err := g.revision(ctx, o.stable)
	if err != nil {
		return nil, err
	}
	if err := h.readTrunk(ctx); err != nil {
		return nil, err
	}
	if h.fork, err = h.parting(ctx, stableTip); err != nil {
		return nil, fmt.Errorf("%s and %s have no common history: %w", o.stable, o.trunk, err)
	}
	h.from, h.to = h.fork, stableTip
	if o.from != "" {
		if h.from, err = g.revision(ctx, o.from); err != nil {
			return nil, err
		}
	}
	if o.to != "" {
		if h.to, err = g.revision(ctx, o.to); err != nil {
			return nil, err
		}
	}
	// All of the stable branch is read, so that what was promoted before the range is known.
	if h.stable, err = h.commits(ctx, h.fork+".."+h.to); err != nil {
		return nil, err
	}
	inRange, err := g.line(ctx, "rev-list", "--first-parent", h.from+".."+h.to)
	if err != nil {
		return nil, err
	}
	judged := map[string]bool{}
	for _, id := range strings.Fields(inRange) {
		judged[id] = true
	}
	h.sort(ctx, o.read, judged)
	return h, nil
}

// parting is the newest first-parent commit of the stable branch that the trunk has too:
// not their merge base, which is a later one where the trunk was merged since.
func (h *history) parting(ctx context.Context, stable string) (string, error) {
	ids, err := h.git.line(ctx, "rev-list", "--first-parent", stable)
	if err != nil {
		return "", err
	}
	for id := range strings.FieldsSeq(ids) {
		if _, ok := h.order[id]; ok {
			return id, nil
		}
	}
	return h.git.line(ctx, "merge-base", h.trunkTip, stable)
}

// commits lists first-parent commits, oldest first.
func (h *history) commits(ctx context.Context, what string) ([]commit, error) {
	fields, err := h.git.fields(ctx, "log", "-z", "--first-parent", "--reverse", "--format=%H%x00%T%x00%P%x00%B", what)
	if err != nil {
		return nil, err
	}
	var all []commit
	for f := range slices.Chunk(fields, 4) {
		if len(f) < 4 {
			return nil, fmt.Errorf("git log %s: a message holds a NUL", what)
		}
		all = append(all, commit{ID: f[0], Tree: f[1], Parents: strings.Fields(f[2]), Message: f[3]})
	}
	return all, nil
}

var svnLine = regexp.MustCompile(`(?m)^git-svn-id: \S+@(\d+) `)

func (h *history) readTrunk(ctx context.Context) error {
	all, err := h.commits(ctx, h.trunkTip)
	if err != nil {
		return err
	}
	for i, c := range all {
		h.order[c.ID], h.subject[c.ID] = i, c.subject()
		// The last line is git's own; those above may be copied.
		if m := svnLine.FindAllStringSubmatch(c.Message, -1); m != nil {
			if number, err := strconv.Atoi(m[len(m)-1][1]); err == nil {
				h.revision[number] = c.ID
			}
		}
	}
	return nil
}

// sort says of every stable commit what it is: a promotion, no promotion, or excluded.
func (h *history) sort(ctx context.Context, read func(string) ([]string, string), judged map[string]bool) {
	for _, c := range h.stable {
		names, why := read(c.Message)
		var picks []string
		if why == "" && len(names) > 0 {
			picks, why = h.resolve(ctx, names)
		}
		if why == "" && len(names) == 0 && len(c.Parents) > 1 && judged[c.ID] {
			why = h.besideFirstParent(ctx, c, read)
		}
		e := exclusion{ID: c.ID, Subject: c.subject(), Why: why}
		switch {
		case why == "" && len(names) == 0:
			if judged[c.ID] {
				h.unmarked = append(h.unmarked, e)
			}
		case why != "":
			if judged[c.ID] {
				h.excluded = append(h.excluded, e)
			}
		default:
			p := promotion{commit: c, Picks: picks}
			if judged[c.ID] {
				p.Number = len(h.promotions) + 1
			}
			// A first-parent commit behind the fork always has a parent.
			p.Before, _ = h.git.line(ctx, "rev-parse", c.Parents[0]+"^{tree}")
			h.pickedIn[c.ID] = &p
			if judged[c.ID] {
				h.promotions = append(h.promotions, p)
			}
		}
	}
}

// besideFirstParent tells whether promotions were made on a branch that was merged.
func (h *history) besideFirstParent(ctx context.Context, c commit, read func(string) ([]string, string)) string {
	messages, err := h.git.fields(ctx, "log", "-z", "--format=%B", c.ID, "^"+c.Parents[0], "^"+h.trunkTip)
	if err != nil {
		return err.Error()
	}
	for _, message := range messages {
		if names, _ := read(message); len(names) > 0 {
			return "merges promotions that were made on another branch"
		}
	}
	return ""
}

// resolve finds the trunk's commits that marks name, and puts them into the trunk's order.
func (h *history) resolve(ctx context.Context, names []string) (picks []string, why string) {
	for _, name := range names {
		var found []string
		if strings.HasPrefix(name, "r") {
			first, last, err := svnNumbers(name)
			if err != nil {
				return nil, err.Error()
			}
			for number := first; number <= last && number-first < 10000; number++ {
				if id, ok := h.revision[number]; ok {
					found = append(found, id)
				}
			}
		} else if id, err := h.git.commit(ctx, name); err != nil {
			return nil, fmt.Sprintf("names %s, which is not in the repository", name)
		} else if _, ok := h.order[id]; ok {
			found = append(found, id)
		}
		if len(found) == 0 {
			return nil, fmt.Sprintf("names %s, which is no first-parent commit of the trunk", name)
		}
		for _, id := range found {
			if !slices.Contains(picks, id) {
				picks = append(picks, id)
			}
		}
	}
	slices.SortFunc(picks, func(a, b string) int { return h.order[a] - h.order[b] })
	return picks, ""
}
