package svn

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// span is a run of revisions, both ends included.
type span struct {
	from, to int64
	// partial is Subversion's "*": the path itself has them, what is below it has not.
	partial bool
}

// spans are sorted, and no two of them touch a revision twice.
type spans []span

// mergeinfo says which revisions of which paths are merged. Its paths begin with a slash.
type mergeinfo map[string]spans

// parseMergeinfo reads the value of svn:mergeinfo: a line for each path, whose last colon
// ends it.
func parseMergeinfo(text string) (mergeinfo, error) {
	return parseHeads(strings.Split(text, "\n"))
}

// parseHeads reads PATH:RANGES again and again. The same path twice is both together.
func parseHeads(heads []string) (mergeinfo, error) {
	m := mergeinfo{}
	for _, head := range heads {
		head = strings.TrimRight(head, "\r")
		if head == "" {
			continue
		}
		colon := strings.LastIndexByte(head, ':')
		if colon < 0 || head[0] != '/' {
			return nil, fmt.Errorf("mergeinfo: %q is not PATH:REVISIONS", head)
		}
		more, err := parseSpans(head[colon+1:])
		if err != nil {
			return nil, fmt.Errorf("mergeinfo: %q: %w", head, err)
		}
		// A path may stand there without revisions; that says nothing.
		if path := strings.TrimRight(head[:colon], "/"); path != "" && len(more) > 0 {
			m[path] = m[path].union(more)
		}
	}
	return m, nil
}

// parseSpans reads: 1-5,7,9-12*.
func parseSpans(text string) (spans, error) {
	var all spans
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	for one := range strings.SplitSeq(text, ",") {
		one, partial := strings.CutSuffix(strings.TrimSpace(one), "*")
		from, to, isRange := strings.Cut(one, "-")
		a, err := parseNumber(from)
		if err != nil {
			return nil, err
		}
		b := a
		if isRange {
			if b, err = parseNumber(to); err != nil {
				return nil, err
			}
		}
		if b < a {
			return nil, fmt.Errorf("the revisions %q go backwards", one)
		}
		all = append(all, span{a, b, partial})
	}
	return all.normal(), nil
}

// parseNumber reads a revision's number. Subversion's own are 32 bits wide.
func parseNumber(text string) (int64, error) {
	if text == "" || text[0] < '0' || text[0] > '9' {
		return 0, fmt.Errorf("%q is no revision", text)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > math.MaxInt32 {
		return 0, fmt.Errorf("%q is no revision", text)
	}
	return n, nil
}

// String writes the value of svn:mergeinfo as Subversion does, sorted by path.
func (m mergeinfo) String() string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(m)) {
		if len(m[path]) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(path + ":" + m[path].String())
	}
	return b.String()
}

func (s spans) String() string {
	var b strings.Builder
	for i, one := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(one.from, 10))
		if one.to > one.from {
			b.WriteString("-" + strconv.FormatInt(one.to, 10))
		}
		if one.partial {
			b.WriteByte('*')
		}
	}
	return b.String()
}

// normal sorts, and joins what overlaps or follows one another. Where a revision is there
// both whole and partial it is whole.
func (s spans) normal() spans {
	var whole, part spans
	for _, one := range s {
		if one.partial {
			part = append(part, one)
		} else {
			whole = append(whole, one)
		}
	}
	whole = whole.join()
	if len(part) == 0 {
		return whole
	}
	return append(slices.Clip(whole), part.join().without(whole)...).sorted()
}

func (s spans) sorted() spans {
	slices.SortFunc(s, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	return s
}

// join does it for spans that are all whole, or all partial.
func (s spans) join() spans {
	var out spans
	for _, one := range slices.Clone(s).sorted() {
		if n := len(out); n > 0 && one.from <= out[n-1].to+1 {
			out[n-1].to = max(out[n-1].to, one.to)
		} else {
			out = append(out, one)
		}
	}
	return out
}

// without takes away what is in b, whether it is whole or partial there.
func (s spans) without(b spans) spans {
	var out spans
	for _, one := range s {
		for _, cut := range b {
			if cut.to < one.from || cut.from > one.to {
				continue
			}
			if cut.from > one.from {
				out = append(out, span{one.from, cut.from - 1, one.partial})
			}
			one.from = cut.to + 1
			if one.from > one.to {
				break
			}
		}
		if one.from <= one.to {
			out = append(out, one)
		}
	}
	return out
}

func (s spans) union(b spans) spans { return slices.Concat(s, b).normal() }

// find tells whether a revision is there, and whether only in part.
func (s spans) find(n int64) (has, partial bool) {
	i, ok := slices.BinarySearchFunc(s, n, func(one span, n int64) int {
		switch {
		case one.to < n:
			return -1
		case one.from > n:
			return 1
		}
		return 0
	})
	return ok, ok && s[i].partial
}

func (s spans) last() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].to
}

// within gives what lies between two revisions, both included.
func (s spans) within(from, to int64) spans {
	var out spans
	for _, one := range s {
		one.from, one.to = max(one.from, from), min(one.to, to)
		if one.from <= one.to {
			out = append(out, one)
		}
	}
	return out
}

// union gives what is in the one or the other.
func (m mergeinfo) union(b mergeinfo) mergeinfo {
	out := maps.Clone(m)
	if out == nil {
		out = mergeinfo{}
	}
	for path, s := range b {
		out[path] = out[path].union(s)
	}
	return out
}

// without gives what is in m and not in b. What is whole in m and partial in b is in m
// only: the two differ.
func (m mergeinfo) without(b mergeinfo) mergeinfo {
	out := mergeinfo{}
	for path, s := range m {
		whole, part := b[path].split()
		mine, mineInPart := s.split()
		if rest := slices.Concat(mine.without(whole), mineInPart.without(part).without(whole)).normal(); len(rest) > 0 {
			out[path] = rest
		}
	}
	return out
}

func (s spans) split() (whole, part spans) {
	for _, one := range s {
		if one.partial {
			part = append(part, one)
		} else {
			whole = append(whole, one)
		}
	}
	return whole, part
}

// add puts one whole revision of a path in.
func (m mergeinfo) add(path string, n int64) {
	m[path] = m[path].union(spans{{from: n, to: n}})
}
