package site

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Beyond these, looking for what was meant would cost more than it tells.
const (
	nearestLength     = 64
	nearestCandidates = 1000
	listedNames       = 20
	quotedLength      = 80
)

// unknown is the message for a name that nothing has.
func unknown(what, name string, known []string) string {
	message := "unknown " + what + " " + quote(name)
	if near := Nearest(name, known); near != "" {
		return message + ", did you mean " + quote(near) + "?"
	}
	switch len(known) {
	case 0:
		return message + ", there is none"
	case 1:
		return message + ", expected " + quote(known[0])
	}
	return message + ", expected one of " + list(known)
}

// list names the first of many.
func list(names []string) string {
	quoted := make([]string, 0, listedNames+1)
	for i, name := range names {
		if i == listedNames {
			quoted = append(quoted, "…")
			break
		}
		quoted = append(quoted, quote(name))
	}
	return strings.Join(quoted, ", ")
}

// quote makes any text fit for a message of one line.
func quote(text string) string {
	if utf8.RuneCountInString(text) > quotedLength {
		text = string([]rune(text)[:quotedLength]) + "…"
	}
	return strconv.Quote(text)
}

// Nearest returns the name that was most likely meant, or "".
func Nearest(name string, known []string) string {
	if len(name) > nearestLength {
		return ""
	}
	best, bestDistance := "", nearestLength
	for _, candidate := range known[:min(len(known), nearestCandidates)] {
		if len(candidate) > nearestLength {
			continue
		}
		longer := max(len(name), len(candidate))
		d := distance(strings.ToLower(name), strings.ToLower(candidate))
		if d < bestDistance && d < longer && d <= max(1, (longer+1)/3) {
			best, bestDistance = candidate, d
		}
	}
	if best == "" && len(name) >= 3 {
		if i := slices.IndexFunc(known, func(k string) bool { return strings.HasPrefix(k, name) }); i >= 0 {
			best = known[i]
		}
	}
	return best
}

// distance counts the letters to insert, drop, replace or swap with their neighbour
// (optimal string alignment).
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	before, last, row := make([]int, len(to)+1), make([]int, len(to)+1), make([]int, len(to)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(from); i++ {
		row[0] = i
		for j := 1; j <= len(to); j++ {
			cost := 1
			if from[i-1] == to[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && from[i-1] == to[j-2] && from[i-2] == to[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(to)]
}
