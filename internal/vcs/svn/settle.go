package svn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"

	"github.com/rollcall-dev/rollcall"
)

// settle does what was decided for every conflict. Where there is one without a
// decision, nothing is done, and all those are given.
func (b *bench) settle(ctx context.Context, step rollcall.DeskStep, clashes []*clash, resolved []rollcall.Resolution) ([]rollcall.Conflict, error) {
	if len(clashes) == 0 {
		return nil, nil
	}
	disputes, err := b.disputes(ctx, step, clashes)
	if err != nil {
		return nil, err
	}
	var left []rollcall.Conflict
	decided := make([]*rollcall.Resolution, len(disputes))
	for i, d := range disputes {
		decided[i] = d.Decided(resolved)
		switch {
		case decided[i] != nil:
		case d.settled:
			decided[i] = &rollcall.Resolution{Take: rollcall.TakeTheirs}
		default:
			left = append(left, d.Conflict)
		}
	}
	if len(left) > 0 {
		return left, nil
	}
	for _, c := range clashes {
		if err := b.calm(ctx, c); err != nil {
			return nil, err
		}
	}
	for i, d := range disputes {
		if err := b.decide(ctx, d, decided[i]); err != nil {
			return nil, fmt.Errorf("resolve %s: %w", rollcall.Printable(d.Path), err)
		}
	}
	return nil, nil
}

// calm has svn take a conflict for settled, with whatever stands there.
func (b *bench) calm(ctx context.Context, c *clash) error {
	if c.props {
		if err := b.mergeLedger(ctx, c); err != nil {
			return err
		}
	}
	_, err := b.client.svnIn(ctx, b.wc, "resolve", []string{"-q", "--accept", "working"}, at(c.path, 0))
	return err
}

// mergeLedger merges svn:mergeinfo itself: nobody should have to decide on that.
func (b *bench) mergeLedger(ctx context.Context, c *clash) error {
	base, theirs, mine, err := b.threeProps(ctx, c)
	if err != nil {
		return err
	}
	var info [3]mergeinfo
	for i, p := range []properties{base, theirs, mine} {
		if info[i], err = parseMergeinfo(p[propMergeinfo]); err != nil {
			return err
		}
	}
	merged := info[2].union(info[1].without(info[0])).without(info[0].without(info[1]))
	want := properties{}
	if text := merged.String(); text != "" {
		want[propMergeinfo] = text
	}
	if text := info[2].String(); text == want[propMergeinfo] {
		return nil
	}
	return b.setProperty(ctx, c.path, propMergeinfo, mine, want)
}

func (b *bench) decide(ctx context.Context, d *dispute, r *rollcall.Resolution) error {
	var want *rollcall.ConflictSide
	switch {
	case r.Take == rollcall.TakeTheirs:
		want = d.Theirs
	case r.Take == rollcall.TakeProduction:
		want = d.Production
	case r.Take != rollcall.TakeFile:
		return rollcall.Errorf(rollcall.KindInvalid, "%q can't be taken", r.Take)
	case !r.Delete:
		want = &rollcall.ConflictSide{Type: r.Type, Content: r.Content}
	}
	if d.Property != "" {
		return b.decideProperty(ctx, d, want)
	}
	switch {
	case want == nil:
		return b.remove(ctx, d.Path)
	case want.Type == rollcall.TypeFolder && want == d.Production:
		return nil // it stands there
	case want.Type == rollcall.TypeFolder && want == d.Theirs:
		return b.replace(ctx, d.Path, d.from)
	case want.Type == rollcall.TypeFolder:
		return rollcall.Errorf(rollcall.KindInvalid, "a conflict can't be resolved with a new folder")
	}
	if want.Type == 0 {
		want.Type = likelyType(d)
	}
	return b.place(ctx, d, want)
}

// likelyType is what a content is that nobody said it of.
func likelyType(d *dispute) rollcall.EntryType {
	for _, side := range []*rollcall.ConflictSide{d.Theirs, d.Production, d.Base} {
		if side != nil && side.Type != rollcall.TypeFolder {
			return side.Type
		}
	}
	return rollcall.TypeFile
}

func (b *bench) decideProperty(ctx context.Context, d *dispute, want *rollcall.ConflictSide) error {
	all, err := b.client.properties(ctx, b.wc, false, at(d.Path, 0))
	if err != nil {
		return err
	}
	wanted := maps.Clone(all[d.Path])
	delete(wanted, d.Property)
	if want != nil {
		if wanted == nil {
			wanted = properties{}
		}
		wanted[d.Property] = string(want.Content)
	}
	return b.setProperty(ctx, d.Path, d.Property, all[d.Path], wanted)
}

// remove takes a path away.
func (b *bench) remove(ctx context.Context, name string) error {
	there, err := b.versioned(ctx, name)
	if err != nil || there == "" {
		return err
	}
	_, err = b.client.svnIn(ctx, b.wc, "remove", []string{"-q", "--force"}, at(name, 0))
	return err
}

