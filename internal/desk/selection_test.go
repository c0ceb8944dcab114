package desk

import (
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

// listing makes changesets, the newest first: "r7 bo #88 blocked".
func listing(lines ...string) []rollcall.Standee {
	var all []rollcall.Standee
	for _, line := range lines {
		s := rollcall.Standee{Standing: rollcall.StandEligible}
		for i, word := range strings.Fields(line) {
			switch {
			case i == 0:
				s.ID = word
			case strings.HasPrefix(word, "#"):
				s.Tickets = append(s.Tickets, word[1:])
			case i == 1:
				s.Author = word
			default:
				s.Standing = rollcall.Standing(word)
			}
		}
		all = append(all, s)
	}
	return all
}

func TestChosen(t *testing.T) {
	svn := listing("r12 Cy #9", "r11 Bo #88", "r9 Ada #88 backed-out", "r7 Bo blocked", "r5 Ada #88")
	git := listing("cccc111122 Cy", "bbbb111122 Bo", "aaaa111122 Ada", "aaaa999922 Ada")
	for _, one := range []struct {
		listed  []rollcall.Standee
		texts   string
		tickets string
		authors string
		want    string // or the kind of the error
	}{
		{svn, "r11 5", "", "", "r5 r11"},
		{svn, "all", "", "", "r5 r11 r12"},
		{svn, "r5-r11", "", "", "r5 r11"},
		{svn, "12:1", "", "", "r5 r11 r12"},
		{svn, "r9", "", "", "r9"},
		{svn, "r7", "", "", "r7"}, // that it is blocked is said by whoever merges
		{svn, "r6", "", "", "not_found"},
		{svn, "", "#88", "", "r5 r11"},
		{svn, "", "88", "b", "r11"},
		{svn, "all", "88", "", "r5 r11"},
		{svn, "", "7", "", "not_found"},
		{svn, "HEAD", "", "", "not_found"},
		{git, "bbbb", "", "", "bbbb111122"},
		{git, "aaaa", "", "", "invalid"},
		{git, "aaaa1", "", "", "aaaa111122"},
		{git, "bbb", "", "", "not_found"},
		{git, "aaaa1..cccc", "", "", "aaaa111122 bbbb111122 cccc111122"},
		{git, "cccc-aaaa9", "", "", "aaaa999922 aaaa111122 bbbb111122 cccc111122"},
		{git, "aaaa1..dddd", "", "", "not_found"},
		{nil, "all", "", "", "not_found"},
	} {
		selection := rollcall.ChangesetSelection{Texts: strings.Fields(one.texts), Tickets: strings.Fields(one.tickets), Authors: strings.Fields(one.authors)}
		got, err := choice{one.listed, "www"}.chosen(selection)
		var ids []string
		for _, s := range got {
			ids = append(ids, s.ID)
		}
		text := strings.Join(ids, " ")
		if err != nil {
			text = string(rollcall.KindOf(err))
		}
		if text != one.want {
			t.Errorf("%q %q %q is %q, not %q", one.texts, one.tickets, one.authors, text, one.want)
		}
	}
}

// What is taken back comes first, the newest before the older; then the rest in order.
func TestOrdered(t *testing.T) {
	listed := listing("r9 A", "r7 A", "r5 A", "r3 A")
	steps := []rollcall.DeskStep{
		{Kind: rollcall.StepPick, ID: "r9"},
		{Kind: rollcall.StepBackOut, ID: "r3"},
		{Kind: rollcall.StepPick, ID: "r5"},
		{Kind: rollcall.StepBackOut, ID: "r7"},
		{Kind: rollcall.StepBackOut, ID: "r1"},
	}
	ordered(steps, listed)
	var ids []string
	for _, s := range steps {
		ids = append(ids, s.ID)
	}
	if got := strings.Join(ids, " "); got != "r7 r3 r1 r5 r9" {
		t.Errorf("in the order %s", got)
	}
}
