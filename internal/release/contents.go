package release

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rollcall-dev/rollcall"
)

// source is where a content is to be had.
type source struct {
	blob         // without a name: a build made it
	doubted bool // a node got another one
	user    int  // which content of a pack it is needed for
}

// asked tells whether the repository is asked for it.
func (s *source) asked() bool { return s.at.segment == 0 && s.name != "" }

// remind keeps in mind what was just read: it is asked for next.
func (s *Store) remind(read []blob) {
	recent := make(map[rollcall.Hash]blob, len(read))
	for _, one := range read {
		recent[one.hash] = one
	}
	s.mu.Lock()
	s.recent = recent
	s.mu.Unlock()
}

// find tells where contents are, as far as they are to be had here.
func (s *Store) find(ctx context.Context, hashes []rollcall.Hash) (map[rollcall.Hash]source, error) {
	made, err := os.ReadDir(filepath.Join(s.dir, "objects"))
	if err != nil {
		return nil, fmt.Errorf("look up contents: %w", err)
	}
	s.mu.Lock()
	recent := s.recent
	s.mu.Unlock()
	found := make(map[rollcall.Hash]source, len(hashes))
	var ask []rollcall.Hash
	for _, hash := range hashes {
		if one, ok := recent[hash]; ok {
			found[hash] = source{blob: one}
			continue
		}
		if len(made) > 0 {
			if _, err := os.Stat(s.object(hash)); err == nil {
				found[hash] = source{blob: blob{hash: hash}}
				continue
			}
		}
		ask = append(ask, hash)
	}
	known, err := s.blobsHolding(ctx, ask)
	if err != nil {
		return nil, err
	}
	for hash, one := range known {
		found[hash] = source{blob: one}
	}
	for hash, one := range found {
		if one.at.segment != 0 && s.segments.reader(one.at.segment) == nil {
			one.at = place{} // it was evicted
			found[hash] = one
		}
	}
	return found, nil
}

// each gives contents in their order: from what is kept here, and the rest from one pass
// over the repository. What use is given is good until the content after the next.
func (s *Store) each(ctx context.Context, repo rollcall.Repository, order []source, use func(i int, size int64, content io.Reader) error) error {
	var blobs []string
	var largest int64 // of what is kept
	for i := range order {
		if order[i].asked() {
			blobs = append(blobs, order[i].name)
		} else if order[i].at.segment != 0 {
			largest = max(largest, order[i].size)
		}
	}
	next := 0
	// The one before is in use for as long as its successor.
	bufs := [2][]byte{make([]byte, largest), make([]byte, largest)}
	own := func() (err error) { // up to what the repository gives next
		for ; next < len(order) && !order[next].asked() && err == nil; next++ {
			err = s.kept(ctx, repo, &order[next], bufs[next%2], func(size int64, content io.Reader) error { return use(next, size, content) })
		}
		return err
	}
	if len(blobs) > 0 {
		err := repo.Blobs(ctx, blobs, func(_ int, size int64, content io.Reader) error {
			if err := own(); err != nil {
				return err
			}
			next++
			return use(next-1, size, content)
		})
		if err != nil {
			return err
		}
	}
	return own()
}

// whole is a content that is in memory as it is.
type whole struct {
	*bytes.Reader
	content []byte
}

// kept opens a content that is kept here. buf has room for it.
func (s *Store) kept(ctx context.Context, repo rollcall.Repository, one *source, buf []byte, use func(size int64, content io.Reader) error) error {
	if one.at.segment != 0 {
		if content, ok := s.segments.read(one, buf); ok {
			return use(one.size, whole{bytes.NewReader(content), content})
		}
		// What stands there is not what was kept: the repository still has it.
		return repo.Blobs(ctx, []string{one.name}, func(_ int, size int64, content io.Reader) error { return use(size, content) })
	}
	file, err := os.Open(s.object(one.hash))
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return use(info.Size(), file)
}

// allOf reads a content whole, into buf unless it is in memory already.
func allOf(content io.Reader, buf *bytes.Buffer) ([]byte, error) {
	if there, ok := content.(whole); ok {
		return there.content, nil
	}
	buf.Reset()
	_, err := buf.ReadFrom(content)
	return buf.Bytes(), err
}
