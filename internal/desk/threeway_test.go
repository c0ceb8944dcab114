package desk

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-dev/rollcall"
)

func side(text string) *rollcall.ConflictSide {
	return &rollcall.ConflictSide{Type: rollcall.TypeFile, Content: []byte(text)}
}

func TestCompare(t *testing.T) {
	for name, one := range map[string]struct {
		base, production, theirs string
		regions                  []rollcall.ConflictRegion
		marked                   string
	}{
		"one place, and what only theirs changes": {
			"1\n2\n3\n4\n5\n", "1\ntwo\n3\n4\n5\n", "1\nzwei\n3\n4\nfive\nsix\n",
			[]rollcall.ConflictRegion{{Line: 2, Base: []string{"2"}, Production: []string{"two"}, Theirs: []string{"zwei"}}},
			"1\n<<<<<<< live\ntwo\n||||||| before both\n2\n=======\nzwei\n>>>>>>> r7\n3\n4\nfive\nsix\n",
		},
		"what only production changes": {
			"1\n2\n3\n4\n5\n6\n", "one\n2\n3\n4\n5!\n6\n", "1\n2\n3\n4\n5?\n6\n",
			[]rollcall.ConflictRegion{{Line: 5, Base: []string{"5"}, Production: []string{"5!"}, Theirs: []string{"5?"}}},
			"one\n2\n3\n4\n<<<<<<< live\n5!\n||||||| before both\n5\n=======\n5?\n>>>>>>> r7\n6\n",
		},
		"gone on one side": {
			"1\n2\n3\n", "1\n3\n", "1\nzwei\n3\n",
			[]rollcall.ConflictRegion{{Line: 2, Base: []string{"2"}, Production: []string{}, Theirs: []string{"zwei"}}},
			"1\n<<<<<<< live\n||||||| before both\n2\n=======\nzwei\n>>>>>>> r7\n3\n",
		},
		"lines that look like diff3's own, and no last line end": {
			"====\n1:3c\n", "====\n1:3c\nA", "====\n1:3c\nB",
			[]rollcall.ConflictRegion{{Line: 3, Base: []string{}, Production: []string{"A"}, Theirs: []string{"B"}}},
			"====\n1:3c\n<<<<<<< live\nA\n||||||| before both\n=======\nB\n>>>>>>> r7\n",
		},
		"rows of a text that are as wide as markers": {
			"=======\n>>>>>>>> quoted\n1\n", "=======\n>>>>>>>> quoted\n2\n", "=======\n>>>>>>>> quoted\n3\n",
			[]rollcall.ConflictRegion{{Line: 3, Base: []string{"1"}, Production: []string{"2"}, Theirs: []string{"3"}}},
			"=======\n>>>>>>>> quoted\n<<<<<<<<< live\n2\n||||||||| before both\n1\n=========\n3\n>>>>>>>>> r7\n",
		},
		"both the same": {"1\n", "2\n", "2\n", nil, "2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c := rollcall.Conflict{Path: "a", Base: side(one.base), Production: side(one.production), Theirs: side(one.theirs)}
			regions, marked := compare(t.Context(), c, "live", "r7")
			if diff := cmp.Diff(one.regions, regions); diff != "" {
				t.Errorf("regions (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(one.marked, string(marked)); diff != "" {
				t.Errorf("marked (-want +got):\n%s", diff)
			}
		})
	}
	if regions, marked := compare(t.Context(), rollcall.Conflict{Production: side("a\x00"), Theirs: side("b")}, "live", "r7"); regions != nil || marked != nil {
		t.Error("what is no text was compared")
	}
	folder := &rollcall.ConflictSide{Type: rollcall.TypeFolder, Content: []byte("f")}
	if regions, marked := compare(t.Context(), rollcall.Conflict{Production: side("a"), Theirs: folder}, "live", "r7"); regions != nil || marked != nil {
		t.Error("a folder was compared")
	}
}

