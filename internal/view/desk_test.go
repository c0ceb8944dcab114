package view

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
)

func TestDesks(t *testing.T) {
	var out bytes.Buffer
	p := &Printer{Out: &out, Err: &out}
	err := p.Desks([]rollcall.DeskState{{
		Code: "www", Desk: "main", By: "bo", Over: "ada", Since: time.Unix(0, 0), Source: "trunk", Target: "production", Merged: 1,
		Steps: []rollcall.DeskStep{{Kind: rollcall.StepPick, ID: "r5"}},
	}})
	if err != nil || !strings.Contains(out.String(), ", taken over from ada, trunk → production, merged") {
		t.Errorf("%s, %v", out.String(), err)
	}
}

func TestConflicts(t *testing.T) {
	side := func(kind rollcall.EntryType, text string) *rollcall.ConflictSide {
		return &rollcall.ConflictSide{Type: kind, Content: []byte(text)}
	}
	by := rollcall.Changeset{ID: "r7", Author: "Cy"}
	views := []rollcall.ConflictView{
		{Conflict: rollcall.Conflict{Path: "gone", Words: "w", Theirs: side(rollcall.TypeFile, "four")}, Target: "production", TheirsBy: by},
		{Conflict: rollcall.Conflict{Path: "gone\x1b", Words: "w", Theirs: side(rollcall.TypeLink, "x")}, Target: "production", TheirsBy: by, Production: &by},
		{Conflict: rollcall.Conflict{Path: "docs", Words: "w", Production: side(rollcall.TypeFolder, "")}, Target: "production", TheirsBy: by},
		{Conflict: rollcall.Conflict{Path: "b", Property: "color", Words: "w", Production: side(0, "blue\ngreen\n")}, Target: "production", TheirsBy: by, Production: &by},
	}
	for _, c := range []struct {
		whole bool
		want  string
	}{
		{false, `gone: w
  production: nothing there
  theirs: r7 by Cy
gone�: w
  production: nothing there, last changed in r7 by Cy
  theirs: r7 by Cy
docs: w
  production: a folder
  theirs: r7 by Cy
b (property color): w
  production: last changed in r7 by Cy
  theirs: r7 by Cy
`},
		{true, `gone: w
  production: nothing there
  r7 by Cy: 4 B
gone�: w
  production, last changed in r7 by Cy: nothing there
  r7 by Cy: a link to x
docs: w
  production: a folder
  r7 by Cy: nothing there
b (property color): w
    before both
      │ (nothing)
    production, last changed in r7 by Cy
      │ blue
      │ green
    r7 by Cy
      │ (nothing)
`},
	} {
		var out bytes.Buffer
		(&Printer{Out: &out, Err: &out}).Conflicts(views, c.whole)
		if out.String() != c.want {
			t.Errorf("whole %v:\n%s", c.whole, out.String())
		}
	}
}

func TestTable(t *testing.T) {
	var rows table
	rows.add("r1", "Ada", "one")
	rows.add("and 21 more")
	if got := strings.Join(rows.lines(), "|"); got != "r1  Ada  one|and 21 more" {
		t.Errorf("the rows are %q", got)
	}
}

func TestPreparedIsNotTold(t *testing.T) {
	var out bytes.Buffer
	p := &Printer{Out: &out, Err: &out, JSON: true}
	begun := &rollcall.Committing{Prepared: "internal", Tree: "t"}
	state := rollcall.DeskState{Code: "www", Committing: begun}
	if err := p.Desks([]rollcall.DeskState{state}); err != nil {
		t.Fatal(err)
	}
	if err := p.DeskOutcome("desk.committed", &rollcall.DeskOutcome{DeskState: state}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "internal") || strings.Count(out.String(), `"tree":"t"`) != 2 || begun.Prepared == "" {
		t.Errorf("%s", out.String())
	}
}
