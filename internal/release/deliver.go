package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/pack"
)

// packed is a pack that this process made or found.
type packed struct {
	once    sync.Once
	path    string
	size    int64
	bytes   int64 // that the new files take on a node's disk
	created int   // how many they are
	err     error
}

// Deliver gives what brings a node from one release to another. However many nodes go
// that way, the pack is made once.
func (s *Store) Deliver(ctx context.Context, code *rollcall.Code, repo rollcall.Repository, from, to rollcall.ReleaseID, note func(string)) (rollcall.Delivery, error) {
	d := rollcall.Delivery{Release: to, Base: from}
	if err := os.Remove(s.untimedPath(to)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d, err // from now on its times stand somewhere
	}
	base, err := s.Manifest(from)
	if err != nil {
		return d, err
	}
	target, err := s.Manifest(to)
	if err != nil {
		return d, err
	}
	key := string(from) + "-" + string(to)
	s.mu.Lock()
	p := s.packing[key]
	if p == nil {
		p = &packed{path: filepath.Join(s.dir, "packs", key)}
		s.packing[key] = p
	}
	s.mu.Unlock()
	p.once.Do(func() { p.err = s.pack(ctx, p, repo, base, target, note) })
	if p.err != nil {
		return d, p.err
	}
	d.Bytes, d.Created = p.bytes, p.created
	d.Size = p.size
	d.Pack = func() (io.ReadCloser, error) { return os.Open(p.path) }
	d.Missing = func(ctx context.Context, paths []string) (io.ReadCloser, int64, error) {
		return s.extra(ctx, repo, target, paths)
	}
	return d, nil
}

func (s *Store) pack(ctx context.Context, p *packed, repo rollcall.Repository, base, to *rollcall.Manifest, note func(string)) error {
	wants := pack.Wants(base, to)
	for _, want := range wants {
		if want.How != pack.Link {
			p.bytes += want.Entry.Size + 4096
			p.created++
		}
	}
	if info, err := os.Stat(p.path); err == nil {
		p.size = info.Size()
		now := time.Now()
		return os.Chtimes(p.path, now, now) // the least recently used goes first
	}
	file, err := renameio.NewPendingFile(p.path, renameio.WithPermissions(0o600))
	if err != nil {
		return fmt.Errorf("make a pack: %w", err)
	}
	defer file.Cleanup()
	var contents []pack.Want
	var raw int64
	for _, want := range wants {
		if want.How == pack.Content {
			contents = append(contents, want)
			raw += want.Entry.Size
		}
	}
	if raw > 8<<20 {
		note(fmt.Sprintf("packing %d files, %d MB", len(contents), raw>>20))
	}
	if err := s.write(ctx, file, repo, pack.AppendChanges(nil, base, to), contents, raw); err != nil {
		return fmt.Errorf("make a pack: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("make a pack: %w", err)
	}
	p.size = info.Size()
	if err := file.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("make a pack: %w", err)
	}
	return nil
}

// extra makes a pack of whole contents that a node asked for.
func (s *Store) extra(ctx context.Context, repo rollcall.Repository, to *rollcall.Manifest, paths []string) (io.ReadCloser, int64, error) {
	var contents []pack.Want
	var raw int64
	for _, p := range paths {
		e := to.Find(p)
		if e == nil || !e.IsFile() {
			return nil, 0, rollcall.Errorf(rollcall.KindBroken, "the node asked for %q, which is no file of the release", rollcall.Printable(p))
		}
		contents = append(contents, pack.Want{Entry: e, How: pack.Content})
		raw += e.Size
	}
	file, err := os.CreateTemp("", "rollcall-extra-")
	if err != nil {
		return nil, 0, fmt.Errorf("make a pack: %w", err)
	}
	os.Remove(file.Name())
	err = s.write(ctx, file, repo, nil, contents, raw)
	var size int64
	if err == nil {
		size, err = file.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, 0, fmt.Errorf("make a pack: %w", err)
	}
	return file, size, nil
}

// write writes a pack: contents in their order, each once, against its old one where
// there is one.
func (s *Store) write(ctx context.Context, w io.Writer, repo rollcall.Repository, changes []byte, contents []pack.Want, raw int64) error {
	out, err := pack.NewWriter(w, changes, raw)
	if err != nil {
		return err
	}
	first, delta, needs, err := s.sources(ctx, contents)
	if err != nil {
		return err
	}
	in := s.contents(ctx, repo, needs)
	defer func() { _ = in.close() }()
	var old, fresh bytes.Buffer
	for i, want := range contents {
		if first[want.Entry.Hash] != i {
			if err := out.Same(first[want.Entry.Hash]); err != nil {
				return err
			}
			continue
		}
		if !delta[i] {
			if err := in.next(func(size int64, r io.Reader) error { return out.Whole(size, r) }); err != nil {
				return err
			}
			continue
		}
		for _, buf := range []*bytes.Buffer{&old, &fresh} {
			buf.Reset()
			if err := in.next(func(_ int64, r io.Reader) error { _, err := buf.ReadFrom(r); return err }); err != nil {
				return err
			}
		}
		if err := out.Changed(old.Bytes(), fresh.Bytes()); err != nil {
			return err
		}
	}
	return errors.Join(in.close(), out.Close())
}

// sources tells which content is the first of its kind, which of them is written against
// its old one, and where all that is needed is to be had, in the order of its use.
func (s *Store) sources(ctx context.Context, contents []pack.Want) (first map[rollcall.Hash]int, delta map[int]bool, needs []source, err error) {
	first, delta = make(map[rollcall.Hash]int, len(contents)), map[int]bool{}
	f, err := s.finder(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	defer f.close()
	for i, want := range contents {
		if _, ok := first[want.Entry.Hash]; ok {
			continue
		}
		first[want.Entry.Hash] = i
		if hasDelta(want) {
			// The old content of an adopted manifest may never have been read here.
			old, ok, err := f.find(ctx, want.From.Hash)
			if err != nil {
				return nil, nil, nil, err
			}
			if ok {
				delta[i] = true
				needs = append(needs, old)
			}
		}
		content, ok, err := f.find(ctx, want.Entry.Hash)
		if err != nil {
			return nil, nil, nil, err
		}
		if !ok {
			return nil, nil, nil, rollcall.Errorf(rollcall.KindNotFound, "the content %s of a release is kept nowhere any more", want.Entry.Hash).
				WithHint("roll the revision itself: it is read from the repository anew")
		}
		needs = append(needs, content)
	}
	return first, delta, needs, nil
}

func hasDelta(want pack.Want) bool {
	return want.From != nil && want.From.Size > 0 && want.From.Size <= pack.MaxDelta && want.Entry.Size <= pack.MaxDelta
}
