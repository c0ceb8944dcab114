package svn

import (
	"bytes"
	"regexp"
	"strings"
)

// notice is one line in which svn merge tells what it did with a path.
type notice struct {
	text, props, tree byte // U, A, D, G, C … or a blank
	path              string
}

// noticeText is a line's form: what befell the content, the properties, the lock and the
// tree, and the path. Subversion allows no end of line in one.
var noticeText = regexp.MustCompile(`^([ ADUCGER])([ UCGMAD])[ BC]([ CAUDR]) (.+)$`)

// told is what a merge said.
type told struct {
	notices []notice
	// skipped are the paths that it left alone, as it names them: in words and quotes.
	skipped []string
}

// parseTold reads what svn merge wrote. What it says of its own bookkeeping is left out.
func parseTold(out []byte) told {
	var t told
	recording := false
	for line := range bytes.Lines(out) {
		text := strings.TrimSuffix(string(line), "\n")
		switch {
		case strings.HasPrefix(text, "--- "):
			recording = strings.HasPrefix(text, "--- Recording ") || strings.HasPrefix(text, "--- Eliding ")
		case strings.HasPrefix(text, "Summary of conflicts:"):
			return t
		case strings.HasPrefix(text, "Skipped "):
			t.skipped = append(t.skipped, text)
		case !recording:
			if m := noticeText.FindStringSubmatch(text); m != nil {
				t.notices = append(t.notices, notice{m[1][0], m[2][0], m[3][0], m[4]})
			}
		}
	}
	return t
}

// plain tells whether the merge surely changed something and nothing needs a closer look:
// what came is there as it came.
func (t told) plain() bool {
	sure := false
	for _, n := range t.notices {
		switch {
		case n.tree != ' ', n.text == 'C', n.text == 'E', n.props == 'C':
			return false
		case n.text == 'U', n.text == 'A', n.text == 'D', n.text == 'R':
			sure = true
		}
	}
	return sure && len(t.skipped) == 0
}
