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
}

// finder finds contents, one look each.
type finder struct {
	s      *Store
	lookUp *sql.Stmt
	builds bool // there are contents that builds made
}

func (s *Store) finder(ctx context.Context) (*finder, error) {
	lookUp, err := s.db.PrepareContext(ctx, `SELECT blob FROM blobs WHERE hash = ? LIMIT 1`)
	if err != nil {
		return nil, fmt.Errorf("look up contents: %w", err)
	}
	made, err := os.ReadDir(filepath.Join(s.dir, "objects"))
	if err != nil {
		lookUp.Close()
		return nil, fmt.Errorf("look up contents: %w", err)
	}
	return &finder{s: s, lookUp: lookUp, builds: len(made) > 0}, nil
}

func (f *finder) close() { f.lookUp.Close() }

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

// contents gives contents in an order fixed beforehand: from what this process read
// already, from the objects of builds, and the rest from one pass over the repository.
type contents struct {
	s      *Store
	order  []source
	at     int
	supply chan supply
	cancel context.CancelFunc
	done   chan error
}

type supply struct {
	size    int64
	content io.Reader
	used    chan error
}

func (s *Store) contents(ctx context.Context, repo rollcall.Repository, order []source) *contents {
	ctx, cancel := context.WithCancel(ctx)
	c := &contents{s: s, order: order, supply: make(chan supply), cancel: cancel, done: make(chan error, 1)}
	var names []string
	for _, one := range order {
		if one.blob != "" {
			names = append(names, one.blob)
		}
	}
	go func() {
		used := make(chan error)
		c.done <- repo.Blobs(ctx, names, func(_ int, size int64, content io.Reader) error {
			select {
			case c.supply <- supply{size, content, used}:
				return <-used
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return c
}

// next hands the next content of the order to use.
func (c *contents) next(use func(size int64, content io.Reader) error) error {
	from := c.order[c.at]
	c.at++
	if from.blob != "" {
		select {
		case one := <-c.supply:
			err := use(one.size, one.content)
			one.used <- err
			return err
		case err := <-c.done:
			c.done <- err
			if err == nil {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	if r := c.s.spool.open(from.hash); r != nil {
		return use(r.(interface{ Size() int64 }).Size(), r)
	}
	file, err := os.Open(c.s.object(from.hash))
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

// close ends the pass over the repository. It may be called twice.
func (c *contents) close() error {
	givenUp := c.at < len(c.order) // given up: how the pass ends does not matter
	if givenUp {
		c.cancel()
	}
	err := <-c.done
	c.done <- nil
	c.cancel()
	if givenUp {
		return nil
	}
	return err
}