// versioned tells what svn has at a path: file, dir, or nothing.
func (b *bench) versioned(ctx context.Context, name string) (kind string, err error) {
	nodes, err := b.client.info(ctx, b.wc, false, at(name, 0))
	if complains(err, "155010", "200009") {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if len(nodes) != 1 || nodes[0].Schedule == "delete" {
		return "", nil
	}
	return nodes[0].Kind, nil
}

// replace puts a version at a path, with everything in it.
func (b *bench) replace(ctx context.Context, name string, v version) error {
	if err := b.remove(ctx, name); err != nil {
		return err
	}
	if err := b.makeParents(ctx, name); err != nil {
		return err
	}
	if _, err := b.client.svnIn(ctx, b.wc, "copy", []string{"-q", "--ignore-externals"}, at(join(b.root, v.Path), v.Revision), name); err != nil {
		return err
	}
	// The copy brings its origin's mergeinfo, and would be a part with a ledger of its own.
	_, err := b.client.svnIn(ctx, b.wc, "propdel", []string{"-q", "-R", propMergeinfo}, at(name, 0))
	return err
}

func (b *bench) makeParents(ctx context.Context, name string) error {
	folder := path.Dir(name)
	if folder == "." {
		return nil
	}
	kind, err := b.versioned(ctx, folder)
	if err != nil || kind == "dir" {
		return err
	}
	if kind != "" {
		return rollcall.Errorf(rollcall.KindRefused, "%s is a file on %s, and nothing can be put below it", rollcall.Printable(folder), b.target)
	}
	if err := b.makeParents(ctx, folder); err != nil {
		return err
	}
	_, err = b.client.svnIn(ctx, b.wc, "mkdir", []string{"-q"}, at(folder, 0))
	return err
}

// place puts a content at a path so that what is stored of it is that content.
func (b *bench) place(ctx context.Context, d *dispute, want *rollcall.ConflictSide) error {
	kind, err := b.versioned(ctx, d.Path)
	if err != nil {
		return err
	}
	if kind == "dir" {
		if err := b.remove(ctx, d.Path); err != nil {
			return err
		}
		kind = ""
	}
	if kind == "" {
		if err := b.makeParents(ctx, d.Path); err != nil {
			return err
		}
		if d.Theirs != nil && d.from.Kind == "file" { // with its history and its properties
			if err := b.replace(ctx, d.Path, d.from); err != nil {
				return err
			}
			kind = "file"
		}
	}
	all := map[string]properties{}
	if kind != "" {
		if all, err = b.client.properties(ctx, b.wc, false, at(d.Path, 0)); err != nil {
			return err
		}
	}
	now := all[d.Path]
	if err := b.write(d.Path, want, now[propEOL]); err != nil {
		return err
	}
	if kind == "" {
		if _, err := b.client.svnIn(ctx, b.wc, "add", []string{"-q", "--no-ignore", "--no-auto-props"}, at(d.Path, 0)); err != nil {
			return err
		}
		if all, err = b.client.properties(ctx, b.wc, false, at(d.Path, 0)); err != nil {
			return err
		}
		now = all[d.Path]
	}
	return b.setType(ctx, d.Path, want.Type, now)
}

// write puts a content on the disk. Nothing of the path above it may be a link.
func (b *bench) write(name string, want *rollcall.ConflictSide, eol string) error {
	root, err := os.OpenRoot(b.wc)
	if err != nil {
		return fmt.Errorf("write on the bench: %w", err)
	}
	defer root.Close()
	file := filepath.FromSlash(name)
	if err := root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write on the bench: %w", err)
	}
	if want.Type == rollcall.TypeLink {
		err = root.Symlink(string(want.Content), file)
	} else {
		err = root.WriteFile(file, lineEnds(want.Content, eol), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write on the bench: %w", err)
	}
	return nil
}

// lineEnds makes all line ends those that svn:eol-style asks for: svn refuses to commit
// a file that mixes them.
func lineEnds(content []byte, style string) []byte {
	var end string
	switch style {
	case "native", "LF":
		end = "\n"
	case "CRLF":
		end = "\r\n"
	case "CR":
		end = "\r"
	default:
		return content
	}
	content = bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n"))
	content = bytes.ReplaceAll(content, []byte("\r"), []byte("\n"))
	return bytes.ReplaceAll(content, []byte("\n"), []byte(end))
}

// setType makes a file executable, or a link, or neither.
func (b *bench) setType(ctx context.Context, name string, kind rollcall.EntryType, now properties) error {
	want := properties{}
	switch kind {
	case rollcall.TypeExecutable:
		want[propExecutable] = "*"
	case rollcall.TypeLink:
		want[propSpecial] = "*"
	}
	for _, property := range []string{propExecutable, propSpecial} {
		_, has := now[property]
		if _, wanted := want[property]; has == wanted {
			continue
		}
		if err := b.setProperty(ctx, name, property, now, want); err != nil {
			return err
		}
	}
	return nil
}
