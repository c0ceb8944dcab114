package svn

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// clash is a path of the bench where svn merge could not go on.
type clash struct {
	path              string
	text, props, tree bool
	action            string  // of a tree's: what comes in: edit, add, delete
	left, right       version // between which the change that comes lies
	mine              string  // the file that holds what stood there; empty: the path itself
}

// version is a path of the repository as of a revision.
type version struct {
	Side     string `xml:"side,attr"`
	Kind     string `xml:"kind,attr"` // file, dir, none
	Path     string `xml:"path-in-repos,attr"`
	Revision int64  `xml:"revision,attr"`
}

func (v version) isThere() bool { return v.Kind == "file" || v.Kind == "dir" }

// clashes asks the working copy for what conflicts: svn merge itself ends well with it.
func (b *bench) clashes(ctx context.Context) ([]*clash, error) {
	all, err := b.client.status(ctx, b.wc)
	if err != nil {
		return nil, err
	}
	var targets []string
	for _, one := range all {
		if one.Status.Item == "conflicted" || one.Status.Props == "conflicted" || one.Status.Conflict {
			targets = append(targets, at(one.Path, 0))
		}
	}
	return b.inspect(ctx, targets)
}

func (b *bench) inspect(ctx context.Context, targets []string) ([]*clash, error) {
	type entry struct {
		Path      string `xml:"path,attr"`
		Conflicts []struct {
			Type     string    `xml:"type,attr"`
			Versions []version `xml:"version"`
			Mine     string    `xml:"prev-wc-file"`
		} `xml:"conflict"`
		Trees []struct {
			Action   string    `xml:"action,attr"`
			Versions []version `xml:"version"`
		} `xml:"tree-conflict"`
	}
	var found []*clash
	for some := range slices.Chunk(targets, 500) {
		one := command{verb: "info", options: []string{"--xml"}, targets: some, dir: b.wc}
		err := b.client.stream(ctx, one, func(r io.Reader) error {
			return elements(r, "entry", func(e *entry) error {
				c := &clash{path: e.Path}
				for _, one := range e.Conflicts {
					c.text, c.props = c.text || one.Type == "text", c.props || one.Type == "property"
					if one.Type == "text" {
						c.mine = one.Mine
					}
					c.sides(one.Versions)
				}
				for _, one := range e.Trees {
					c.tree, c.action = true, one.Action
					c.sides(one.Versions)
				}
				found = append(found, c)
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (c *clash) sides(versions []version) {
	for _, v := range versions {
		v.Path = "/" + v.Path
		if v.Side == "source-left" {
			c.left = v
		} else {
			c.right = v
		}
	}
}

// dispute is a conflict with what it takes to settle it.
type dispute struct {
	rollcall.Conflict
	from    version   // where what comes in can be copied from
	settled bool      // what comes in stands in nobody's way
	renamed *renaming // a side has it under another name
}

// renaming is a name, and which one each side gives to what had it. Empty: none.
type renaming struct{ was, mine, theirs string }

// disputes tells what a person has to decide.
func (b *bench) disputes(ctx context.Context, step rollcall.DeskStep, clashes []*clash) ([]*dispute, error) {
	s, err := b.speaker(ctx, step)
	if err != nil {
		return nil, err
	}
	defer s.book.close()
	var all []*dispute
	for _, c := range clashes {
		var some []*dispute
		var err error
		switch {
		case c.tree:
			some, err = s.treeDisputes(ctx, c)
		case c.text:
			some, err = s.fileDispute(ctx, c.path, c.left, c.right, c.mine)
		}
		if err == nil && c.props {
			var more []*dispute
			more, err = b.propDisputes(ctx, c)
			some = append(some, more...)
		}
		if err != nil {
			return nil, fmt.Errorf("look at the conflict of %s: %w", rollcall.Printable(c.path), err)
		}
		all = append(all, some...)
	}
	all = once(all)
	slices.SortStableFunc(all, func(a, b *dispute) int { return strings.Compare(a.Path, b.Path) })
	for _, d := range all {
		if d.Words, err = s.words(ctx, d); err != nil {
			return nil, err
		}
		if before := b.calledBefore(d.Path); before != "" && d.Production != nil && d.Property == "" {
			d.Production.Path = before
			d.Words += fmt.Sprintf("; %s renamed it, from %s", s.who, rollcall.Printable(before))
		}
	}
	return all, nil
}

// once leaves out what a renaming says of a path that is in dispute anyway.
func once(all []*dispute) []*dispute {
	own := map[string]bool{}
	for _, d := range all {
		own[d.Path] = own[d.Path] || d.Property == "" && (d.renamed == nil || d.renamed.was == d.Path)
	}
	return slices.DeleteFunc(all, func(d *dispute) bool { return d.renamed != nil && d.renamed.was != d.Path && own[d.Path] })
}

// fileDispute is that of one path with all its sides.
func (s *speaker) fileDispute(ctx context.Context, path string, left, right version, mine string) ([]*dispute, error) {
	b, d := s.bench, &dispute{from: right}
	d.Path = path
	var err error
	if d.Base, err = b.side(ctx, left); err != nil {
		return nil, err
	}
	if d.Theirs, err = b.side(ctx, right); err != nil {
		return nil, err
	}
	if d.Production, err = b.mine(ctx, path, mine); err != nil {
		return nil, err
	}
	if d.Theirs == nil {
		return s.renamedDisputes(ctx, d, left, right)
	}
	// Both came to the same, though Subversion does not look.
	d.settled = sameSide(d.Production, d.Theirs) && d.Theirs.Type != rollcall.TypeFolder
	return []*dispute{d}, nil
}

// renamedDisputes are those of a path that is gone in what comes in: deleted, or moved. To
// Subversion a move is a removal and a copy that are not held together, so what the target
// has under another name would stay beside what comes.
func (s *speaker) renamedDisputes(ctx context.Context, d *dispute, left, right version) ([]*dispute, error) {
	b, n := s.bench, &renaming{was: d.Path}
	var err error
	if n.theirs, err = s.incoming(ctx, d.Path, left, right, s.back); err != nil {
		return nil, err
	}
	d.renamed = n
	if d.Production != nil {
		return []*dispute{d}, nil
	}
	var mine *rollcall.ConflictSide
	if n.mine, err = s.mine(ctx, b, d.Path, left); err == nil && n.mine != "" {
		mine, err = b.mine(ctx, n.mine, "")
	}
	if err != nil {
		return nil, err
	}
	if mine == nil {
		n.mine = "" // a step before took it away
	}
	d.settled = n.mine == n.theirs
	all := []*dispute{d}
	if n.mine == "" != (n.theirs == "") { // nobody has it at the old path
		all = nil
	}
	other := func(path string) *dispute {
		one := &dispute{renamed: n}
		if one.Path = path; len(all) == 0 {
			one.Base = d.Base
		}
		return one
	}
	if n.theirs != "" && !d.settled {
		one := other(n.theirs)
		one.from = version{Kind: left.Kind, Path: strings.TrimSuffix(right.Path, d.Path) + n.theirs, Revision: right.Revision}
		if one.Theirs, err = b.side(ctx, one.from); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if n.mine != "" && !d.settled {
		one := other(n.mine)
		one.Production = mine
		all = append(all, one)
	}
	return all, nil
}

func sameSide(a, b *rollcall.ConflictSide) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Type == b.Type && bytes.Equal(a.Content, b.Content)
}

// treeDisputes are those of a path that is not there, or not what the change is for. A
// folder's are those of the files in it, where each can be decided alone.
func (s *speaker) treeDisputes(ctx context.Context, c *clash) ([]*dispute, error) {
	b := s.bench
	mine, err := b.mine(ctx, c.path, c.mine)
	if err != nil {
		return nil, err
	}
	isFolder := mine != nil && mine.Type == rollcall.TypeFolder
	switch {
	case c.action == "edit" && c.left.Kind == "dir" && c.right.Kind == "dir" && mine == nil:
	case c.action == "add" && c.right.Kind == "dir" && isFolder:
		c.left = version{}
	default:
		return s.fileDispute(ctx, c.path, c.left, c.right, c.mine)
	}
	files, err := b.filesBetween(ctx, c.left, c.right)
	if err != nil {
		return nil, err
	}
	var all []*dispute
	for _, f := range files {
		some, err := s.fileDispute(ctx, c.path+"/"+f.name, f.left, f.right, "")
		if err != nil {
			return nil, err
		}
		// A new file in a folder that both have is in nobody's way.
		if one := some[0]; one.Base == nil && one.Production == nil && isFolder {
			one.settled = true
		}
		all = append(all, some...)
	}
	return all, nil
}

// fileBetween is a file below a folder that differs between two versions of it.
type fileBetween struct {
	name        string
	left, right version
}

// filesBetween lists the files that differ between two versions of a folder. Without a
// left one it is all that the right one has.
func (b *bench) filesBetween(ctx context.Context, left, right version) ([]fileBetween, error) {
	var all []fileBetween
	below := func(v version, name string) version {
		return version{Kind: "file", Path: v.Path + "/" + name, Revision: v.Revision}
	}
	if !left.isThere() {
		nodes, err := b.client.info(ctx, "", true, at(join(b.root, right.Path), right.Revision))
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			name, err := nameBelow(n.URL, join(b.root, right.Path))
			if err != nil {
				return nil, err
			}
			if n.Kind == "file" {
				all = append(all, fileBetween{name: name, right: below(right, name)})
			}
		}
		return all, nil
	}
	type path struct {
		Item string `xml:"item,attr"`
		Kind string `xml:"kind,attr"`
		URL  string `xml:",chardata"`
	}
	from := join(b.root, left.Path)
	one := command{
		verb: "diff", options: []string{"--summarize", "--xml"},
		targets: []string{at(from, left.Revision), at(join(b.root, right.Path), right.Revision)},
	}
	err := b.client.stream(ctx, one, func(r io.Reader) error {
		return elements(r, "path", func(p *path) error {
			name, err := nameBelow(p.URL, from)
			if err != nil || p.Kind != "file" {
				return err
			}
			f := fileBetween{name, below(left, name), below(right, name)}
			switch p.Item {
			case "added":
				f.left.Kind = "none"
			case "deleted":
				f.right.Kind = "none"
			}
			all = append(all, f)
			return nil
		})
	})
	return all, err
}

// nameBelow is a URL's path below a folder's.
func nameBelow(url, folder string) (string, error) {
	if url == folder {
		return "", nil
	}
	name, ok := strings.CutPrefix(url, folder+"/")
	if !ok {
		return "", fmt.Errorf("svn names %q, which is not in %q", rollcall.Printable(url), folder)
	}
	return unescape(name)
}

// side reads a version as it is stored.
func (b *bench) side(ctx context.Context, v version) (*rollcall.ConflictSide, error) {
	switch v.Kind {
	case "file":
	case "dir":
		return &rollcall.ConflictSide{Type: rollcall.TypeFolder}, nil
	default:
		return nil, nil
	}
	props, err := b.propertiesAt(ctx, v.Path, v.Revision)
	if err != nil {
		return nil, err
	}
	content, err := b.client.svn(ctx, "cat", []string{"--ignore-keywords"}, at(join(b.root, v.Path), v.Revision))
	if err != nil {
		return nil, err
	}
	s := &rollcall.ConflictSide{Type: rollcall.TypeFile, Content: content}
	if _, ok := props[propExecutable]; ok {
		s.Type = rollcall.TypeExecutable
	}
	if _, ok := props[propSpecial]; ok {
		if target, ok := bytes.CutPrefix(content, []byte(linkPrefix)); ok {
			s.Type, s.Content = rollcall.TypeLink, target
		}
	}
	return s, nil
}

// mine reads what stands at a path of the bench, or stood there before the merge, as it
// would be stored.
func (b *bench) mine(ctx context.Context, path, before string) (*rollcall.ConflictSide, error) {
	file := filepath.Join(b.wc, filepath.FromSlash(path))
	if before != "" && before != file {
		// svn names it. What it names must be beside the file.
		if filepath.Dir(before) != filepath.Dir(file) {
			return nil, fmt.Errorf("svn keeps %s at an unlikely place: %s", rollcall.Printable(path), rollcall.Printable(before))
		}
		if err := os.Rename(before, file); err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("look at a conflict: %w", err)
		}
	}
	info, err := os.Lstat(file)
	switch {
	case os.IsNotExist(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look at a conflict: %w", err)
	case info.IsDir():
		return &rollcall.ConflictSide{Type: rollcall.TypeFolder}, nil
	}
	all, err := b.client.properties(ctx, b.wc, false, at(path, 0))
	if err != nil {
		return nil, err
	}
	e := rollcall.TreeEntry{Path: path, Type: rollcall.TypeFile}
	if executable, err := b.wasExecutable(ctx, path, all[path]); err != nil {
		return nil, err
	} else if executable {
		e.Type = rollcall.TypeExecutable
	}
	f := &freezing{Repository: b.Repository, wc: b.wc}
	if err := f.keepWorked(ctx, &e, all[path]); err != nil {
		return nil, err
	}
	s := &rollcall.ConflictSide{Type: e.Type}
	err = b.blob(ctx, e.Blob, func(_ int64, r io.Reader) error {
		s.Content, err = io.ReadAll(r)
		return err
	})
	return s, err
}

// wasExecutable tells whether a file was executable before the merge, which may have made
// it so without a conflict.
func (b *bench) wasExecutable(ctx context.Context, path string, now properties) (bool, error) {
	if own, ok := b.state[path]; ok {
		return strings.Contains(own, "\x00"+propExecutable+"="), nil
	}
	all, err := b.client.properties(ctx, b.wc, false, path+"@BASE")
	if complains(err, "200009", "195002", "155010") { // it came with an earlier step
		_, ok := now[propExecutable]
		return ok, nil
	}
	if err != nil {
		return false, err
	}
	_, ok := all[path][propExecutable]
	return ok, nil
}

// propDisputes compares each property of the three sides: svn info does not tell which
// of them conflict.
func (b *bench) propDisputes(ctx context.Context, c *clash) ([]*dispute, error) {
	base, theirs, mine, err := b.threeProps(ctx, c)
	if err != nil {
		return nil, err
	}
	value := func(p properties, name string) *rollcall.ConflictSide {
		if v, ok := p[name]; ok {
			return &rollcall.ConflictSide{Content: []byte(v)}
		}
		return nil
	}
	var all []*dispute
	for _, name := range namesOf(base, theirs, mine) {
		if isLedger(c.path, name) {
			continue
		}
		d := &dispute{}
		d.Path, d.Property = c.path, name
		d.Base, d.Theirs, d.Production = value(base, name), value(theirs, name), value(mine, name)
		if sameSide(d.Base, d.Theirs) || sameSide(d.Base, d.Production) || sameSide(d.Theirs, d.Production) {
			continue
		}
		all = append(all, d)
	}
	return all, nil
}

func (b *bench) threeProps(ctx context.Context, c *clash) (base, theirs, mine properties, err error) {
	if c.left.isThere() {
		if base, err = b.propertiesAt(ctx, c.left.Path, c.left.Revision); err != nil {
			return nil, nil, nil, err
		}
	}
	if c.right.isThere() {
		if theirs, err = b.propertiesAt(ctx, c.right.Path, c.right.Revision); err != nil {
			return nil, nil, nil, err
		}
	}
	all, err := b.client.properties(ctx, b.wc, false, at(c.path, 0))
	return base, theirs, all[c.path], err
}

func namesOf(all ...properties) []string {
	var names []string
	for _, p := range all {
		for name := range p {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
