package release

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// blob is what is known of a content of a repository: a row of cache.db.
type blob struct {
	name string // in the repository
	hash rollcall.Hash
	size int64 // in bytes
	at   place // where it is kept, if it is
}

// rowsAtOnce is how many rows are asked for or added in one statement: most of what a
// statement costs is not its rows.
const rowsAtOnce = 200

// knownBlobs looks up blobs by their names in the repository.
func (s *Store) knownBlobs(ctx context.Context, names []string) (map[string]blob, error) {
	tx, err := s.readOnly(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	known := make(map[string]blob, len(names))
	err = eachBlob(ctx, tx, "blob", names, func(name string) any { return name }, func(b blob) { known[b.name] = b })
	return known, err
}

// blobsHolding looks up blobs by what they hold. Where several hold the same, it is one
// of them.
func (s *Store) blobsHolding(ctx context.Context, hashes []rollcall.Hash) (map[rollcall.Hash]blob, error) {
	tx, err := s.readOnly(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	known := make(map[rollcall.Hash]blob, len(hashes))
	err = eachBlob(ctx, tx, "hash", hashes, func(hash rollcall.Hash) any { return hash[:] }, func(b blob) { known[b.hash] = b })
	return known, err
}

// readOnly begins a transaction for many look-ups: each of its own would take its own
// locks.
func (s *Store) readOnly(ctx context.Context) (*sql.Tx, error) {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("look up blobs: %w", err)
	}
	return tx, nil
}

func eachBlob[K any](ctx context.Context, tx *sql.Tx, column string, keys []K, arg func(K) any, use func(blob)) error {
	query := newStatement(tx, `SELECT blob, hash, size, segment, at FROM blobs WHERE `+column+` IN (`, "?", ")")
	for some := range slices.Chunk(keys, rowsAtOnce) {
		args := make([]any, len(some))
		for i, key := range some {
			args[i] = arg(key)
		}
		prepared, err := query.of(ctx, len(some))
		if err != nil {
			return fmt.Errorf("look up blobs: %w", err)
		}
		if err := scanBlobs(ctx, prepared, args, use); err != nil {
			return fmt.Errorf("look up blobs: %w", err)
		}
	}
	return nil
}

func scanBlobs(ctx context.Context, query *sql.Stmt, args []any, use func(blob)) error {
	rows, err := query.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var b blob
		var hash sql.RawBytes
		if err := rows.Scan(&b.name, &hash, &b.size, &b.at.segment, &b.at.at); err != nil {
			return err
		}
		if copy(b.hash[:], hash) == len(b.hash) {
			use(b)
		}
	}
	return rows.Err()
}

// rememberBlobs adds blobs, or replaces what was known of them.
func (s *Store) rememberBlobs(ctx context.Context, blobs []blob) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("remember blobs: %w", err)
	}
	defer tx.Rollback()
	insert := newStatement(tx, `INSERT OR REPLACE INTO blobs VALUES `, "(?, ?, ?, ?, ?)", "")
	for some := range slices.Chunk(blobs, rowsAtOnce) {
		args := make([]any, 0, 5*len(some))
		for i := range some {
			b := &some[i]
			args = append(args, b.name, b.hash[:], b.size, b.at.segment, b.at.at)
		}
		prepared, err := insert.of(ctx, len(some))
		if err == nil {
			_, err = prepared.ExecContext(ctx, args...)
		}
		if err != nil {
			return fmt.Errorf("remember blobs: %w", err)
		}
	}
	return tx.Commit()
}

// statement is prepared for as many rows as were asked for last. It ends with its
// transaction.
type statement struct {
	tx                *sql.Tx
	head, each, after string
	rows              int
	prepared          *sql.Stmt
}

func newStatement(tx *sql.Tx, head, each, after string) *statement {
	return &statement{tx: tx, head: head, each: each, after: after}
}

func (s *statement) of(ctx context.Context, rows int) (*sql.Stmt, error) {
	if s.rows == rows {
		return s.prepared, nil
	}
	//nolint:gosec // of constants and question marks
	text := s.head + strings.TrimSuffix(strings.Repeat(s.each+", ", rows), ", ") + s.after
	prepared, err := s.tx.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s.prepared, s.rows = prepared, rows
	return prepared, nil
}