func FuzzHunks(f *testing.F) {
	f.Add("====\n1:1c\n  a\n2:1,2c\n3:0a\n", "a\n", "b\nc\n", "d\n")
	f.Add("====3\n1:9,4c\n2:0,99999999999999999999c\n3:5a\n", "", "x", "y\n")
	f.Fuzz(func(_ *testing.T, out, a, b, c string) {
		hunks := parseHunks(out)
		texts := [3][]string{{a}, {b}, {c, c}}
		regionsOf(hunks, texts)
		marked(hunks, texts, 7, "x", "y")
	})
}

func TestDecide(t *testing.T) {
	d := &Desk{Code: &rollcall.Code{Name: "www"}, Name: "main", Dir: "desks/www"}
	decide := func(c rollcall.Conflict, take rollcall.Take, content []byte) (rollcall.Resolution, error) {
		return d.decide(c, rollcall.ResolveRequest{Take: take, Content: content})
	}
	c := rollcall.Conflict{Path: "a", Production: side("p\n"), Theirs: &rollcall.ConflictSide{Type: rollcall.TypeExecutable, Content: []byte("<<<<<<< t\n")}}
	if r, err := decide(c, rollcall.TakeTheirs, nil); err != nil || string(r.Content) != "<<<<<<< t\n" || r.Type != rollcall.TypeExecutable || r.Of != c.Fingerprint() {
		t.Errorf("theirs: %+v, %v", r, err)
	}
	if r, err := decide(c, rollcall.TakeFile, []byte("x\n<<<<<<< t\n")); err != nil || r.Type != rollcall.TypeExecutable {
		t.Errorf("a line that stands there anyway: %+v, %v", r, err)
	}
	if _, err := decide(c, rollcall.TakeFile, []byte("x\n>>>>>>> r7\n")); rollcall.KindOf(err) != rollcall.KindRefused {
		t.Errorf("a marker: %v", err)
	}
	c.Theirs = &rollcall.ConflictSide{Type: rollcall.TypeFolder, Content: []byte("f")}
	if r, err := decide(c, rollcall.TakeTheirs, nil); err != nil || r.Type != rollcall.TypeFolder {
		t.Errorf("a folder: %+v, %v", r, err)
	}
	if r, err := decide(c, rollcall.TakeFile, []byte("x\n")); err != nil || r.Type != rollcall.TypeFile {
		t.Errorf("a file in a folder's place: %+v, %v", r, err)
	}
	c.Production = nil
	if r, err := decide(c, rollcall.TakeProduction, nil); err != nil || !r.Delete {
		t.Errorf("nothing: %+v, %v", r, err)
	}
	if _, err := decide(c, "mine", nil); rollcall.KindOf(err) != rollcall.KindInvalid {
		t.Errorf("mine: %v", err)
	}
}

// What was edited is refused while any of the markers that it began with is left.
func TestDecideEdited(t *testing.T) {
	d := &Desk{Code: &rollcall.Code{Name: "www"}, Name: "main", Dir: "desks/www"}
	for _, one := range []struct {
		theirs, text string
		left         bool
	}{
		{"t\n", "x\n=======\r\n", true},
		{"t\n", "x\n<<<<<<<\n", true},
		{"t\n", "||||||| before both\n", true},
		{"t\n", "========\n<<<<<<<x\n", false}, // a heading, and no marker
		{"<<<<<<< t\n", "<<<<<<< t\n", false},  // it stands there anyway
		{"=======\n", "=======\n", false},
		{"=======\n", "=======\n========\n", true}, // they were made wider than it
		{"=======\n", ">>>>>>> a tool's\n", true},
	} {
		c := rollcall.Conflict{Path: "a.txt", Production: side("p\n"), Theirs: side(one.theirs)}
		r, err := d.decide(c, rollcall.ResolveRequest{Take: rollcall.TakeFile, Content: []byte(one.text), Edited: true})
		if !one.left && (err != nil || string(r.Content) != one.text) {
			t.Errorf("%q: %q, %v", one.text, r.Content, err)
		}
		if one.left && (rollcall.KindOf(err) != rollcall.KindRefused || !strings.Contains(rollcall.HintOf(err), "desks/www/drafts/main/"+c.Fingerprint()+"/merged.txt")) {
			t.Errorf("%q: %v, hint %s", one.text, err, rollcall.HintOf(err))
		}
	}
}
