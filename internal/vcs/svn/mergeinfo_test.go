package svn

import (
	"testing"

	"pgregory.net/rapid"
)

func TestMergeinfo(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "",
		"/trunk:1-500,510":                "/trunk:1-500,510",
		"/trunk:5,4,1-3":                  "/trunk:1-5",
		"/trunk:1-5,10*":                  "/trunk:1-5,10*",
		"/trunk:10*,1-10":                 "/trunk:1-10",
		"/trunk:1-20*,5":                  "/trunk:1-4*,5,6-20*",
		"/b:1\n/a:2":                      "/a:2\n/b:1",
		"/a:1\n/a:2":                      "/a:1-2",
		"/branches/a:b/ü b:7\r\n/trunk:9": "/branches/a:b/ü b:7\n/trunk:9",
		"/trunk:":                         "",
		"/trunk/:3":                       "/trunk:3",
	} {
		m, err := parseMergeinfo(text)
		if err != nil || m.String() != want {
			t.Errorf("%q is %q, %v, want %q", text, m, err, want)
		}
	}
	for _, text := range []string{"trunk:1", "/trunk", "/trunk:x", "/trunk:-1", "/trunk:5-3", "/trunk:1,,2", "/trunk:+1", "/trunk:99999999999", "/trunk:1-"} {
		if m, err := parseMergeinfo(text); err == nil {
			t.Errorf("%q is %q", text, m)
		}
	}
}

func TestMergeinfoDifference(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"/t:1-10", "/t:3-4,7", "/t:1-2,5-6,8-10"},
		{"/t:1-10", "/t:1-20", ""},
		{"/t:1-3", "/u:1-3", "/t:1-3"},
		{"/t:5", "/t:5*", "/t:5"},
		{"/t:5*", "/t:5", ""},
		{"/t:5*", "/t:5*", ""},
		{"/t:4-6*", "/t:5", "/t:4*,6*"},
	} {
		a, _ := parseMergeinfo(c.a)
		b, _ := parseMergeinfo(c.b)
		if got := a.without(b).String(); got != c.want {
			t.Errorf("%s without %s is %q, want %q", c.a, c.b, got, c.want)
		}
	}
}

// The algebra is held against sets of single revisions.
func TestMergeinfoAlgebra(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) spans {
		var s spans
		for range rapid.IntRange(0, 6).Draw(t, "n") {
			from := rapid.Int64Range(1, 30).Draw(t, "from")
			s = append(s, span{from, from + rapid.Int64Range(0, 8).Draw(t, "length"), rapid.Bool().Draw(t, "partial")})
		}
		return s.normal()
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		union, rest := a.union(b), a.without(b)
		for n := int64(0); n < 45; n++ {
			inA, partA := a.find(n)
			inB, partB := b.find(n)
			in, part := union.find(n)
			if in != (inA || inB) || in && part == (inA && !partA || inB && !partB) {
				t.Fatalf("%s and %s make %s at %d", a, b, union, n)
			}
			if in, _ := rest.find(n); in != (inA && !inB) {
				t.Fatalf("%s without %s is %s at %d", a, b, rest, n)
			}
		}
		for _, s := range []spans{union, rest} {
			if again, err := parseSpans(s.String()); err != nil || again.String() != s.String() {
				t.Fatalf("%s is read as %s, %v", s, again, err)
			}
		}
	})
}

func FuzzMergeinfo(f *testing.F) {
	for _, text := range []string{"/trunk:1-500,510", "/a:1*,2-3*\n/b:c:9", "/trunk:", ":1", "/:1", "/x:2147483647"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMergeinfo(text)
		if err != nil {
			return
		}
		again, err := parseMergeinfo(m.String())
		if err != nil || again.String() != m.String() {
			t.Errorf("%q is %q, and read again %q, %v", text, m, again, err)
		}
		if left := m.without(m); len(left) != 0 {
			t.Errorf("%q without itself is %q", text, left)
		}
	})
}
