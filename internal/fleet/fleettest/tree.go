package fleettest

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/zeebo/blake3"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/pack"
)

// Tree is a release with its contents, for tests of what happens on nodes.
type Tree struct {
	ID       rollcall.ReleaseID
	Manifest *rollcall.Manifest
	contents map[string]string
}

// NewTree makes a release. A path that ends in "*" is executable, one that ends in "/"
// an empty folder; a content that begins with "-> " makes a link. Every file has the
// same time.
func NewTree(files map[string]string) *Tree {
	t := &Tree{Manifest: &rollcall.Manifest{}, contents: map[string]string{}}
	for name, content := range files {
		e := rollcall.Entry{Path: name, Type: rollcall.TypeFile, Mtime: 1_700_000_000}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			e.Type, e.Target = rollcall.TypeLink, target
		} else if folder, ok := strings.CutSuffix(name, "/"); ok {
			e.Type, e.Path = rollcall.TypeFolder, folder
		} else {
			if bare, ok := strings.CutSuffix(name, "*"); ok {
				e.Type, e.Path = rollcall.TypeExecutable, bare
			}
			e.Size, e.Hash = int64(len(content)), blake3.Sum256([]byte(content))
			t.contents[e.Path] = content
		}
		t.Manifest.Entries = append(t.Manifest.Entries, e)
	}
	slices.SortFunc(t.Manifest.Entries, func(a, b rollcall.Entry) int { return strings.Compare(a.Path, b.Path) })
	h := blake3.New()
	_ = t.Manifest.WriteName(h)
	t.ID = rollcall.ReleaseID(hex.EncodeToString(h.Sum(nil)))
	return t
}

// DeliverFrom makes what brings a node from one tree to this one. base may be nil.
func (t *Tree) DeliverFrom(base *Tree) rollcall.Delivery {
	old := &rollcall.Manifest{}
	d := rollcall.Delivery{Release: t.ID, Created: len(t.contents)}
	if base != nil {
		old, d.Base = base.Manifest, base.ID
	}
	b := t.pack(pack.AppendChanges(nil, old, t.Manifest), pack.Wants(old, t.Manifest), base)
	d.Size = int64(len(b))
	d.Pack = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	d.Missing = func(_ context.Context, paths []string) (io.ReadCloser, int64, error) {
		var wants []pack.Want
		for _, p := range paths {
			e := t.Manifest.Find(p)
			if e == nil {
				return nil, 0, fmt.Errorf("the node asked for %q", p)
			}
			wants = append(wants, pack.Want{Entry: e, How: pack.Content})
		}
		b := t.pack(nil, wants, nil)
		return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
	}
	return d
}

func (t *Tree) pack(changes []byte, wants []pack.Want, base *Tree) []byte {
	var buf bytes.Buffer
	w, err := pack.NewWriter(&buf, changes, 0)
	for _, want := range wants {
		if want.How != pack.Content || err != nil {
			continue
		}
		content := t.contents[want.Entry.Path]
		if want.From != nil && base != nil {
			err = w.Changed([]byte(base.contents[want.From.Path]), []byte(content))
		} else {
			err = w.Whole(int64(len(content)), strings.NewReader(content))
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // memory takes everything
	}
	return buf.Bytes()
}
