// Package pack is the form in which the contents of a release travel: the changes of
// the manifest, and then only what the node does not have, in one compressed stream.
// The controller writes a pack once for every pair of releases; each node reads it.
//
// Both sides derive from the two manifests what the pack holds (Wants), so that
// nothing is said twice:
//
//	zstd( "rcp1" length changes { method content }* )
//
// A content is whole, or a delta against the old file of the same path, or the same as
// an earlier content of the pack.
package pack

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

const magic = "rcp1"

// method tells how a content is written.
type method byte

const (
	methodWhole method = 1 // its bytes
	methodDelta method = 2 // operations against the old file of the same path
	methodSame  method = 3 // the number of an earlier content
)

// How tells where a file of the new release gets its content.
type How byte

// The ways to lay a file.
const (
	Link    How = iota // hard link to the base's file: nothing of it differs
	Copy               // copy of the base's file: its mode or mtime differs
	Content            // from the pack
)

// Want is what a file of the new release needs.
type Want struct {
	Entry *rollcall.Entry // of the new release
	How   How
	From  *rollcall.Entry // of the base: what to link or copy, or the old file of the same path, or nil
}

// Wants tells for every file of a release, in the manifest's order, where it comes
// from. A file that only moved is linked to its old place.
func Wants(base, to *rollcall.Manifest) []Want {
	return slices.AppendSeq(make([]Want, 0, len(to.Entries)), EachWant(base, to))
}

// EachWant gives Wants one by one: most are links, and of no interest to who makes a pack.
func EachWant(base, to *rollcall.Manifest) iter.Seq[Want] {
	return func(yield func(Want) bool) {
		var moved map[rollcall.Hash]*rollcall.Entry
		for e, old := range besides(base, to) {
			want := Want{Entry: e, How: Content, From: old}
			source := old
			if source == nil || !source.SameContent(e) {
				if moved == nil {
					moved = whereContentsAre(base, to)
				}
				source = moved[e.Hash]
			}
			if source != nil && source.SameContent(e) {
				want.From, want.How = source, Copy
				if source.Type == e.Type && source.Mtime == e.Mtime {
					want.How = Link
				}
			}
			if !yield(want) {
				return
			}
		}
	}
}

// besides gives each file of a release, and the base's file of the same path or nil.
func besides(base, to *rollcall.Manifest) iter.Seq2[*rollcall.Entry, *rollcall.Entry] {
	return func(yield func(e, old *rollcall.Entry) bool) {
		i := 0
		for j := range to.Entries {
			e := &to.Entries[j]
			for i < len(base.Entries) && base.Entries[i].Path < e.Path {
				i++
			}
			if !e.IsFile() {
				continue
			}
			var old *rollcall.Entry
			if i < len(base.Entries) && base.Entries[i].Path == e.Path && base.Entries[i].IsFile() {
				old = &base.Entries[i]
			}
			if !yield(e, old) {
				return
			}
		}
	}
}

// whereContentsAre finds for each content that does not stand where it is wanted the
// base's first file that holds it, or nil.
func whereContentsAre(base, to *rollcall.Manifest) map[rollcall.Hash]*rollcall.Entry {
	wanted := map[rollcall.Hash]*rollcall.Entry{}
	for e, old := range besides(base, to) {
		if old == nil || !old.SameContent(e) {
			wanted[e.Hash] = nil
		}
	}
	for i := range base.Entries {
		e := &base.Entries[i]
		if !e.IsFile() {
			continue
		}
		if found, ok := wanted[e.Hash]; ok && found == nil {
			wanted[e.Hash] = e
		}
	}
	return wanted
}

// AppendChanges appends what turns one manifest into another.
func AppendChanges(b []byte, base, to *rollcall.Manifest) []byte {
	changes := rollcall.CompareManifests(base, to)
	gone := 0
	for _, c := range changes {
		if c.New == nil {
			gone++
		}
	}
	b = binary.AppendUvarint(b, uint64(gone))
	for _, c := range changes {
		if c.New == nil {
			b = binary.AppendUvarint(b, uint64(len(c.Path)))
			b = append(b, c.Path...)
		}
	}
	for _, c := range changes {
		if c.New != nil {
			b = rollcall.AppendEntry(b, c.New)
		}
	}
	return b
}

// ApplyChanges gives the manifest that AppendChanges was given, checked.
func ApplyChanges(base *rollcall.Manifest, changes []byte) (*rollcall.Manifest, error) {
	count, n := binary.Uvarint(changes)
	if n <= 0 || count > uint64(len(changes)) {
		return nil, fmt.Errorf("pack: the changes are damaged")
	}
	changes = changes[n:]
	gone := make(map[string]bool, count)
	for range count {
		length, n := binary.Uvarint(changes)
		if n <= 0 || length > uint64(len(changes)-n) {
			return nil, fmt.Errorf("pack: the changes are damaged")
		}
		gone[string(changes[n:n+int(length)])] = true
		changes = changes[n+int(length):]
	}
	news, err := rollcall.ParseEntries(changes)
	if err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	if !slices.IsSortedFunc(news, func(a, b rollcall.Entry) int { return strings.Compare(a.Path, b.Path) }) {
		return nil, fmt.Errorf("pack: the changes are out of order")
	}
	to := &rollcall.Manifest{Entries: make([]rollcall.Entry, 0, len(base.Entries)+len(news))}
	for i := range base.Entries {
		e := &base.Entries[i]
		for len(news) > 0 && news[0].Path < e.Path {
			to.Entries = append(to.Entries, news[0])
			news = news[1:]
		}
		switch {
		case len(news) > 0 && news[0].Path == e.Path:
			to.Entries = append(to.Entries, news[0])
			news = news[1:]
		case !gone[e.Path]:
			to.Entries = append(to.Entries, *e)
		}
	}
	to.Entries = append(to.Entries, news...)
	return to, to.Check()
}
