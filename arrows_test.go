package rollcall_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rollcall-dev/rollcall"

// leaves are what both ends of a wire must agree on or do alike, and what knows nothing else.
var leaves = []string{"internal/pack", "internal/proc", "internal/wire", "internal/version"}

// alone lists, for a place that may import more than the root and the leaves, what more.
var alone = map[string][]string{
	"cmd/rollcall":             {"internal/app", "internal/view", "internal/demo", "internal/site"},
	"cmd/rollcall-node":        {"internal/node"},
	"internal/fleet/ssh":       {},
	"internal/fleet/fleettest": {"internal/node", "internal/fleet"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

// The arrows of docs/way-of-a-change.md: the root imports the standard library only; a
// capability or a driver imports the root and the leaves; only app imports them all.
func TestImportArrows(t *testing.T) {
	var out bytes.Buffer
	c := exec.Command("go", "list", "-json=ImportPath,Imports,Standard", "-deps", "./...")
	c.Stdout = &out
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	standard := map[string]bool{}
	var ours []listed
	for d := json.NewDecoder(&out); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.Standard {
			standard[p.ImportPath] = true
		}
		if p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/") {
			ours = append(ours, p)
		}
	}
	if len(ours) < 15 {
		t.Fatalf("go list found %d packages: the test looks in the wrong place", len(ours))
	}
	for _, p := range ours {
		place := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		for _, imported := range p.Imports {
			inner, isOurs := strings.CutPrefix(imported, module+"/")
			switch {
			case place == "":
				if !standard[imported] {
					t.Errorf("the root imports %s", imported)
				}
			case !isOurs, place == "internal/app", strings.HasPrefix(place, "bench"), strings.HasPrefix(place, "test/"):
			case slices.Contains(leaves, place):
				t.Errorf("the leaf %s imports %s", place, inner)
			case slices.Contains(leaves, inner), slices.Contains(alone[place], inner):
			default:
				t.Errorf("%s imports %s: a capability knows the root and no other capability", place, inner)
			}
		}
	}
}
