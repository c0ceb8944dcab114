package svn

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

// Whatever an address says, svn is given a URL of a known scheme whose host is none of
// ssh's options, and the path that was meant.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"/srv/a b@1", "svn+ssh://a@h:22/x%20y", "https://ada@h/x", "file:///x%23", "svn://[::1]/x", "svn+ssh://-o/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAddress(text)
		if err != nil {
			return
		}
		u, err := url.Parse(a.url)
		if err != nil {
			t.Fatalf("%q becomes %q: %v", text, a.url, err)
		}
		if !slices.Contains([]string{"file", "svn", "svn+ssh", "http", "https"}, u.Scheme) || strings.HasPrefix(u.Host, "-") || strings.HasPrefix(u.User.Username(), "-") {
			t.Errorf("%q becomes %q", text, a.url)
		}
		if strings.ContainsAny(a.url+a.user, " \n\r\t\x00'\"`") && !strings.Contains(a.url, "'") || strings.HasPrefix(a.user, "-") {
			t.Errorf("%q becomes %q, %q", text, a.url, a.user)
		}
		if IsLocal(text) && strings.HasPrefix(text, "/") && u.Path != strings.TrimRight(path.Clean(text), "/") {
			t.Errorf("%q becomes the path %q", text, u.Path)
		}
	})
}

// No line that says something may go unseen, and no place leads out of the tree.
func FuzzExternals(f *testing.F) {
	for _, seed := range []string{"^/lib lib", "lib -r5 http://h/x", "'a b' \"c\\", "-r", "# x", "^/x ../.."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		line = strings.Map(func(r rune) rune {
			if r == '\n' || r == '\r' {
				return ' '
			}
			return r
		}, line)
		places := externals("d", line)
		said := strings.TrimSpace(line)
		if words := externalWords(line); len(places) != 1 && said != "" && len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			t.Errorf("%q names %q", line, places)
		}
		for _, place := range places {
			if !strings.HasPrefix(place, "d/") || path.Clean(place) != place {
				t.Errorf("%q names %q", line, place)
			}
		}
	})
}

// What is written of a tree is read again as it was.
func FuzzListing(f *testing.F) {
	f.Add("a/ü b", "f", "da39a3ee5e6b4b0d3255bfef95601890afd80709")
	f.Add(" x ", "m", "")
	f.Fuzz(func(t *testing.T, name, kind, blob string) {
		if len(kind) != 1 || !strings.Contains("fxlm", kind) || name == "" {
			return
		}
		e := rollcall.TreeEntry{Path: name, Type: rollcall.EntryType(kind[0]), Blob: blob}
		if kind[0] == moduleType {
			e.Type, e.Module = 0, true
		}
		r := &Repository{dir: t.TempDir()}
		id, err := r.keep(listing{e})
		if err != nil {
			return
		}
		got, err := r.listing(id)
		if err != nil || len(got) != 1 || got[0] != e {
			t.Errorf("%+v becomes %+v, %v", e, got, err)
		}
	})
}
