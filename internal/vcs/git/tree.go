package git

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// Changes lists what differs between two trees, as stored.
func (r *Repository) Changes(ctx context.Context, from, to string) ([]rollcall.TreeChange, error) {
	if from == "" {
		return r.list(ctx, to)
	}
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	return r.compare(ctx, from, to)
}

func (r *Repository) list(ctx context.Context, tree string) ([]rollcall.TreeChange, error) {
	out, err := r.git(ctx, "ls-tree", "-r", "-z", "--full-tree", tree)
	if err != nil {
		return nil, err
	}
	// mode SP type SP blob TAB path NUL
	var changes []rollcall.TreeChange
	for len(out) > 0 {
		record, rest, _ := bytes.Cut(out, []byte{0})
		out = rest
		head, name, ok := strings.Cut(string(record), "\t")
		fields := strings.Fields(head)
		if !ok || len(fields) != 3 {
			return nil, fmt.Errorf("git ls-tree: cannot read %q", record)
		}
		entry, err := treeEntry(name, fields[0], fields[2])
		if err != nil {
			return nil, err
		}
		changes = append(changes, rollcall.TreeChange{Path: name, New: entry})
	}
	return changes, nil
}

func treeEntry(name, mode, blob string) (*rollcall.TreeEntry, error) {
	e := &rollcall.TreeEntry{Path: name, Blob: blob}
	switch mode {
	case "100644", "100664": // 100664 stands in very old repositories
		e.Type = rollcall.TypeFile
	case "100755":
		e.Type = rollcall.TypeExecutable
	case "120000":
		e.Type = rollcall.TypeLink
	case "160000":
		e.Module = true
	default:
		return nil, fmt.Errorf("git: %q has the mode %s", name, mode)
	}
	return e, nil
}

// Blobs streams contents out of git.
func (r *Repository) Blobs(ctx context.Context, blobs []string, fn func(i int, size int64, content io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	return lacks(r.objects.read(ctx, teamFor(len(blobs)), blobs, func(i int, one *object) error {
		if one.kind != "blob" {
			return fmt.Errorf("git cat-file: %s is a %s and no blob", blobs[i], one.kind)
		}
		return fn(i, one.size, one.content)
	}))
}
