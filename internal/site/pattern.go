package site

import (
	"fmt"
	"path"
	"strings"
)

// pattern is what rollcall.MatchAny takes. One that could never match is refused,
// because MatchAny would pass over it in silence.
var pattern = text("a pattern such as *.css or tests/", func(text string) error {
	switch {
	case strings.TrimSpace(text) == "" || strings.Trim(text, "/") == "":
		return errSaysNothing
	case text[0] == '!':
		return fmt.Errorf(`it begins with "!", and patterns cannot be negated; write \! for a file's name`)
	case strings.Contains(text, "//"):
		return fmt.Errorf("it has two slashes in a row")
	}
	for part := range strings.SplitSeq(text, "/") {
		if part == ".." || part == "." {
			return fmt.Errorf("it names a path with %q", part)
		}
		if _, err := path.Match(part, ""); err != nil {
			return fmt.Errorf(`a [ or \ in it is not finished`)
		}
	}
	return nil
})

var patterns = listOf("a list of patterns", pattern)
