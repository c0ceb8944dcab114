package rollcall

import (
	"path"
	"strings"
)

// MatchAny tells whether one of the patterns names a path. Patterns are those of
// .gitignore without negation: one without a slash matches a name at any depth, one
// that ends in a slash a folder and all below it, ** any number of folders.
func MatchAny(patterns []string, p string) bool {
	for _, pattern := range patterns {
		if matchPattern(pattern, p) {
			return true
		}
	}
	return false
}

func matchPattern(pattern, p string) bool {
	folder := strings.HasSuffix(pattern, "/")
	pattern = strings.TrimSuffix(pattern, "/")
	parts := strings.Split(p, "/")
	if strings.Contains(pattern, "/") {
		want := strings.Split(strings.TrimPrefix(pattern, "/"), "/")
		return matchParts(want, parts, folder)
	}
	for i, part := range parts {
		if ok, _ := path.Match(pattern, part); ok && (!folder || i < len(parts)-1) {
			return true
		}
	}
	return false
}

// matchParts matches a path, or a folder above it. reach[i] tells whether the parts of
// the path so far can be matched by want[:i]: one pass, however many ** there are.
func matchParts(want, parts []string, folder bool) bool {
	reach := make([]bool, len(want)+1)
	reach[0] = true
	open := func() {
		for i, w := range want {
			if reach[i] && w == "**" {
				reach[i+1] = true
			}
		}
	}
	open()
	for n, part := range parts {
		next := make([]bool, len(want)+1)
		for i, w := range want {
			if !reach[i] {
				continue
			}
			if w == "**" {
				next[i] = true
			} else if ok, _ := path.Match(w, part); ok {
				next[i+1] = true
			}
		}
		reach = next
		open()
		if reach[len(want)] && (!folder || n < len(parts)-1) {
			return true
		}
	}
	return false
}
