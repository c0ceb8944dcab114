package git

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

const (
	modeFile       = "100644"
	modeExecutable = "100755"
	modeLink       = "120000"
	modeTree       = "40000"
)

// stored is one entry of a tree object.
type stored struct {
	name, mode string
	id         string // its bytes
}

func (s *stored) hex() string { return hex.EncodeToString([]byte(s.id)) }

// folder is one that differs between two trees. An id is empty where it is only in the other.
type folder struct{ path, from, to string }

// comparison is one that was made.
type comparison struct {
	from, to string
	changes  []rollcall.TreeChange
}

// compare lists what differs between two trees, in the order of the paths. Who rolls one
// changeset asks twice, for what is in the release and for what the changeset changed,
// and gets the same list: nobody changes it.
func (r *Repository) compare(ctx context.Context, from, to string) ([]rollcall.TreeChange, error) {
	if from == to {
		return nil, nil
	}
	if last := r.compared.Load(); last != nil && last.from == from && last.to == to {
		return last.changes, nil
	}
	changes, err := r.compareTrees(ctx, from, to)
	if err == nil {
		r.compared.Store(&comparison{from, to, changes})
	}
	return changes, err
}

// compareTrees reads only trees that differ, those of one depth at once.
func (r *Repository) compareTrees(ctx context.Context, from, to string) ([]rollcall.TreeChange, error) {
	var changes []rollcall.TreeChange
	for differ := []folder{{"", from, to}}; len(differ) > 0; {
		trees, err := r.trees(ctx, differ)
		var missing *missingObject
		if errors.As(err, &missing) && missing.name == from {
			// What it was may have been a desk's, or in a mirror that is gone.
			return nil, rollcall.Errorf(rollcall.KindNotFound, "the tree %s is not in the repository", from)
		}
		if err != nil {
			return nil, lacks(err)
		}
		var below []folder
		for _, f := range differ {
			more, deeper, err := compareFolder(f.path, trees[f.from], trees[f.to])
			if err != nil {
				return nil, err
			}
			changes, below = append(changes, more...), append(below, deeper...)
		}
		differ = below
	}
	slices.SortStableFunc(changes, func(a, b rollcall.TreeChange) int { return strings.Compare(a.Path, b.Path) })
	return changes, nil
}

// trees reads the trees of folders, each once.
func (r *Repository) trees(ctx context.Context, folders []folder) (map[string][]stored, error) {
	trees := map[string][]stored{"": nil}
	var names []string
	for _, f := range folders {
		for _, id := range []string{f.from, f.to} {
			if _, ok := trees[id]; !ok {
				trees[id] = nil
				names = append(names, id)
			}
		}
	}
	err := r.objects.read(ctx, 1, names, func(i int, one *object) error {
		if one.kind != "tree" {
			return fmt.Errorf("git cat-file: %s is a %s and no tree", names[i], one.kind)
		}
		b, err := io.ReadAll(one.content)
		if err != nil {
			return err
		}
		trees[names[i]], err = parseTree(string(b), len(one.id)/2)
		return err
	})
	return trees, err
}

// parseTree reads a tree object: mode SP name NUL and the bytes of an id, again and again.
func parseTree(text string, idSize int) ([]stored, error) {
	var entries []stored
	for text != "" {
		head, rest, ok := strings.Cut(text, "\x00")
		mode, name, spaced := strings.Cut(head, " ")
		if !ok || !spaced || len(rest) < idSize {
			return nil, fmt.Errorf("git cat-file: a tree is damaged near %q", head)
		}
		entries = append(entries, stored{name: name, mode: plainMode(mode), id: rest[:idSize]})
		text = rest[idSize:]
	}
	return entries, nil
}

// plainMode gives files the two modes that count. Very old repositories have others, and
// write a tree's with a zero before it.
func plainMode(mode string) string {
	mode = strings.TrimPrefix(mode, "0")
	if len(mode) != len(modeFile) || !strings.HasPrefix(mode, "100") {
		return mode
	}
	if (mode[3]-'0')&1 != 0 {
		return modeExecutable
	}
	return modeFile
}

// compareFolder compares what stands in one folder, and tells which folders below differ.
func compareFolder(path string, from, to []stored) (changes []rollcall.TreeChange, below []folder, err error) {
	// Most folders differ in few places: what is the same before and after them is passed over.
	for len(from) > 0 && len(to) > 0 && from[0] == to[0] {
		from, to = from[1:], to[1:]
	}
	for len(from) > 0 && len(to) > 0 && from[len(from)-1] == to[len(to)-1] {
		from, to = from[:len(from)-1], to[:len(to)-1]
	}
	old := make(map[string]stored, len(from))
	for _, e := range from {
		old[e.name] = e
	}
	for _, e := range to {
		before, was := old[e.name]
		delete(old, e.name)
		if was && before.mode == e.mode && before.id == e.id {
			continue
		}
		name := path + e.name
		if e.mode == modeTree {
			f := folder{path: name + "/", to: e.hex()}
			if was && before.mode == modeTree {
				f.from = before.hex()
			} else if was {
				changes = append(changes, rollcall.TreeChange{Path: name})
			}
			below = append(below, f)
			continue
		}
		if was && before.mode == modeTree {
			below = append(below, folder{path: name + "/", from: before.hex()})
		}
		entry, err := treeEntry(name, e.mode, e.hex())
		if err != nil {
			return nil, nil, err
		}
		changes = append(changes, rollcall.TreeChange{Path: name, New: entry})
	}
	for _, e := range old {
		if e.mode == modeTree {
			below = append(below, folder{path: path + e.name + "/", from: e.hex()})
		} else {
			changes = append(changes, rollcall.TreeChange{Path: path + e.name})
		}
	}
	return changes, below, nil
}
