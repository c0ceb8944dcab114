package check

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// binaryHead is how far into a file a zero byte makes it binary, as for git.
const binaryHead = 8000

// The kinds of contents that the built-in check looks at: whole files, files without a
// forerunner, and files beside what they were, whose kind is keptWas and the old content.
const (
	wholeFile = "whole"
	newFile   = "new"
	keptWas   = "was "
)

// marked lists what the built-in check looks at: what differs from the base, or every file,
// but for those that hold markers on purpose.
func (r *run) marked() []subject {
	var all []subject
	add := func(e *rollcall.TreeEntry) {
		if !isFile(e) || rollcall.MatchAny(r.Code.Markers.Exclude, e.Path) {
			return
		}
		before, differs := r.differ[e.Path]
		switch {
		case r.Base == "", r.All && !differs:
			all = append(all, subject{e.Path, content{wholeFile, e.Blob}})
		case !differs, before == e.Blob: // the same bytes, whatever else
		case before == "":
			all = append(all, subject{e.Path, content{newFile, e.Blob}})
		default:
			all = append(all, subject{e.Path, content{keptWas + before, e.Blob}})
		}
	}
	for _, p := range r.paths {
		add(r.entries[p])
	}
	for _, e := range r.excluded {
		add(e)
	}
	return all
}

// lookForMarkers reads what is not known, each content once.
func (r *run) lookForMarkers(ctx context.Context, g *gate) error {
	if len(g.missing) == 0 {
		return nil
	}
	begun := time.Now()
	scans := map[string][]marker{}
	var blobs []string
	need := func(blob string) {
		if _, ok := scans[blob]; !ok {
			scans[blob] = nil
			blobs = append(blobs, blob)
		}
	}
	for _, f := range g.missing {
		need(f.id)
		if before, ok := strings.CutPrefix(f.kind, keptWas); ok {
			need(before)
		}
	}
	r.repo.Lock()
	defer r.repo.Unlock()
	err := r.Repo.Blobs(ctx, blobs, func(i int, _ int64, in io.Reader) error {
		found, err := findMarkers(in)
		scans[blobs[i]] = found
		return err
	})
	if err != nil {
		return err
	}
	var all []found
	for _, f := range g.missing {
		var lines []int
		switch before, was := strings.CutPrefix(f.kind, keptWas); {
		case f.kind == wholeFile:
			lines = conflictLines(scans[f.id])
		case was:
			lines = newMarkers(scans[f.id], scans[before])
		default:
			lines = newMarkers(scans[f.id], nil)
		}
		v := verdict{passed: len(lines) == 0}
		if !v.passed {
			v.line, v.text = lines[0], markerText(lines)
		}
		g.verdict[f.content] = v
		all = append(all, found{g.rule, f.content, v})
	}
	g.result.Ran, g.result.Seconds = len(g.missing), time.Since(begun).Seconds()
	return r.keep(ctx, all)
}

func markerText(lines []int) string {
	if len(lines) == 1 {
		return "a conflict marker"
	}
	numbers := make([]string, 0, len(lines))
	for i, line := range lines {
		if i == 8 {
			numbers = append(numbers, "…")
			break
		}
		numbers = append(numbers, fmt.Sprint(line))
	}
	return "conflict markers in lines " + strings.Join(numbers, ", ")
}

// marker is a line as merges leave them in conflicts.
type marker struct {
	line int
	sign byte   // < | = >
	text string // of the line, as far as it can matter
}

const comparedText = 200 // of a marker's line that is compared with the base's

// findMarkers lists the lines of a text that look like a conflict's. A binary has none.
func findMarkers(in io.Reader) ([]marker, error) {
	b := bufio.NewReaderSize(in, 32<<10)
	head, err := b.Peek(binaryHead)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return nil, nil
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		_, _ = b.Discard(3) // it was peeked at
	}
	var all []marker
	begin := true // of a line: a longer one comes in pieces
	for line := 1; ; {
		piece, err := b.ReadSlice('\n')
		if begin {
			if m := markerOf(piece); m.sign != 0 {
				m.line = line
				all = append(all, m)
			}
		}
		switch {
		case err == nil:
			begin = true
			line++
		case errors.Is(err, bufio.ErrBufferFull):
			begin = false
		case errors.Is(err, io.EOF):
			return all, nil
		default:
			return nil, err
		}
	}
}

func markerOf(line []byte) marker {
	if len(line) < 7 || line[0] != '<' && line[0] != '|' && line[0] != '=' && line[0] != '>' {
		return marker{}
	}
	line = bytes.TrimRight(line, "\r\n")
	sign := line[0]
	switch {
	case sign == '=' && string(line) == "=======":
	case sign != '=' && len(line) > 7 && line[7] == ' ' && bytes.Count(line[:7], line[:1]) == 7:
	default:
		return marker{}
	}
	return marker{sign: sign, text: string(line[:min(len(line), comparedText)])}
}

// newMarkers gives the lines of markers that the base's file does not have. A row of = is
// a heading's underline in many a text: it counts only beside another new one.
func newMarkers(now, before []marker) []int {
	had := map[string]int{}
	for _, m := range before {
		had[m.text]++
	}
	var lines []int
	certain := false
	for _, m := range now {
		if had[m.text] > 0 {
			had[m.text]--
			continue
		}
		certain = certain || m.sign != '='
		lines = append(lines, m.line)
	}
	if !certain {
		return nil
	}
	return lines
}

// conflictLines gives the lines of a whole conflict. Where nobody knows what is new, one
// marker alone may be meant: a manual, a test's data.
func conflictLines(now []marker) []int {
	var lines []int
	next := byte('<')
	for _, m := range now {
		switch {
		case m.sign == '<':
			lines, next = []int{m.line}, '='
		case m.sign == '|' && next == '=', m.sign == '=' && next == '=':
			lines = append(lines, m.line)
			if m.sign == '=' {
				next = '>'
			}
		case m.sign == '>' && next == '>':
			return append(lines, m.line)
		}
	}
	return nil
}
