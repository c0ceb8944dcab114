package site

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitWords(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{" \t\n ", nil},
		{"sudo systemctl reload php8.2-fpm", []string{"sudo", "systemctl", "reload", "php8.2-fpm"}},
		{`a 'b c' "d e" f\ g`, []string{"a", "b c", "d e", "f g"}},
		{`'' "" x`, []string{"", "", "x"}},
		{`a'b'"c"d`, []string{"abcd"}},
		{`'a\b' "a\b" "a\"b" "\$x" a\\b`, []string{`a\b`, `a\b`, `a"b`, "$x", `a\b`}},
		{`"it's" 'say "x"'`, []string{"it's", `say "x"`}},
		{"~/bin/x $HOME a|b c;d e>f g&h `i` *.css", []string{"~/bin/x", "$HOME", "a|b", "c;d", "e>f", "g&h", "`i`", "*.css"}},
		{`'|' "&&" \; x`, []string{"|", "&&", ";", "x"}},
		{"# no comment", []string{"#", "no", "comment"}},
		{"a b\n", []string{"a", "b"}},
		{"a \\\n b\\\nc", []string{"a", "bc"}},
		{"'a\nb' c", []string{"a\nb", "c"}},
		{"touch {name} '{a b}'", []string{"touch", "{name}", "{a b}"}},
		{"ü 'ö ä'", []string{"ü", "ö ä"}},
	} {
		got, err := SplitWords(c.text)
		if len(got) == 0 {
			got = nil
		}
		if err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("SplitWords(%q) = %q, %v, want %q", c.text, got, err, c.want)
		}
	}
}

func TestSplitWordsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"a | b":     "a shell runs only where `sh: |` asks for one",
		"a || b":    `"||"`,
		"a && b":    `"&&"`,
		"a ; b":     `";"`,
		"a &":       `"&"`,
		"a > b":     `">"`,
		"a >> b":    `">>"`,
		"a 2> b":    `"2>"`,
		"a 2>&1":    `"2>&1"`,
		"a &> b":    `"&>"`,
		"a < b":     `"<"`,
		"a << b":    `"<<"`,
		"( a )":     `"("`,
		"a |& b":    `"|&"`,
		"a 'b":      "a ' is not closed",
		`a "b`:      `a " is not closed`,
		`a \`:       `a \ stands before nothing`,
		"a\nb":      "several lines",
		"a \n\n b":  "several lines",
		"a\x00b":    "zero byte",
		`a "b\" c`:  `a " is not closed`,
		"a 'b' 'c ": "a ' is not closed",
	} {
		_, err := SplitWords(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("SplitWords(%q): %v, want %q", text, err, want)
		}
	}
}
