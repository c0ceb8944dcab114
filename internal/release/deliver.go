package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/pack"
)

// packed is a pack that this process makes or found.
type packed struct {
	once    sync.Once
	err     error // that kept it from being begun
	path    string
	file    *growing
	raw     int64 // bytes of the contents in it
	bytes   int64 // that the new files take on a node's disk
	created int   // how many they are
	keeping sync.WaitGroup
	kept    error // why it could not be kept, once keeping is done
}

// sentEarly is from how many bytes of contents on a pack is sent while it is still being
// made. Smaller ones are whole in a moment.
const sentEarly = 8 << 20

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
	p.once.Do(func() { p.err = s.begin(ctx, p, repo, base, target, note) })
	if p.err != nil {
		return d, p.err
	}
	d.Bytes, d.Created, d.Size, d.Pack = p.bytes, p.created, p.raw, p.file.open
	if p.raw < sentEarly {
		if d.Size, err = p.file.whole(); err != nil {
			return d, err
		}
	}
	d.Missing = func(ctx context.Context, paths []string) (io.ReadCloser, int64, error) {
		return s.extra(ctx, repo, target, paths)
	}
	return d, nil
}

// begin finds a pack, or begins to make it: that goes on beside its delivery, and Evict
// and Close wait for it.
func (s *Store) begin(ctx context.Context, p *packed, repo rollcall.Repository, base, to *rollcall.Manifest, note func(string)) error {
	var contents []pack.Want
	for want := range pack.EachWant(base, to) {
		if want.How != pack.Link {
			p.bytes += want.Entry.Size + 4096
			p.created++
		}
		if want.How == pack.Content {
			contents = append(contents, want)
			p.raw += want.Entry.Size
		}
	}
	if info, err := os.Stat(p.path); err == nil {
		p.file, p.raw = newGrowing(p.path, p.path), 0
		p.file.grew(int(info.Size()))
		p.file.end(nil)
		now := time.Now()
		return os.Chtimes(p.path, now, now) // the least recently used goes first
	}
	file, err := renameio.NewPendingFile(p.path, renameio.WithPermissions(0o600))
	if err != nil {
		return fmt.Errorf("make a pack: %w", err)
	}
	p.file = newGrowing(file.Name(), p.path)
	if p.raw > sentEarly {
		note(fmt.Sprintf("packing %s, %d MB", rollcall.Plural(len(contents), "file", "files"), p.raw>>20))
	}
	p.keeping.Go(func() {
		out, err := pack.NewWriter(growingWriter{p.file, file}, pack.AppendChanges(nil, base, to), p.raw)
		if err == nil && p.raw >= sentEarly {
			// A node looks through what it has meanwhile.
			if err = out.Flush(); err == nil {
				p.file.hurry()
			}
		}
		if err == nil {
			err = s.write(ctx, out, repo, contents, false)
		}
		if err != nil {
			_ = file.Cleanup() // of a file that nobody will ask for
			p.file.end(fmt.Errorf("make a pack: %w", err))
			return
		}
		p.file.end(nil)
		if err := file.CloseAtomicallyReplace(); err != nil {
			_ = file.Cleanup()
			p.kept = fmt.Errorf("keep a pack: %w", err)
		}
	})
	return nil
}

// packsKept waits until all packs that are being made are kept.
func (s *Store) packsKept() error {
	s.mu.Lock()
	packs := slices.Collect(maps.Values(s.packing))
	s.mu.Unlock()
	var err error
	for _, p := range packs {
		p.keeping.Wait()
		err = errors.Join(err, p.kept)
	}
	return err
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
	out, err := pack.NewWriter(file, nil, raw)
	if err == nil {
		err = s.write(ctx, out, repo, contents, true)
	}
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

// write writes the contents of a pack in their order, each once, against its old one where
// there is one. They are doubted where a node asks for them once more.
func (s *Store) write(ctx context.Context, out *pack.Writer, repo rollcall.Repository, contents []pack.Want, doubted bool) error {
	plan, needs, err := s.sources(ctx, repo, contents)
	if err != nil {
		return errors.Join(err, out.Close())
	}
	for i := range needs {
		needs[i].doubted = doubted
	}
	at := 0 // in contents
	same := func(end int) error {
		for ; at < end; at++ {
			if err := out.Same(plan[at].first); err != nil {
				return err
			}
		}
		return nil
	}
	var old []byte
	var oldBuf, freshBuf bytes.Buffer
	err = s.each(ctx, repo, needs, func(i int, size int64, r io.Reader) error {
		user := needs[i].user
		switch {
		case !plan[user].delta:
			if err := same(user); err != nil {
				return err
			}
			at++
			return out.Whole(size, r)
		case i+1 < len(needs) && needs[i+1].user == user: // the old one comes first
			var err error
			old, err = allOf(r, &oldBuf)
			return err
		}
		if err := same(user); err != nil {
			return err
		}
		at++
		fresh, err := allOf(r, &freshBuf)
		if err != nil {
			return err
		}
		return out.Changed(old, fresh)
	})
	if err == nil {
		err = same(len(contents))
	}
	return errors.Join(err, out.Close())
}

// planned is how a content is written.
type planned struct {
	first int  // the first one in the pack that is the same
	delta bool // against its old one
}

// sources tells how each content is written, and where all that is needed for it is to
// be had, in the order of its use.
func (s *Store) sources(ctx context.Context, repo rollcall.Repository, contents []pack.Want) ([]planned, []source, error) {
	hashes := make([]rollcall.Hash, 0, 2*len(contents))
	for _, want := range contents {
		hashes = append(hashes, want.Entry.Hash)
		if hasDelta(want) {
			hashes = append(hashes, want.From.Hash)
		}
	}
	found, err := s.find(ctx, hashes)
	if err != nil {
		return nil, nil, err
	}
	plan, needs := make([]planned, len(contents)), make([]source, 0, len(contents))
	first := make(map[rollcall.Hash]int, len(contents))
	for i, want := range contents {
		if earlier, ok := first[want.Entry.Hash]; ok {
			plan[i].first = earlier
			continue
		}
		first[want.Entry.Hash], plan[i].first = i, i
		if hasDelta(want) {
			// The old content of an adopted manifest may never have been read here, and what
			// was read may have been lost with the mirror.
			old, ok := found[want.From.Hash]
			if holder, some := repo.(rollcall.BlobHolder); some && old.name != "" {
				ok = ok && holder.Holds(old.name)
			}
			if ok {
				plan[i].delta = true
				old.user = i
				needs = append(needs, old)
			}
		}
		content, ok := found[want.Entry.Hash]
		if !ok {
			return nil, nil, rollcall.Errorf(rollcall.KindNotFound, "the content %s of a release is kept nowhere any more", want.Entry.Hash).
				WithHint("roll the revision itself: it is read from the repository anew")
		}
		content.user = i
		needs = append(needs, content)
	}
	return plan, needs, nil
}

func hasDelta(want pack.Want) bool {
	return want.From != nil && want.From.Size > 0 && want.From.Size <= pack.MaxDelta && want.Entry.Size <= pack.MaxDelta
}
