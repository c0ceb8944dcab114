package svn

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver of log.db
)

// The schema of log.db. All of it can be read again, so another version throws it away.
// Paths begin with a slash, at the repository's root.
const (
	logVersion = 1
	logSchema  = `
CREATE TABLE source (uuid TEXT NOT NULL, root TEXT NOT NULL, prefix TEXT NOT NULL, seen INTEGER NOT NULL);
CREATE TABLE revisions (rev INTEGER PRIMARY KEY, author TEXT NOT NULL, at INTEGER NOT NULL, message TEXT NOT NULL);
CREATE TABLE paths (
	rev INTEGER NOT NULL, path TEXT NOT NULL, action TEXT NOT NULL, kind TEXT NOT NULL,
	from_path TEXT NOT NULL, from_rev INTEGER NOT NULL, text INTEGER NOT NULL, props INTEGER NOT NULL,
	PRIMARY KEY (rev, path)
) WITHOUT ROWID;
CREATE INDEX births ON paths (path, rev) WHERE action <> 'M';
CREATE TABLE trees (path TEXT NOT NULL, rev INTEGER NOT NULL, tree TEXT NOT NULL, PRIMARY KEY (path, rev)) WITHOUT ROWID;
`
)

// logbook is the log as far as it was read.
type logbook struct {
	db     *sql.DB
	places []string // of the code's folder: where it is, and where it was before
}

// source is what the log was read from.
type source struct {
	uuid, root, prefix string
	seen               int64 // the newest revision that was read
}

// logbook opens log.db. It is closed after each use: a Repository has no end.
func (r *Repository) logbook(ctx context.Context) (*logbook, error) {
	file := filepath.Join(r.dir, "log.db")
	db, err := openSQLite(file)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	if err := prepareLog(ctx, db); err != nil {
		db.Close()
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	return &logbook{db: db}, nil
}

func openSQLite(file string) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+
		"?_txlock=immediate&_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
}

func prepareLog(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil || version == logVersion {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, `
DROP TABLE IF EXISTS source; DROP TABLE IF EXISTS revisions; DROP TABLE IF EXISTS paths; DROP TABLE IF EXISTS trees;
`+logSchema+fmt.Sprintf(`PRAGMA user_version = %d`, logVersion))
	if err != nil {
		return err
	}
	return tx.Commit()
}

func (b *logbook) close() { b.db.Close() }

func (b *logbook) source(ctx context.Context) (s source, err error) {
	err = b.db.QueryRowContext(ctx, `SELECT uuid, root, prefix, seen FROM source`).Scan(&s.uuid, &s.root, &s.prefix, &s.seen)
	if errors.Is(err, sql.ErrNoRows) {
		return source{}, nil
	}
	return s, err
}

// begin forgets everything and begins the log of a source.
func (b *logbook) begin(ctx context.Context, s source) error {
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, `DELETE FROM source; DELETE FROM revisions; DELETE FROM paths; DELETE FROM trees`)
	if err == nil {
		_, err = tx.ExecContext(ctx, `INSERT INTO source VALUES (?, ?, ?, ?)`, s.uuid, s.root, s.prefix, s.seen)
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

// add writes revisions, and how far the log was read.
func (b *logbook) add(ctx context.Context, entries []*logEntry, seen int64) error {
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	revision, err := tx.PrepareContext(ctx, `INSERT OR REPLACE INTO revisions VALUES (?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer revision.Close()
	path, err := tx.PrepareContext(ctx, `INSERT OR REPLACE INTO paths VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer path.Close()
	for _, e := range entries {
		if _, err := revision.ExecContext(ctx, e.Revision, e.Author, e.time().UnixMicro(), e.Message); err != nil {
			return err
		}
		for _, p := range e.Paths {
			if _, err := path.ExecContext(ctx, e.Revision, p.Path, p.Action, p.Kind, p.FromPath, p.FromRevision, p.Text != "false", p.Props != "false"); err != nil {
				return err
			}
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE source SET seen = ?`, seen); err != nil {
		return err
	}
	return tx.Commit()
}

// tree gives the tree that a folder had as of a revision, or "".
func (b *logbook) tree(ctx context.Context, path string, revision int64) (tree string, err error) {
	err = b.db.QueryRowContext(ctx, `SELECT tree FROM trees WHERE path = ? AND rev = ?`, path, revision).Scan(&tree)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return tree, err
}

func (b *logbook) keepTree(ctx context.Context, path string, revision int64, tree string) error {
	_, err := b.db.ExecContext(ctx, `INSERT OR REPLACE INTO trees VALUES (?, ?, ?)`, path, revision, tree)
	return err
}

// frozenFrom gives the folder whose tree was frozen as of a revision, or "".
func (b *logbook) frozenFrom(ctx context.Context, revision int64) (folder string, err error) {
	err = b.db.QueryRowContext(ctx, `SELECT path FROM trees WHERE rev = ? ORDER BY path LIMIT 1`, revision).Scan(&folder)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return folder, err
}

// forgetTrees has every tree frozen again when it is next asked for.
func (b *logbook) forgetTrees(ctx context.Context) error {
	_, err := b.db.ExecContext(ctx, `DELETE FROM trees`)
	return err
}
