package site

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var errTooMany = errors.New("too many nodes")

// expandHosts makes the names of a host pattern, and cuts off the port behind it:
// app[01:40].example.com:2222. It makes no more than room names.
func expandHosts(pattern string, room int) (names []string, port string, err error) {
	host, port, err := cutPort(pattern)
	if err != nil {
		return nil, "", err
	}
	if isIPv6(host) {
		if room < 1 {
			return nil, "", errTooMany
		}
		return []string{host}, port, nil
	}
	names, err = expandRanges(host, room)
	if err != nil {
		return nil, "", err
	}
	for _, name := range names {
		if !hostPattern.MatchString(name) {
			return nil, "", fmt.Errorf("%s is no name of a host", quote(name))
		}
	}
	return names, port, nil
}

// cutPort cuts off what follows the last colon outside of brackets. An IPv6 address
// with a port stands in brackets.
func cutPort(pattern string) (host, port string, err error) {
	if isIPv6(pattern) {
		return pattern, "", nil
	}
	if bracketsIPv6(pattern) {
		end := strings.IndexByte(pattern, ']')
		host, rest := pattern[1:end], pattern[end+1:]
		port, found := strings.CutPrefix(rest, ":")
		if rest != "" && (!found || port == "") {
			return "", "", fmt.Errorf("expected a colon and a port behind the address of %s", quote(pattern))
		}
		return host, port, nil
	}
	colon := strings.LastIndexByte(pattern, ':')
	if colon < 0 || colon < strings.LastIndexByte(pattern, ']') {
		return pattern, "", nil
	}
	if pattern[colon+1:] == "" {
		return "", "", fmt.Errorf("no port stands behind the colon of %s", quote(pattern))
	}
	return pattern[:colon], pattern[colon+1:], nil
}

// expandRanges takes the first range as the slowest, as Ansible does.
func expandRanges(pattern string, room int) ([]string, error) {
	names := []string{""}
	for left := pattern; left != ""; {
		literal, rest, found := strings.Cut(left, "[")
		steps := []string{literal}
		left = ""
		if found {
			inside, after, closed := strings.Cut(rest, "]")
			if !closed {
				return nil, fmt.Errorf("a [ is not closed in %s", quote(pattern))
			}
			values, err := expandRange(inside, room)
			if err != nil {
				return nil, err
			}
			steps = steps[:0]
			for _, v := range values {
				steps = append(steps, literal+v)
			}
			left = after
		}
		if len(names)*len(steps) > room {
			return nil, errTooMany
		}
		longer := make([]string, 0, len(names)*len(steps))
		for _, name := range names {
			for _, step := range steps {
				longer = append(longer, name+step)
			}
		}
		names = longer
	}
	return names, nil
}

// expandRange makes the values of first:last or first:last:step, letters or numbers. A
// first number with leading zeros says how many digits all have.
func expandRange(inside string, room int) ([]string, error) {
	bounds := strings.Split(inside, ":")
	if len(bounds) != 2 && len(bounds) != 3 {
		return nil, fmt.Errorf("range [%s] must be [first:last] or [first:last:step]", inside)
	}
	step := 1
	if len(bounds) == 3 {
		var ok bool
		if step, ok = number(bounds[2]); !ok || step == 0 {
			return nil, fmt.Errorf("the step of range [%s] must be a number above zero", inside)
		}
	}
	first, last, spell, err := rangeBounds(bounds[0], bounds[1])
	if err != nil {
		return nil, fmt.Errorf("range [%s] %w", inside, err)
	}
	if first > last {
		return nil, fmt.Errorf("range [%s] counts down", inside)
	}
	if (last-first)/step >= room {
		return nil, errTooMany
	}
	var values []string
	for i := first; i <= last; i += step {
		values = append(values, spell(i))
	}
	return values, nil
}

func rangeBounds(from, to string) (first, last int, spell func(int) string, err error) {
	if letter(from) && letter(to) {
		if (from[0] >= 'a') != (to[0] >= 'a') {
			return 0, 0, nil, fmt.Errorf("mixes small and capital letters")
		}
		return int(from[0]), int(to[0]), func(i int) string { return string(rune(i)) }, nil
	}
	if from == "" {
		from = "0"
	}
	first, ok := number(from)
	last, ok2 := number(to)
	if !ok || !ok2 {
		return 0, 0, nil, fmt.Errorf("must go from number to number, or from letter to letter")
	}
	width := 0
	if len(from) > 1 && from[0] == '0' {
		if width = len(from); width != len(to) {
			return 0, 0, nil, fmt.Errorf("must have as many digits at both ends, as its first has leading zeros")
		}
	}
	return first, last, func(i int) string { return fmt.Sprintf("%0*d", width, i) }, nil
}

func letter(text string) bool {
	return len(text) == 1 && (text[0] >= 'a' && text[0] <= 'z' || text[0] >= 'A' && text[0] <= 'Z')
}

func number(text string) (int, bool) {
	if text == "" || len(text) > 9 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}
