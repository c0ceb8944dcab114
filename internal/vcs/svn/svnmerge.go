package svn

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// parseSvnmerge reads what svnmerge.py kept: heads with white space between them, each
// PATH:RANGES, where PATH is one of this repository or uuid://UUID/PATH. What is of
// another repository, or can't be read, is none of ours.
func parseSvnmerge(text, uuid string) mergeinfo {
	all := mergeinfo{}
	for _, head := range strings.Fields(text) {
		if rest, ok := strings.CutPrefix(head, "uuid://"); ok {
			id, path, _ := strings.Cut(rest, "/")
			if id != uuid {
				continue
			}
			head = "/" + path
		}
		one, err := parseHeads([]string{head})
		if err != nil {
			continue
		}
		all = all.union(one)
	}
	return all
}

// rewriteSvnmerge makes a value say what all says, and leaves alone what is none of ours.
func rewriteSvnmerge(value, uuid string, all mergeinfo) string {
	var heads []string
	for _, head := range strings.Fields(value) {
		if len(parseSvnmerge(head, uuid)) == 0 {
			heads = append(heads, head)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(all)) {
		heads = append(heads, fmt.Sprintf("%s:%s", path, all[path]))
	}
	return strings.Join(heads, " ")
}
