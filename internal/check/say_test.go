package check

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTelling(t *testing.T) {
	for _, c := range []struct {
		said  string
		one   bool
		index int
		line  int
		path  string
	}{
		{"PHP Parse error: syntax error in \x01 on line 12", true, 0, 12, "\x01"},
		{"Parse error: Unclosed '(' on line 3 in \x01 on line 4\nErrors parsing \x01", true, 0, 4, "\x01"},
		{"Deprecated: x in /usr/share/lint.php on line 9\nFatal: y in \x01 on line 2", true, 1, 2, "\x01"},
		{"\x01:12:3: expected ;", true, 0, 12, "\x01"},
		{"\x01:7", true, 0, 7, "\x01"},
		{"\x01(3,5): error TS1005", true, 0, 3, "\x01"},
		{"\x01: line 5: syntax error near `fi'", true, 0, 5, "\x01"},
		{"  File \"\x01\", line 3\n    x =\nSyntaxError: invalid syntax", true, 0, 3, "\x01"},
		{"checking\nsyntax error at line 8", true, 1, 8, ""},
		{"on line 12", true, 0, 12, ""},
		{"Line: 4", true, 0, 4, ""},
		{"12: trailing blank", true, 0, 12, ""},
		{"at 12:30 it was fine", true, 0, 0, ""},
		{"it is bad", true, 0, 0, ""},
		{"", true, 0, 0, ""},
		{"on line 0", true, 0, 0, ""},
		{"line 99999999999999", true, 0, 0, ""},
		{"AH00526: Syntax error on line 12 of conf/httpd.conf:\nInvalid command", false, 0, 12, "conf/httpd.conf"},
		{"nginx: [emerg] unknown directive \"x\" in conf/nginx.conf:3", false, 0, 3, "conf/nginx.conf"},
		{"warning on line 3 of /etc/other\nerror in lib/a.php on line 7", false, 1, 7, "lib/a.php"},
		{"error in './conf/httpd.conf': line 2", false, 0, 2, "conf/httpd.conf"},
		{"line 6 of .htaccess.", false, 0, 6, ".htaccess"},
		{"3 files, error on line 4", false, 0, 0, ""},
	} {
		known := map[string]bool{"conf/httpd.conf": true, "conf/nginx.conf": true, ".htaccess": true, "lib/a.php": true}
		of := func(word string) bool { return known[word] }
		if c.one {
			of = func(word string) bool { return word == ownPath }
		}
		index, line, path := telling(strings.Split(c.said, "\n"), of, c.one)
		if index != c.index || line != c.line || path != c.path {
			t.Errorf("%q: line %d of %q in %d, want line %d of %q in %d", c.said, line, path, index, c.line, c.path, c.index)
		}
	}
}

func TestReadable(t *testing.T) {
	const tree, own = "/state/run-1/files", "/state/run-1/files/a b.php"
	lines := readable("\n  PHP Parse error:  x in /state/run-1/files/a b.php on line 3\r\nParse error: x in /state/run-1/files/a b.php on line 3\n\n"+
		"see /state/run-1/files/c.php beneath /state/run-1/files \x1b[31mred\n"+strings.Repeat("y", 1000)+"\n", tree, own)
	want := []string{"PHP Parse error: x in \x01 on line 3", "see c.php beneath . \ufffd[31mred", strings.Repeat("y", saidColumns) + "…"}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q", lines)
	}
	if got := saying(lines, 1); !strings.HasPrefix(got, "see c.php beneath . \ufffd[31mred\nPHP Parse error") {
		t.Errorf("%q", got)
	}
	if got := saying(strings.Split(strings.Repeat("x\n", 100), "\n"), 50); strings.Count(got, "\n") != saidLines {
		t.Errorf("%q", got)
	}
}

func FuzzTelling(f *testing.F) {
	f.Add("PHP Parse error: syntax error in \x01 on line 12\nx", true)
	f.Add("/tree/a.php:3: x", false)
	f.Fuzz(func(t *testing.T, said string, one bool) {
		lines := readable(said, "/tree", "/tree/a.php")
		index, line, _ := telling(lines, func(word string) bool { return word == ownPath }, one)
		if line < 0 || index < 0 || index >= max(len(lines), 1) {
			t.Fatalf("line %d in %d of %d", line, index, len(lines))
		}
		text := saying(lines, index)
		if !utf8.ValidString(text) || strings.ContainsAny(strings.ReplaceAll(text, "\n", ""), "\x1b\x00\r\t") || strings.Count(text, "\n") > saidLines {
			t.Fatalf("%q", text)
		}
	})
}
