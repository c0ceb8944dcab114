package desk

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// What was stored by the first version is read by every later one.
func TestStoredEvents(t *testing.T) {
	b, err := os.ReadFile("testdata/events-1.json")
	if err != nil {
		t.Fatal(err)
	}
	var events []rollcall.Event
	if err := json.Unmarshal(b, &events); err != nil {
		t.Fatal(err)
	}
	state := &rollcall.DeskState{Code: "www", Desk: "main"}
	at := func(n int) *rollcall.DeskState {
		for int64(n) > state.Seq {
			e := events[state.Seq]
			e.Seq = state.Seq + 1
			e.At = time.Unix(e.Seq, 0)
			if err := apply(state, e); err != nil {
				t.Fatal(err)
			}
		}
		return state
	}
	if s := at(2); !s.Open() || s.By != "ada" || s.Clean() || s.Merged != 1 || s.Tree != "t1" || len(s.Conflict) != 1 || s.Conflict[0].Path != "css/a.css" || s.Base.ID != "r9" {
		t.Errorf("merged: %+v", s)
	}
	if s := at(4); s.By != "bo" || s.Over != "ada" || !s.Since.Equal(time.Unix(3, 0)) || len(s.Resolved) != 1 || s.Resolved[0].Hash != "h1" || s.Resolved[0].Take != rollcall.TakeFile || s.Resolved[0].Of != "f1" {
		t.Errorf("taken over and resolved: %+v", s)
	}
	if s := at(7); !s.Clean() || s.Checked == nil || !s.Checked.Passed || s.Checked.Tree != "t2" || len(s.Resolved) != 1 {
		t.Errorf("checked: %+v", s)
	}
	if s := *at(7); len(s.Decisions()) != 1 {
		t.Errorf("decided: %+v", s.Decisions())
	} else {
		dropped := rollcall.NewEvent(rollcall.EventDeskSelected, selected{By: "bo", Steps: s.Steps[:1]})
		dropped.Seq = s.Seq
		if err := apply(&s, dropped); err != nil || len(s.Resolved) > 0 {
			t.Errorf("what was decided for a step that is gone: %+v, %v", s.Resolved, err)
		}
	}
	if s := at(8); s.Committing == nil || s.Committing.Prepared != "p" || s.Committing.Commit.Token != "x" {
		t.Errorf("committing: %+v", s)
	}
	if s := at(9); s.Committing != nil || !s.Open() {
		t.Errorf("uncommitted: %+v", s)
	}
	if s := at(11); s.Open() || s.By != "" || s.Over != "" || s.Resolved != nil || s.Seq != 11 {
		t.Errorf("committed: %+v", s)
	}
}

// Who is refused a desk that was taken over hears from whom.
func TestTakenOver(t *testing.T) {
	state := &rollcall.DeskState{By: "bo", Over: "ada", Since: time.Now(), Steps: []rollcall.DeskStep{{Kind: rollcall.StepPick, ID: "r5"}}}
	s := &session{Desk: &Desk{Code: &rollcall.Code{Name: "www"}, Name: "main", By: "cy"}, state: state}
	if err := s.claim(t.Context(), false); rollcall.KindOf(err) != rollcall.KindConflict || !strings.Contains(err.Error(), ", taken over from ada, with r5 on it") {
		t.Errorf("claim = %v", err)
	}
}
