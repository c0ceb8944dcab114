package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// marking is a way in which projects write into a message what was picked.
type marking struct {
	about string
	// read gives the names of what the message says was picked, in its order: commit ids
	// or abbreviations of them, and r7 or r7-r9 for Subversion's numbers. Why is set
	// where the message says that something was promoted and does not name it.
	read func(message string) (names []string, why string)
}

var markings = map[string]marking{
	"cherry-pick": {
		about: `"(cherry picked from commit ID)", as git cherry-pick -x writes it`,
		read:  byExpression(regexp.MustCompile(`(?i)cherry[- ]picked from commit ([0-9a-f]{7,40})\b`)),
	},
	"backport": {
		about: `"Backport of ID from BRANCH"`,
		read:  byExpression(regexp.MustCompile(`(?i)\bbackport(?:ed)? (?:of|from) (?:commit )?([0-9a-f]{7,40})\b`)),
	},
	"rollcall": {
		about: `"Rollcall-Pick: ID"`,
		read:  byExpression(regexp.MustCompile(`(?m)^Rollcall-Pick: ([0-9a-f]{40})$`)),
	},
	"svn": {
		about: `"Merge r7 and r9 from trunk", "Merges [7] to the 6.4 branch", "Merge the r7 group" with its list; the numbers stand in git-svn-id lines`,
		read:  readSvn,
	},
}

func markingNames() string {
	return strings.Join(slices.Sorted(maps.Keys(markings)), ", ")
}

var (
	speaksOfPicks = regexp.MustCompile(`(?i)\bcherry[- ]?pick|\bback-?port`)
	spokenSvn     = regexp.MustCompile(`(?i)(?:merg|port)[a-z]*\b.*(?:\br\d{2,}|\[\d{2,}\])`)
)

// byExpression reads every match of an expression's first group.
func byExpression(expression *regexp.Regexp) func(string) ([]string, string) {
	return func(message string) (names []string, why string) {
		for _, m := range expression.FindAllStringSubmatch(message, -1) {
			if name := strings.ToLower(m[1]); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if len(names) == 0 && speaksOfPicks.MatchString(message) {
			why = "speaks of a backport and names no commit in the form that is read"
		}
		return names, why
	}
}

var (
	svnVerb   = regexp.MustCompile(`^(?i)(?:on the \S+ branch, *)?(?:merge[sd]?|(?:back)?port(?:s|ed)?)[ -]`)
	svnInside = regexp.MustCompile(`(?i)\bmerged? (?:from trunk )?((?:-r|-c|r)\d.*)`)
	svnBack   = regexp.MustCompile(`(?i)^\*|\bre(?:vers|vert)|\bundo`)
	svnFill   = regexp.MustCompile(`^(?i)(?:the|part of|fix(?:es)?|(?:from )?trunk|revision(?:s|\(s\))?|changesets?|commits?) +`)
	svnItem   = regexp.MustCompile(`^(?i)(?:(?:-r|-c|rr?|rev:|svn:)(\d+)|\[(\d+)\]|(\d{3,}))`)
	svnRange  = regexp.MustCompile(`^(?: *(?:-|–|\.\.|:) *| +(?:to|through) +)`)
	svnNext   = regexp.MustCompile(`^(?: *, *and +| *[,;] *| +and +| *[&+] *| +)`)
	svnBullet = regexp.MustCompile(`(?m)^\s*\* +r`)
	svnBranch = regexp.MustCompile(`^(?i)merge[sd]? the \S+ branch\b`)
)

// readSvn reads the sentences in which users of Subversion say what they merged. A
// message has one, at the beginning of a line, or within its first.
func readSvn(message string) (names []string, why string) {
	lines := strings.Split(message, "\n")
	for i, line := range lines {
		if !svnVerb.MatchString(line) {
			continue
		}
		paragraph, _, _ := strings.Cut(strings.Join(lines[i:], "\n"), "\n\n")
		rest := strings.Join(strings.Fields(paragraph), " ")
		rest = rest[len(svnVerb.FindString(rest)):]
		for fill := svnFill.FindString(rest); fill != ""; fill = svnFill.FindString(rest) {
			rest = rest[len(fill):]
		}
		if names, rest = readSvnList(rest); len(names) == 0 {
			continue
		}
		if !strings.HasPrefix(strings.TrimSpace(rest), "group") {
			return names, ""
		}
		body := strings.Join(lines[i:], "\n")
		at := svnBullet.FindStringIndex(body)
		if at == nil {
			return nil, "names a group of revisions and does not list it"
		}
		names, _ = readSvnList(strings.Join(strings.Fields(body[at[1]-1:]), " "))
		return names, ""
	}
	subject, _, _ := strings.Cut(message, "\n")
	if m := svnInside.FindStringSubmatch(subject); m != nil && !svnBack.MatchString(subject) {
		names, _ = readSvnList(m[1])
		return names, ""
	}
	switch {
	case svnBranch.MatchString(subject):
		why = "merges a branch, and names no changeset of the trunk"
	case spokenSvn.MatchString(subject):
		why = "speaks of a merge and of a revision, not in the form that is read"
	}
	return nil, why
}

// readSvnList reads "r7, r9 and r11-r13" and gives what comes behind it.
func readSvnList(text string) (names []string, rest string) {
	for {
		number, length := readSvnItem(text, len(names) > 0)
		if length == 0 {
			return names, text
		}
		text = text[length:]
		name := "r" + number
		if dash := svnRange.FindString(text); dash != "" {
			if last, length := readSvnItem(text[len(dash):], true); length > 0 {
				if strings.Contains(dash, ":") { // as svn merge -r reads it: behind the first
					name = "r" + following(number)
				}
				name += "-r" + last
				text = text[len(dash)+length:]
			}
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		next := svnNext.FindString(text)
		if _, length := readSvnItem(text[len(next):], next != ""); next == "" || length == 0 {
			return names, text
		}
		text = text[len(next):]
	}
}

func following(number string) string {
	n, err := strconv.Atoi(number)
	if err != nil {
		return number
	}
	return strconv.Itoa(n + 1)
}

// readSvnItem reads one number. A bare one is short only behind another, and it is never
// that of a branch ("4.2-stable") or of a word.
func readSvnItem(text string, bare bool) (number string, length int) {
	m := svnItem.FindStringSubmatch(text)
	if m == nil || m[3] != "" && len(m[3]) < 4 && !bare {
		return "", 0
	}
	after := strings.TrimPrefix(text, m[0])
	if m[3] != "" && after != "" && strings.ContainsAny(after[:1], "._-abcdefghijklmnopqrstuvwxyz") {
		return "", 0
	}
	return m[1] + m[2] + m[3], len(m[0])
}

// svnNumbers gives both ends of r7 or r7-r9.
func svnNumbers(name string) (first, last int, err error) {
	a, b, isRange := strings.Cut(name, "-")
	if first, err = strconv.Atoi(strings.TrimPrefix(a, "r")); err != nil {
		return 0, 0, fmt.Errorf("%q is no revision", name)
	}
	if last = first; isRange {
		if last, err = strconv.Atoi(strings.TrimPrefix(b, "r")); err != nil || last < first {
			return 0, 0, fmt.Errorf("%q is no range of revisions", name)
		}
	}
	return first, last, nil
}
