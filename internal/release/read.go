package release

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/zeebo/blake3"

	"github.com/rollcall-dev/rollcall"
)

const maxListed = 20 // refused paths that a message names

// read makes the manifest of a frozen tree out of the last one and what differs.
func (s *Store) read(ctx context.Context, code *rollcall.Code, repo rollcall.Repository, revision rollcall.Revision, last last, note func(string)) (*rollcall.Manifest, error) {
	changes, err := repo.Changes(ctx, last.tree, revision.Tree)
	if rollcall.KindOf(err) == rollcall.KindNotFound && last.tree != "" {
		// The mirror that had the last tree is gone: all of this one is read.
		last.manifest = &rollcall.Manifest{}
		changes, err = repo.Changes(ctx, "", revision.Tree)
	}
	if err != nil {
		return nil, err
	}
	changed := make(map[string]*rollcall.Entry, len(changes)) // nil: gone
	var fresh []*rollcall.TreeEntry
	refused := refusals{revision: revision}
	for _, c := range changes {
		if rollcall.MatchAny(code.Exclude, c.Path) {
			continue
		}
		changed[c.Path] = nil
		if c.New == nil {
			continue
		}
		if err := code.CheckEntry(c.New); err != nil {
			refused.add(c.Path, err.Error())
			continue
		}
		if c.New.Module {
			continue
		}
		changed[c.Path] = &rollcall.Entry{Path: c.Path, Type: c.New.Type}
		fresh = append(fresh, c.New)
	}
	if err := s.hash(ctx, repo, fresh, changed, &refused, note); err != nil {
		return nil, err
	}
	if err := refused.err(); err != nil {
		return nil, err
	}
	return merged(last.manifest, changed), nil
}

// merged puts what changed among what stays, in the order of the paths.
func merged(before *rollcall.Manifest, changed map[string]*rollcall.Entry) *rollcall.Manifest {
	fresh := make([]*rollcall.Entry, 0, len(changed))
	for _, e := range changed {
		if e != nil {
			fresh = append(fresh, e)
		}
	}
	slices.SortFunc(fresh, func(a, b *rollcall.Entry) int { return strings.Compare(a.Path, b.Path) })
	m := &rollcall.Manifest{Entries: make([]rollcall.Entry, 0, len(before.Entries)+len(fresh))}
	for i := range before.Entries {
		old := &before.Entries[i]
		for len(fresh) > 0 && fresh[0].Path < old.Path {
			m.Entries, fresh = append(m.Entries, *fresh[0]), fresh[1:]
		}
		if _, ok := changed[old.Path]; !ok {
			m.Entries = append(m.Entries, *old)
		}
	}
	for _, e := range fresh {
		m.Entries = append(m.Entries, *e)
	}
	return m
}

// hash fills in what the entries hold. Only blobs that were never seen are read.
func (s *Store) hash(ctx context.Context, repo rollcall.Repository, fresh []*rollcall.TreeEntry, changed map[string]*rollcall.Entry, refused *refusals, note func(string)) error {
	known, err := s.knownBlobs(ctx, namesOf(fresh))
	if err != nil {
		return err
	}
	users := map[string][]*rollcall.TreeEntry{} // of a blob that must be read
	var unread []string
	for _, t := range fresh {
		if one, ok := known[t.Blob]; ok && t.Type != rollcall.TypeLink {
			e := changed[t.Path]
			e.Hash, e.Size = one.hash, one.size
			continue
		}
		if users[t.Blob] == nil {
			unread = append(unread, t.Blob)
		}
		users[t.Blob] = append(users[t.Blob], t)
	}
	if len(unread) == 0 {
		return nil
	}
	note("reading " + rollcall.Plural(len(unread), "new file", "new files"))
	_, holder := repo.(rollcall.BlobHolder) // which keeps contents itself
	var read []blob
	var buf bytes.Buffer
	err = repo.Blobs(ctx, unread, func(i int, size int64, content io.Reader) error {
		one := blob{name: unread[i], size: size}
		good := false
		look := func(content []byte) bool {
			one.hash = blake3.Sum256(content)
			good = fill(users[one.name], changed, &one, content, refused)
			return good
		}
		var err error
		switch {
		case size > maxKept:
			if one.hash, err = hashStream(content); err == nil {
				good = fill(users[one.name], changed, &one, nil, refused)
			}
		case holder:
			buf.Reset()
			if _, err = buf.ReadFrom(content); err == nil {
				look(buf.Bytes())
			}
		default:
			one.at, err = s.segments.keep(size, content, look)
		}
		if err == nil && good {
			read = append(read, one)
		}
		return err
	})
	if flushed := s.segments.flush(); err == nil {
		err = flushed
	}
	if err != nil {
		return err
	}
	s.remind(read)
	return s.rememberBlobs(ctx, read)
}

// fill fills in what was read, and tells whether it is a file's content that may be used
// again.
func fill(users []*rollcall.TreeEntry, changed map[string]*rollcall.Entry, one *blob, content []byte, refused *refusals) (good bool) {
	for _, t := range users {
		e := changed[t.Path]
		unfit := rollcall.CheckContent(t, content)
		if unfit != nil {
			refused.add(e.Path, unfit.Error())
		}
		if t.Type == rollcall.TypeLink {
			e.Target = string(content)
			continue
		}
		good = unfit == nil
		e.Hash, e.Size = one.hash, one.size
	}
	return good
}

func namesOf(entries []*rollcall.TreeEntry) []string {
	names := make([]string, 0, len(entries))
	for _, t := range entries {
		if t.Type != rollcall.TypeLink {
			names = append(names, t.Blob)
		}
	}
	return names
}

func hashStream(content io.Reader) (hash rollcall.Hash, err error) {
	h := blake3.New()
	_, err = io.Copy(h, content)
	h.Sum(hash[:0])
	return hash, err
}

// refusals gathers everything that keeps a tree from being a release.
type refusals struct {
	revision rollcall.Revision
	lines    []string
}

func (r *refusals) add(path, why string) {
	r.lines = append(r.lines, fmt.Sprintf("%s: %s", rollcall.Printable(path), rollcall.Printable(why)))
}

func (r *refusals) err() error {
	if len(r.lines) == 0 {
		return nil
	}
	slices.Sort(r.lines)
	shown := r.lines
	if len(shown) > maxListed {
		shown = append(slices.Clone(shown[:maxListed]), fmt.Sprintf("and %d more", len(r.lines)-maxListed))
	}
	return rollcall.Errorf(rollcall.KindRefused, "the tree of %s cannot be a release:\n  %s", rollcall.ShortRevision(r.revision.ID), strings.Join(shown, "\n  ")).
		WithHint("mend it on the branch, or leave the paths out with exclude: in rollcall.yaml")
}
