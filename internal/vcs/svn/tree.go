package svn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"

	"github.com/rollcall-dev/rollcall"
)

// Changes lists what differs between two trees, as stored.
func (r *Repository) Changes(_ context.Context, from, to string) ([]rollcall.TreeChange, error) {
	if from == to {
		return nil, nil
	}
	old, err := r.listing(from)
	if err != nil {
		return nil, err
	}
	fresh, err := r.listing(to)
	if err != nil {
		return nil, err
	}
	return compare(old, fresh), nil
}

var blobName = regexp.MustCompile(`^[0-9a-f]{40}$`)

// Blobs reads contents.
func (r *Repository) Blobs(ctx context.Context, blobs []string, fn func(i int, size int64, content io.Reader) error) error {
	for i, blob := range blobs {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := r.blob(ctx, blob, func(size int64, content io.Reader) error { return fn(i, size, content) }); err != nil {
			return err
		}
	}
	return nil
}

// Holds tells whether a content can be read now.
func (r *Repository) Holds(blob string) bool {
	if !blobName.MatchString(blob) {
		return false
	}
	_, err := os.Stat(r.blobPath(blob))
	return err == nil
}

func (r *Repository) blob(ctx context.Context, blob string, fn func(size int64, content io.Reader) error) error {
	if !blobName.MatchString(blob) {
		return rollcall.Errorf(rollcall.KindNotFound, "%q is not the name of a content", rollcall.Printable(blob))
	}
	file, err := os.Open(r.blobPath(blob))
	if errors.Is(err, fs.ErrNotExist) {
		return r.lacks(ctx, blob)
	}
	if err != nil {
		return fmt.Errorf("read a content: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read a content: %w", err)
	}
	return fn(info.Size(), file)
}

// lacks is the error for a content that somebody took away. Every tree is then frozen
// again when it is next asked for, which brings it back.
func (r *Repository) lacks(ctx context.Context, blob string) error {
	e := rollcall.Errorf(rollcall.KindNotFound, "the content %s is not in %s any more", blob, r.dir).
		WithHint("roll the revision itself, with --at: it is read from the repository anew")
	book, err := r.logbook(ctx)
	if err != nil {
		return err
	}
	defer book.close()
	if err := book.forgetTrees(ctx); err != nil {
		return err
	}
	return e
}
