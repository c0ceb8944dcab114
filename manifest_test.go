package rollcall

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What Check finds in one pass is what comparing every path with every other finds.
func TestCheckAgainstAllPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		paths := rapid.SliceOf(rapid.StringOfN(rapid.SampledFrom([]rune("ab/.-\x01")), 0, 7, -1)).Draw(t, "paths")
		if rapid.Bool().Draw(t, "sorted") {
			slices.Sort(paths)
		}
		if rapid.Bool().Draw(t, "compact") {
			paths = slices.Compact(paths)
		}
		m := &Manifest{}
		good := true
		for i, p := range paths {
			m.Entries = append(m.Entries, Entry{Path: p, Type: TypeFile})
			if CheckPath(p) != nil {
				good = false
			}
			for j := range i {
				if paths[j] >= p || strings.HasPrefix(p, paths[j]+"/") {
					good = false
				}
			}
		}
		if err := m.Check(); (err == nil) != good {
			t.Errorf("%q: %v", paths, err)
		}
	})
}
