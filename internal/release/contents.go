package release

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rollcall-dev/rollcall"
)

// source is where a content is to be had.
type source struct {
	hash rollcall.Hash
	size int64  // where it is kept at a place
	at   place  // where it is kept, if it is
	blob string // in the repository; empty: a build made it
	user int    // which content of a pack it is needed for
}

// asked tells whether the repository is asked for it.
func (s *source) asked() bool { return s.at.segment == 0 && s.blob != "" }

// finder finds contents, one look each.
type finder struct {
	s      *Store
	tx     *sql.Tx // one for all looks: each of its own would take its own locks
	lookUp *sql.Stmt
	builds bool // there are contents that builds made
}

func (s *Store) finder(ctx context.Context) (*finder, error) {
	made, err := os.ReadDir(filepath.Join(s.dir, "objects"))
	if err != nil {
		return nil, fmt.Errorf("look up contents: %w", err)
	}
	f := &finder{s: s, builds: len(made) > 0}
	if f.tx, err = s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}); err != nil {
		return nil, fmt.Errorf("look up contents: %w", err)
	}
	if f.lookUp, err = f.tx.PrepareContext(ctx, `SELECT blob, size, segment, at FROM blobs WHERE hash = ? LIMIT 1`); err != nil {
		_ = f.tx.Rollback()
		return nil, fmt.Errorf("look up contents: %w", err)
	}
	return f, nil
}

func (f *finder) close() { _ = f.tx.Rollback() } // it has only read

// find tells where a content is, if it is to be had here.
func (f *finder) find(ctx context.Context, hash rollcall.Hash) (at source, ok bool, err error) {
	at.hash = hash
	if f.builds {
		if _, err := os.Stat(f.s.object(hash)); err == nil {
			return at, true, nil
		}
	}
	err = f.lookUp.QueryRowContext(ctx, hash[:]).Scan(&at.blob, &at.size, &at.at.segment, &at.at.at)
	if errors.Is(err, sql.ErrNoRows) {
		return at, false, nil
	}
	if err != nil {
		return at, false, fmt.Errorf("look up a content: %w", err)
	}
	if at.at.segment != 0 && f.s.segments.reader(at.at.segment) == nil {
		at.at = place{} // it was evicted
	}
	return at, true, nil
}

// each gives contents in their order: from what is kept here, and the rest from one pass
// over the repository.
func (s *Store) each(ctx context.Context, repo rollcall.Repository, order []source, use func(i int, size int64, content io.Reader) error) error {
	var blobs []string
	for i := range order {
		if order[i].asked() {
			blobs = append(blobs, order[i].blob)
		}
	}
	next := 0
	var buf []byte
	own := func() (err error) { // up to what the repository gives next
		for ; next < len(order) && !order[next].asked() && err == nil; next++ {
			buf, err = s.kept(ctx, repo, &order[next], buf, func(size int64, content io.Reader) error { return use(next, size, content) })
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

// kept opens a content that is kept here. buf is used again.
func (s *Store) kept(ctx context.Context, repo rollcall.Repository, one *source, buf []byte, use func(size int64, content io.Reader) error) ([]byte, error) {
	if one.at.segment != 0 {
		buf, ok := s.segments.read(one.at, one.hash, one.size, buf)
		if ok {
			return buf, use(one.size, bytes.NewReader(buf))
		}
		// What stands there is not what was kept: the repository still has it.
		return buf, repo.Blobs(ctx, []string{one.blob}, func(_ int, size int64, content io.Reader) error { return use(size, content) })
	}
	file, err := os.Open(s.object(one.hash))
	if err != nil {
		return buf, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return buf, err
	}
	return buf, use(info.Size(), file)
}
