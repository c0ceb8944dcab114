package rollcall

import (
	"strings"
	"testing"
)

func TestMatchAny(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{".git*", ".gitignore", true},
		{".git*", "sub/.gitattributes", true},
		{"tests/", "tests/a/b.php", true},
		{"tests/", "lib/tests/a.php", true},
		{"tests/", "tests", false},
		{"/tests/", "lib/tests/a.php", false},
		{"a/b", "a/b", true},
		{"a/b", "a/b/c", true},
		{"a/b", "x/a/b", false},
		{"docs/*.md", "docs/a.md", true},
		{"docs/*.md", "docs/sub/a.md", false},
		{"docs/**/*.md", "docs/a.md", true},
		{"docs/**/*.md", "docs/x/y/a.md", true},
		{"**/cache/", "a/cache/x", true},
		{"**/cache/", "a/cache", false},
		{"*.css", "a/b/c.css", true},
		{"*.css", "a/b/c.css.map", false},
	} {
		if got := MatchAny([]string{c.pattern}, c.path); got != c.want {
			t.Errorf("%s against %s: %v", c.pattern, c.path, got)
		}
	}
	many := strings.Repeat("**/a/", 200) + "b"
	if MatchAny([]string{many}, strings.Repeat("a/", 500)+"c") {
		t.Error("matched")
	}
}
