package svn

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/rollcall-dev/rollcall"
)

// listing is a tree: everything in it but folders, in the order of the paths.
type listing []rollcall.TreeEntry

const moduleType = 'm'

// text is the listing's stored form, whose hash is its name: a line an entry, with its
// type, its blob and its path. Subversion allows no control character in a path.
func (l listing) text() (string, error) {
	var b strings.Builder
	for _, e := range l {
		kind := byte(e.Type)
		if e.Module {
			kind = moduleType
		}
		if strings.ContainsAny(e.Path, "\n\r\x00") || strings.ContainsAny(e.Blob, " \n") {
			return "", fmt.Errorf("the path %q can't be kept", e.Path)
		}
		fmt.Fprintf(&b, "%c %s %s\n", kind, e.Blob, e.Path)
	}
	return b.String(), nil
}

func (l listing) sort() {
	slices.SortFunc(l, func(a, b rollcall.TreeEntry) int { return strings.Compare(a.Path, b.Path) })
}

// keep stores a listing and gives its name.
func (r *Repository) keep(l listing) (string, error) {
	l.sort()
	text, err := l.text()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(text))
	id := hex.EncodeToString(sum[:20])
	file := r.treePath(id)
	if _, err := os.Stat(file); err == nil {
		return id, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", fmt.Errorf("keep a tree: %w", err)
	}
	if err := renameio.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("keep a tree: %w", err)
	}
	return id, nil
}

func (r *Repository) treePath(id string) string { return filepath.Join(r.dir, "trees", id) }

func (r *Repository) has(tree string) bool {
	_, err := os.Stat(r.treePath(tree))
	return err == nil
}

// listing reads a kept one. The empty name is the empty tree.
func (r *Repository) listing(id string) (listing, error) {
	if id == "" {
		return nil, nil
	}
	if b, err := hex.DecodeString(id); err != nil || len(b) != 20 {
		return nil, rollcall.Errorf(rollcall.KindNotFound, "%q is not the name of a tree", rollcall.Printable(id))
	}
	file, err := os.Open(r.treePath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, rollcall.Errorf(rollcall.KindNotFound, "the tree %s is not known here", id[:10]).
			WithHint("what was read of the repository was taken away; name the revision once more")
	}
	if err != nil {
		return nil, fmt.Errorf("read a tree: %w", err)
	}
	defer file.Close()
	var l listing
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		blob, name, ok := strings.Cut(rest, " ")
		if !ok || len(kind) != 1 {
			return nil, fmt.Errorf("read the tree %s: it is damaged", id)
		}
		e := rollcall.TreeEntry{Path: name, Blob: blob, Type: rollcall.EntryType(kind[0])}
		if kind[0] == moduleType {
			e.Type, e.Module = 0, true
		}
		l = append(l, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the tree %s: %w", id, err)
	}
	return l, nil
}

// compare lists what differs between two listings, in the order of the paths.
func compare(from, to listing) []rollcall.TreeChange {
	var changes []rollcall.TreeChange
	for len(from) > 0 || len(to) > 0 {
		switch {
		case len(to) == 0 || len(from) > 0 && from[0].Path < to[0].Path:
			changes = append(changes, rollcall.TreeChange{Path: from[0].Path})
			from = from[1:]
		case len(from) == 0 || to[0].Path < from[0].Path:
			changes = append(changes, rollcall.TreeChange{Path: to[0].Path, New: &to[0]})
			to = to[1:]
		default:
			if from[0] != to[0] {
				changes = append(changes, rollcall.TreeChange{Path: to[0].Path, New: &to[0]})
			}
			from, to = from[1:], to[1:]
		}
	}
	return changes
}
