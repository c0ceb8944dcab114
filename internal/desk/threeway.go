package desk

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// regionsLimit is up to which size sides are compared line by line.
const regionsLimit = 2 << 20

// compare finds where both sides changed a text: diff3 gives line numbers, and so no marker
// is needed that could stand in the text itself. It gives too what both come to, with
// markers, for an editor. Where that can't be had there is nothing.
func compare(ctx context.Context, c rollcall.Conflict, target, theirs string) ([]rollcall.ConflictRegion, []byte) {
	if !isText(c.Production) || !isText(c.Theirs) || c.Property != "" {
		return nil, nil
	}
	base := []byte{}
	if isText(c.Base) {
		base = c.Base.Content
	}
	sides := [][]byte{c.Production.Content, base, c.Theirs.Content}
	dir, err := os.MkdirTemp("", "rollcall-sides-")
	if err != nil {
		return nil, nil
	}
	defer os.RemoveAll(dir)
	var files []string
	for i, side := range sides {
		if len(side) > regionsLimit || bytes.IndexByte(side, 0) >= 0 {
			return nil, nil
		}
		file := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(file, side, 0o600); err != nil {
			return nil, nil
		}
		files = append(files, file)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, "diff3", append([]string{"--"}, files...)...)
	command.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	out, err := command.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 1) {
		return nil, nil
	}
	var texts [3][]string
	for i, side := range sides {
		texts[i] = slices.Collect(strings.Lines(string(side)))
	}
	hunks := parseHunks(string(out))
	return regionsOf(hunks, texts), marked(hunks, texts, markerWidth(c), target, theirs)
}

// hunk is a place where the three differ. only is which of them differs from the other
// two, and 0 where all do. Lines are counted from 0; the end is behind the last.
type hunk struct {
	only  int
	sides [3]struct{ from, to int }
}

var diff3Range = regexp.MustCompile(`^([123]):([0-9]+)(?:,([0-9]+))?([ac])$`)

// parseHunks reads what diff3 says: ==== and which one differs, then three ranges.
// 1:3,4c is lines 3 to 4 of the first, 2:5a is nothing, behind line 5. Lines of the texts
// have two blanks before them.
func parseHunks(out string) []hunk {
	var all []hunk
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if which, ok := strings.CutPrefix(line, "===="); ok {
			only, _ := strconv.Atoi(which)
			all = append(all, hunk{only: only})
			continue
		}
		match := diff3Range.FindStringSubmatch(line)
		if match == nil || len(all) == 0 {
			continue
		}
		side, _ := strconv.Atoi(match[1])
		first, _ := strconv.Atoi(match[2])
		last := first
		if match[3] != "" {
			last, _ = strconv.Atoi(match[3])
		}
		at := &all[len(all)-1].sides[side-1]
		if match[4] == "a" {
			at.from, at.to = first, first
		} else {
			at.from, at.to = first-1, last
		}
	}
	return all
}

// part is a hunk's lines on one side.
func (h hunk) part(texts [3][]string, side int) []string {
	at, text := h.sides[side], texts[side]
	from := min(max(at.from, 0), len(text))
	return text[from:max(from, min(at.to, len(text)))]
}

// regionsOf are the hunks where all three differ.
func regionsOf(hunks []hunk, texts [3][]string) []rollcall.ConflictRegion {
	bare := func(lines []string) []string {
		all := make([]string, len(lines))
		for i, line := range lines {
			all[i] = strings.TrimRight(line, "\r\n")
		}
		return all
	}
	var all []rollcall.ConflictRegion
	for _, h := range hunks {
		if h.only == 0 {
			all = append(all, rollcall.ConflictRegion{
				Line: h.sides[0].from + 1, Production: bare(h.part(texts, 0)), Base: bare(h.part(texts, 1)), Theirs: bare(h.part(texts, 2)),
			})
		}
	}
	return all
}

// markerWidth is how long the rows are that part the sides in a text for an editor: 7, as
// everywhere, or longer where a line of the sides itself begins with such a row.
func markerWidth(c rollcall.Conflict) int {
	own := map[int]bool{}
	for _, side := range []*rollcall.ConflictSide{c.Base, c.Production, c.Theirs} {
		if side == nil {
			continue
		}
		for line := range bytes.Lines(side.Content) {
			own[rowOf(line)] = true
		}
	}
	width := 7
	for own[width] {
		width++
	}
	return width
}

// rowOf is how many of the same sign of a marker a line begins with.
func rowOf(line []byte) int {
	if len(line) == 0 || !strings.ContainsRune("<|=>", rune(line[0])) {
		return 0
	}
	return len(line) - len(bytes.TrimLeft(line, string(line[0])))
}

// marked is the text that both sides come to, with both of them where they differ.
func marked(hunks []hunk, texts [3][]string, width int, target, theirs string) []byte {
	var b strings.Builder
	mark := func(sign, name string) { b.WriteString(strings.Repeat(sign, width) + name + "\n") }
	write := func(lines []string) {
		for _, line := range lines {
			b.WriteString(line)
			if !strings.HasSuffix(line, "\n") {
				b.WriteString("\n")
			}
		}
	}
	at := 0
	for _, h := range hunks {
		from := min(max(h.sides[0].from, at), len(texts[0]))
		write(texts[0][at:from])
		at = max(from, min(h.sides[0].to, len(texts[0])))
		switch h.only {
		case 1, 2: // production's is what both come to
			write(h.part(texts, 0))
		case 3:
			write(h.part(texts, 2))
		default:
			mark("<", " "+target)
			write(h.part(texts, 0))
			mark("|", " before both")
			write(h.part(texts, 1))
			mark("=", "")
			write(h.part(texts, 2))
			mark(">", " "+theirs)
		}
	}
	write(texts[0][at:])
	return []byte(b.String())
}
