package check

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// ownPath stands in what is kept for the path that was looked at: the same content may
// have another tomorrow. Printable text never holds it.
const ownPath = "\x01"

// What of a command's output is kept.
const (
	saidLines   = 20
	saidColumns = 400
)

// places are the usual ways to tell a line, those that name the path first.
var places = []struct {
	*regexp.Regexp
	path, line int // which groups
}{
	{regexp.MustCompile(`(\S+) on line (\d{1,9})\b`), 1, 2},            // php
	{regexp.MustCompile(`\bline (\d{1,9}) of (\S+)`), 2, 1},            // apachectl
	{regexp.MustCompile(`(\S+?):(\d{1,9})(?:[:,\s]|$)`), 1, 2},         // compilers, nginx
	{regexp.MustCompile(`(\S+?)\((\d{1,9})(?:,\d+)?\)`), 1, 2},         // tsc
	{regexp.MustCompile(`(\S+?),? line (\d{1,9})\b`), 1, 2},            // bash, python
	{regexp.MustCompile(`(?i)\bline:? (\d{1,9})\b`), 0, 1},             // in words
	{regexp.MustCompile(`(?:^|[\s:])(\d{1,9}):(?:\d{1,9}:)?\s`), 0, 1}, // :12: at last
}

// telling finds the line of a command's output that tells where the fault is: which of its
// lines, what line of which path. of tells whether a word names a path that was given.
// Without one, a line's number without a path is believed where one file was given.
func telling(lines []string, of func(word string) bool, one bool) (index, line int, path string) {
	for i, text := range lines {
		for _, p := range places {
			if p.path == 0 {
				continue
			}
			for _, m := range p.FindAllStringSubmatch(text, -1) {
				word := bare(m[p.path])
				if number, _ := strconv.Atoi(m[p.line]); number > 0 && of(word) {
					return i, number, word
				}
			}
		}
	}
	if !one {
		return 0, 0, ""
	}
	for i, text := range lines {
		for _, p := range places {
			if m := p.FindStringSubmatch(text); m != nil && p.path == 0 {
				if number, _ := strconv.Atoi(m[p.line]); number > 0 {
					return i, number, ""
				}
			}
		}
	}
	return 0, 0, ""
}

// bare takes from a word what a sentence puts around a path.
func bare(word string) string {
	const around = "\"'`()[]<>,:;"
	return strings.TrimPrefix(strings.TrimRight(strings.TrimLeft(word, around), around+"."), "./")
}

// readable makes a command's output fit to be shown: printable, without the folder that
// the tree was exported to, without blank lines and repetitions, not long.
func readable(output, tree, own string) []string {
	tree = rollcall.Printable(tree)
	if own != "" {
		own = rollcall.Printable(own)
	}
	var lines []string
	for text := range strings.SplitSeq(rollcall.PrintableLines(output), "\n") {
		if own != "" {
			text = strings.ReplaceAll(text, own, ownPath)
		}
		text = strings.ReplaceAll(strings.ReplaceAll(text, tree+"/", ""), tree, ".")
		text = strings.Join(strings.Fields(text), " ")
		if text == "" || slices.ContainsFunc(lines, func(had string) bool { return strings.Contains(had, text) }) {
			continue // php tells a fault to the log and to the screen
		}
		if letters := []rune(text); len(letters) > saidColumns {
			text = string(letters[:saidColumns]) + "…"
		}
		lines = append(lines, text)
	}
	return lines
}

// saying makes the text of a verdict: the telling line first, then the others.
func saying(lines []string, first int) string {
	if len(lines) == 0 {
		return ""
	}
	ordered := append([]string{lines[first]}, lines[:first]...)
	ordered = append(ordered, lines[first+1:]...)
	if len(ordered) > saidLines {
		ordered = append(ordered[:saidLines], "…")
	}
	return strings.Join(ordered, "\n")
}
