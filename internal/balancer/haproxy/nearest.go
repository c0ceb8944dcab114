package haproxy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// hintOf lists what a name that HAProxy does not have may have meant.
func hintOf[T any](what, name string, known map[string]T) string {
	near := nearest(name, known)
	if len(near) == 0 {
		return "it has none at all"
	}
	of := "it has"
	if len(near) < len(known) {
		of = "the nearest that it has are"
	}
	for i, n := range near {
		near[i] = rollcall.Printable(n)
	}
	return fmt.Sprintf("%s %s; correct %s: in drain", of, strings.Join(near, ", "), what)
}

// nearestListed is how many names a hint lists.
const nearestListed = 5

// nearest lists the names most like one, all where they are few.
func nearest[T any](name string, known map[string]T) []string {
	type near struct {
		name string
		d    int
	}
	all := make([]near, 0, len(known))
	for n := range known {
		all = append(all, near{n, distance(name, n)})
	}
	slices.SortFunc(all, func(a, b near) int {
		if a.d != b.d {
			return a.d - b.d
		}
		return strings.Compare(a.name, b.name)
	})
	var names []string
	for _, n := range all[:min(len(all), nearestListed)] {
		names = append(names, n.name)
	}
	return names
}

// distance counts the letters to insert, drop or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
