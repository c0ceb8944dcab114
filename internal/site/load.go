package site

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
	"go.yaml.in/yaml/v4"
)

const configFile = "rollcall.yaml"

// Load reads the site in a folder. Where anything in its files is wrong, the error is a
// rollcall.Mistakes with all of it, in the order of file, line and column; where there
// is no site at all, it is a rollcall.Error with a hint.
func Load(dir string) (*rollcall.Site, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, rollcall.Errorf(rollcall.KindInternal, "find the site's folder: %w", err)
	}
	text, err := readFile(filepath.Join(dir, configFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, rollcall.Errorf(rollcall.KindInvalid, "no %s in %s", configFile, dir).
			WithHint("run rollcall init, or name the site's folder with --site")
	case err != nil:
		return nil, rollcall.Mistakes{{File: configFile, Message: "cannot be read: " + err.Error()}}
	}
	l := &loader{dir: dir, inventories: map[string]inventoryFile{}}
	var site *rollcall.Site
	if d, ok := l.config(text); ok {
		site = l.site(d)
	}
	if len(l.mistakes) > 0 {
		return nil, inOrder(l.mistakes)
	}
	return site, nil
}

// loader is the reader of one site, and what it has read of other files.
type loader struct {
	reader
	dir         string
	inventories map[string]inventoryFile
}

// config reads rollcall.yaml by the rules that concern it alone.
func (r *reader) config(text []byte) (draft, bool) {
	root := r.document(text)
	if root == nil {
		return draft{}, false
	}
	top := &yaml.Node{Line: 1, Column: 1} // something missing at the top is told at the beginning
	return siteKind.read(r, value{owner: top, node: root})
}

// inOrder sorts mistakes, and tells one that several environments share once.
func inOrder(mistakes rollcall.Mistakes) rollcall.Mistakes {
	slices.SortStableFunc(mistakes, func(a, b rollcall.Mistake) int {
		return cmp.Or(
			strings.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			strings.Compare(a.Message, b.Message),
		)
	})
	return slices.Compact(mistakes)
}
