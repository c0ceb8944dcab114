package release

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rollcall-dev/rollcall"
)

// contents gives contents by hash in an order fixed beforehand: from what this process
// read already, from the objects of builds, and the rest from one pass over the
// repository.
type contents struct {
	s      *Store
	order  []rollcall.Hash
	at     int
	blobs  map[int]bool // places in order that the repository fills
	supply chan supply
	cancel context.CancelFunc
	done   chan error
}

type supply struct {
	size    int64
	content io.Reader
	used    chan error
}

func (s *Store) contents(ctx context.Context, repo rollcall.Repository, order []rollcall.Hash) (*contents, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &contents{s: s, order: order, blobs: map[int]bool{}, supply: make(chan supply), cancel: cancel, done: make(chan error, 1)}
	var names []string
	for i, hash := range order {
		if s.spool.open(hash) != nil {
			continue
		}
		if _, err := os.Stat(s.object(hash)); err == nil {
			continue
		}
		var blob string
		err := s.db.QueryRowContext(ctx, `SELECT blob FROM blobs WHERE hash = ? LIMIT 1`, hash[:]).Scan(&blob)
		if errors.Is(err, sql.ErrNoRows) {
			cancel()
			return nil, rollcall.Errorf(rollcall.KindNotFound, "the content %s of a release is kept nowhere any more", hash).
				WithHint("roll the revision itself: it is read from the repository anew")
		}
		if err != nil {
			cancel()
			return nil, fmt.Errorf("look up a content: %w", err)
		}
		c.blobs[i] = true
		names = append(names, blob)
	}
	go func() {
		c.done <- repo.Blobs(ctx, names, func(_ int, size int64, content io.Reader) error {
			one := supply{size, content, make(chan error)}
			select {
			case c.supply <- one:
				return <-one.used
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return c, nil
}

// holds tells whether a content is to be had here.
func (s *Store) holds(ctx context.Context, hash rollcall.Hash) bool {
	if s.spool.open(hash) != nil {
		return true
	}
	if _, err := os.Stat(s.object(hash)); err == nil {
		return true
	}
	var one int
	return s.db.QueryRowContext(ctx, `SELECT 1 FROM blobs WHERE hash = ? LIMIT 1`, hash[:]).Scan(&one) == nil
}

// next hands the next content of the order to use.
func (c *contents) next(use func(size int64, content io.Reader) error) error {
	hash, i := c.order[c.at], c.at
	c.at++
	if c.blobs[i] {
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
	if r := c.s.spool.open(hash); r != nil {
		return use(r.(interface{ Size() int64 }).Size(), r)
	}
	file, err := os.Open(c.s.object(hash))
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
