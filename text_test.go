package rollcall

import "testing"

func TestPlural(t *testing.T) {
	for n, want := range map[int]string{0: "0 nodes were", 1: "1 node was", 2: "2 nodes were"} {
		if got := Plural(n, "node was", "nodes were"); got != want {
			t.Errorf("Plural(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestNamesOf(t *testing.T) {
	for _, c := range []struct {
		want  string
		names []string
	}{
		{"there is no code", nil},
		{"the only code is www", []string{"www"}},
		{"the codes are dns and www", []string{"dns", "www"}},
		{"the codes are apache, dns and www", []string{"apache", "dns", "www"}},
	} {
		if got := NamesOf("code", "codes", c.names); got != c.want {
			t.Errorf("NamesOf(%q) = %q, want %q", c.names, got, c.want)
		}
	}
}
