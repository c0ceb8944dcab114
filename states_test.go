package rollcall

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// docs/states.md shows the same moves as Steps allows.
func TestStatesPage(t *testing.T) {
	page, err := os.ReadFile("docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	section, _, _ := strings.Cut(string(page), "## A roll")
	shown := map[Step][]Step{}
	for line := range strings.SplitSeq(section, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.HasPrefix(strings.TrimSpace(cells[1]), "-") || strings.TrimSpace(cells[1]) == "step" {
			continue
		}
		moves := []Step{}
		for move := range strings.SplitSeq(cells[2], ",") {
			if move = strings.TrimSpace(move); move != "" {
				moves = append(moves, Step(move))
			}
		}
		shown[Step(strings.TrimSpace(cells[1]))] = moves
	}
	if len(shown) != len(Steps) {
		t.Errorf("the page has %d steps and the code %d", len(shown), len(Steps))
	}
	for step, moves := range Steps {
		if !slices.Equal(slices.Sorted(slices.Values(moves)), slices.Sorted(slices.Values(shown[step]))) {
			t.Errorf("%s: the code allows %v, the page shows %v", step, moves, shown[step])
		}
		for _, to := range moves {
			if _, ok := Steps[to]; !ok {
				t.Errorf("%s leads to %s, which is no step", step, to)
			}
		}
	}
}

// docs/states.md shows every standing of a changeset, and moves between nothing else.
func TestStandingsOnStatesPage(t *testing.T) {
	page, err := os.ReadFile("docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## A changeset")
	section, _, _ = strings.Cut(section, "## A desk")
	var shown []Standing
	for line := range strings.SplitSeq(section, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "-") || strings.TrimSpace(cells[1]) == "standing" {
			continue
		}
		shown = append(shown, Standing(strings.TrimSpace(cells[1])))
		for move := range strings.SplitSeq(cells[2], ",") {
			if to := Standing(strings.TrimSpace(move)); to != "" && !slices.Contains(Standings, to) {
				t.Errorf("%s leads to %s, which is no standing", cells[1], to)
			}
		}
	}
	slices.Sort(shown)
	if all := slices.Sorted(slices.Values(Standings)); !slices.Equal(shown, all) {
		t.Errorf("the page shows %v, the code has %v", shown, all)
	}
}
