package release

import (
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
	blob string // in the repository; empty: this process read it already, or a build made it
	user int    // which content of a pack it is needed for
}

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
	if f.lookUp, err = f.tx.PrepareContext(ctx, `SELECT blob FROM blobs WHERE hash = ? LIMIT 1`); err != nil {
		_ = f.tx.Rollback()
		return nil, fmt.Errorf("look up contents: %w", err)
	}
	return f, nil
}

func (f *finder) close() { _ = f.tx.Rollback() } // it has only read

// find tells where a content is, if it is to be had here.
func (f *finder) find(ctx context.Context, hash rollcall.Hash) (at source, ok bool, err error) {
	at.hash = hash
	if f.s.spool.open(hash) != nil {
		return at, true, nil
	}
	if f.builds {
		if _, err := os.Stat(f.s.object(hash)); err == nil {
			return at, true, nil
		}
	}
	err = f.lookUp.QueryRowContext(ctx, hash[:]).Scan(&at.blob)
	if errors.Is(err, sql.ErrNoRows) {
		return at, false, nil
	}
	if err != nil {
		return at, false, fmt.Errorf("look up a content: %w", err)
	}
	return at, true, nil
}

// each gives contents in their order: from what this process read already, from the
// objects of builds, and the rest from one pass over the repository.
func (s *Store) each(ctx context.Context, repo rollcall.Repository, order []source, use func(i int, size int64, content io.Reader) error) error {
	var blobs []string
	for _, one := range order {
		if one.blob != "" {
			blobs = append(blobs, one.blob)
		}
	}
	next := 0
	own := func() error { // up to what the repository gives next
		for ; next < len(order) && order[next].blob == ""; next++ {
			if err := s.kept(order[next].hash, func(size int64, content io.Reader) error { return use(next, size, content) }); err != nil {
				return err
			}
		}
		return nil
	}
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
	return own()
}

// kept opens a content that is kept here.
func (s *Store) kept(hash rollcall.Hash, use func(size int64, content io.Reader) error) error {
	if r := s.spool.open(hash); r != nil {
		return use(r.(interface{ Size() int64 }).Size(), r)
	}
	file, err := os.Open(s.object(hash))
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
