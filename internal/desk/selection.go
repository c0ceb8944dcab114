package desk

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// All selects everything that is eligible.
const All = "all"

var (
	number     = regexp.MustCompile(`^r?[0-9]+$`)
	hashPrefix = regexp.MustCompile(`^[0-9a-f]{4,64}$`)
	rangeText  = regexp.MustCompile(`^(r?[0-9a-f]+)(?:-|:|\.\.)(r?[0-9a-f]+)$`)
)

// choice finds changesets among those of a branch, by what people call them.
type choice struct {
	listed []rollcall.Standee // newest first
	code   string
}

// one finds the changeset that a text names.
func (c choice) one(text string) (*rollcall.Standee, error) {
	var found *rollcall.Standee
	for i := range c.listed {
		s := &c.listed[i]
		switch {
		case s.ID == text, number.MatchString(text) && s.ID == "r"+strings.TrimPrefix(text, "r"):
			return s, nil
		case hashPrefix.MatchString(text) && strings.HasPrefix(s.ID, text):
			if found != nil {
				return nil, rollcall.Errorf(rollcall.KindInvalid, "%s names several changesets", text).WithHint("give more of the hash")
			}
			found = s
		}
	}
	if found == nil {
		return nil, rollcall.Errorf(rollcall.KindNotFound, "there is no changeset %q that could be merged", rollcall.Printable(text)).
			WithHint("see rollcall avail %s", c.code)
	}
	return found, nil
}

// through is one, but for what people read in plans and in the log too: the target's own
// revisions, for the changeset that such a one brought.
func (c choice) through(text string) (*rollcall.Standee, error) {
	one, err := c.one(text)
	if rollcall.KindOf(err) != rollcall.KindNotFound {
		return one, err
	}
	var brought []*rollcall.Standee
	for i := range c.listed {
		if in := c.listed[i].In; in == text || number.MatchString(text) && in == "r"+strings.TrimPrefix(text, "r") || hashPrefix.MatchString(text) && strings.HasPrefix(in, text) {
			brought = append(brought, &c.listed[i])
		}
	}
	switch len(brought) {
	case 0:
		return nil, err
	case 1:
		return brought[0], nil
	}
	var ids []string
	for _, s := range slices.Backward(brought) {
		ids = append(ids, s.Short())
	}
	return nil, rollcall.Errorf(rollcall.KindInvalid, "%s stands for several changesets: %s", text, few(ids)).WithHint("name those that are meant")
}

// Find finds the changeset that a text names, among those of a branch.
func Find(listed []rollcall.Standee, text string) (*rollcall.Standee, error) {
	return choice{listed: listed}.one(text)
}

// chosen are those that a selection names, in the order of the branch, oldest first.
func (c choice) chosen(selection rollcall.ChangesetSelection) ([]rollcall.Standee, error) {
	in := map[string]bool{}
	for _, text := range selection.Texts {
		if err := c.choose(text, in); err != nil {
			return nil, err
		}
	}
	filtered := len(selection.Tickets)+len(selection.Authors) > 0
	var all []rollcall.Standee
	for _, s := range slices.Backward(c.listed) {
		matches := filtered && Matches(s.Changeset, selection.Tickets, selection.Authors)
		switch {
		case in[s.ID] && (!filtered || matches):
			all = append(all, s)
		case len(selection.Texts) == 0 && matches && s.Standing == rollcall.StandEligible:
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil, rollcall.Errorf(rollcall.KindNotFound, "nothing that is eligible is so selected").WithHint("see rollcall avail %s", c.code)
	}
	return all, nil
}

func (c choice) choose(text string, in map[string]bool) error {
	if text == All {
		for _, s := range c.listed {
			if s.Standing == rollcall.StandEligible {
				in[s.ID] = true
			}
		}
		return nil
	}
	if ends := rangeText.FindStringSubmatch(text); ends != nil {
		return c.chooseRange(text, ends[1], ends[2], in)
	}
	s, err := c.one(text)
	if err != nil {
		return err
	}
	in[s.ID] = true
	return nil
}

// chooseRange takes what is eligible between two changesets, both with it.
func (c choice) chooseRange(text, from, to string, in map[string]bool) error {
	if number.MatchString(from) && number.MatchString(to) && len(c.listed) > 0 && number.MatchString(c.listed[0].ID) {
		first, last := revisionNumber(from), revisionNumber(to)
		for _, s := range c.listed {
			if n := revisionNumber(s.ID); s.Standing == rollcall.StandEligible && n >= min(first, last) && n <= max(first, last) {
				in[s.ID] = true
			}
		}
		return nil
	}
	first, err := c.one(from)
	if err != nil {
		return err
	}
	last, err := c.one(to)
	if err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	at := func(id string) int {
		return slices.IndexFunc(c.listed, func(s rollcall.Standee) bool { return s.ID == id })
	}
	a, b := at(first.ID), at(last.ID)
	for _, s := range c.listed[min(a, b) : max(a, b)+1] {
		if s.Standing == rollcall.StandEligible {
			in[s.ID] = true
		}
	}
	return nil
}

func revisionNumber(text string) int64 {
	n, _ := strconv.ParseInt(strings.TrimPrefix(text, "r"), 10, 64)
	return n
}

// Matches tells whether a changeset is for one of the tickets and by one of the authors,
// as far as any are named.
func Matches(c rollcall.Changeset, tickets, authors []string) bool {
	byTicket := len(tickets) == 0 || slices.ContainsFunc(tickets, func(t string) bool {
		return slices.Contains(c.Tickets, strings.TrimPrefix(t, "#"))
	})
	return byTicket && (len(authors) == 0 || slices.ContainsFunc(authors, c.WrittenBy))
}

// ordered sorts steps: what is taken back comes first, the newest before the older; then
// what is picked, in the order of its branch.
func ordered(steps []rollcall.DeskStep, listed []rollcall.Standee) {
	at := make(map[string]int, len(listed)) // newest first
	for i, s := range listed {
		at[s.ID] = i
	}
	rank := func(s rollcall.DeskStep) int {
		i, ok := at[s.ID]
		if !ok {
			i = len(listed) // older than all that is listed
		}
		if s.Kind == rollcall.StepBackOut {
			return i - 2*len(listed) - 2
		}
		return -i
	}
	slices.SortStableFunc(steps, func(a, b rollcall.DeskStep) int { return cmp.Compare(rank(a), rank(b)) })
}
