// Package sqlite keeps the record in one SQLite file, safe for many processes of one
// host. It is the default place for everything that Rollcall knows to have happened.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/rollcall-dev/rollcall"
)

const schemaVersion = 1

// schema only grows: a later version adds to it and keeps reading what this one wrote.
const schema = `
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
	stream TEXT NOT NULL,
	seq    INTEGER NOT NULL,
	at     INTEGER NOT NULL, -- microseconds since 1970, UTC
	type   TEXT NOT NULL,
	data   BLOB NOT NULL,
	PRIMARY KEY (stream, seq)
) WITHOUT ROWID;
CREATE TABLE beats (
	stream TEXT NOT NULL,
	lease  INTEGER NOT NULL,
	at     INTEGER NOT NULL,
	PRIMARY KEY (stream, lease)
) WITHOUT ROWID;
`

// followEvery is how often a follower asks whether another process has written.
const followEvery = 100 * time.Millisecond

// Record is a rollcall.Record in a SQLite file.
type Record struct {
	db    *sql.DB
	path  string
	id    string
	write sync.Mutex // one writer a process; other processes wait by SQLite's lock

	mu      sync.Mutex
	changed chan struct{} // closed and replaced with every append of this process
}

var _ rollcall.Record = (*Record)(nil)

// Open opens the record at a path and makes it where there is none.
func Open(ctx context.Context, path string) (*Record, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	// FULL: an intent must be on disk before its effect is begun, also when the power fails.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_txlock=immediate&_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open the record %s: %w", path, err)
	}
	r := &Record{db: db, path: path, changed: make(chan struct{})}
	if err := r.prepare(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("open the record %s: %w", path, whoHolds(path, err))
	}
	return r, nil
}

// whoHolds explains a lock that was waited for in vain. Processes hold it for moments:
// one that has it for longer was stopped in the middle of them.
func whoHolds(path string, err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL:
		return (&rollcall.Error{Kind: rollcall.KindInternal, Op: "another process holds the record", Err: err}).
			WithHint("it may be stopped: see which with fuser -v %s, then kill -CONT or kill -KILL it", path)
	}
	return err
}

func (r *Record) prepare(ctx context.Context) error {
	var version int
	if err := r.db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if version > schemaVersion {
		return rollcall.Errorf(rollcall.KindInvalid, "the record was written by a newer Rollcall (version %d, this one knows %d)", version, schemaVersion).
			WithHint("use the newer rollcall")
	}
	if version == 0 {
		if err := r.create(ctx); err != nil {
			return err
		}
	}
	return r.db.QueryRowContext(ctx, `SELECT value FROM about WHERE name = 'id'`).Scan(&r.id)
}

func (r *Record) create(ctx context.Context) error {
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var version int // another process may have been faster
	if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if version != 0 {
		return nil
	}
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO about VALUES ('id', ?)`, hex.EncodeToString(id)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, schemaVersion)); err != nil {
		return err
	}
	return tx.Commit()
}

// ID names the record.
func (r *Record) ID() string { return r.id }

// Close closes the file.
func (r *Record) Close() error { return r.db.Close() }

// Backup writes a consistent copy of the whole record to a file that does not exist yet,
// while others go on reading and writing.
func (r *Record) Backup(ctx context.Context, file string) error {
	if _, err := os.Lstat(file); err == nil {
		return rollcall.Errorf(rollcall.KindInvalid, "%s is there already", file).WithHint("name a new file")
	}
	// Whole or not at all: a copy that is cut short must not look like one.
	tmp := file + ".part"
	os.Remove(tmp)
	if _, err := r.db.ExecContext(ctx, `VACUUM INTO ?`, tmp); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("copy the record to %s: %w", file, err)
	}
	if err := syncFile(tmp); err != nil {
		return fmt.Errorf("copy the record to %s: %w", file, err)
	}
	if err := os.Rename(tmp, file); err != nil {
		return fmt.Errorf("copy the record to %s: %w", file, err)
	}
	return syncFile(filepath.Dir(file))
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Append adds events if `after` is the stream's last sequence.
func (r *Record) Append(ctx context.Context, stream string, after int64, events ...rollcall.Event) (int64, error) {
	if len(events) == 0 {
		return after, nil
	}
	// An effect has happened when its result is appended: that must not be lost
	// because the person's Ctrl-C ended ctx.
	ctx = context.WithoutCancel(ctx)
	r.write.Lock()
	defer r.write.Unlock()
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("append to %s: %w", stream, whoHolds(r.path, err))
	}
	defer tx.Rollback()
	var last int64
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM events WHERE stream = ?`, stream).Scan(&last); err != nil {
		return 0, fmt.Errorf("append to %s: %w", stream, err)
	}
	if last != after {
		return last, fmt.Errorf("append to %s after %d: %w (last is %d)", stream, after, rollcall.ErrSequence, last)
	}
	now := time.Now().UnixMicro()
	for _, e := range events {
		last++
		if _, err := tx.ExecContext(ctx, `INSERT INTO events VALUES (?, ?, ?, ?, ?)`, stream, last, now, e.Type, []byte(e.Data)); err != nil {
			return 0, fmt.Errorf("append to %s: %w", stream, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("append to %s: %w", stream, err)
	}
	r.mu.Lock()
	close(r.changed)
	r.changed = make(chan struct{})
	r.mu.Unlock()
	return last, nil
}

// Read gives a stream's events above `after`.
func (r *Record) Read(ctx context.Context, stream string, after int64) ([]rollcall.Event, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT seq, at, type, data FROM events WHERE stream = ? AND seq > ? ORDER BY seq`, stream, after)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", stream, err)
	}
	defer rows.Close()
	var events []rollcall.Event
	for rows.Next() {
		e := rollcall.Event{Stream: stream}
		var at int64
		var data []byte
		if err := rows.Scan(&e.Seq, &at, &e.Type, &data); err != nil {
			return nil, fmt.Errorf("read %s: %w", stream, err)
		}
		e.At, e.Data = time.UnixMicro(at).UTC(), data
		events = append(events, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", stream, err)
	}
	return events, nil
}

// Follow gives a stream's events as they come.
func (r *Record) Follow(ctx context.Context, stream string, after int64, fn func(rollcall.Event) error) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		// The channel is taken before the read, so that no append falls between the two.
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		events, err := r.Read(ctx, stream, after)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		for _, e := range events {
			if err := fn(e); err != nil {
				return err
			}
			after = e.Seq
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-tick.C:
		}
	}
}

// Beat notes that a lease's holder is alive.
func (r *Record) Beat(ctx context.Context, stream string, lease int64) error {
	r.write.Lock()
	defer r.write.Unlock()
	_, err := r.db.ExecContext(ctx, `INSERT INTO beats VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET at = ?3`, stream, lease, time.Now().UnixMicro())
	if err != nil {
		return fmt.Errorf("beat for %s: %w", stream, err)
	}
	return nil
}

// LastBeat tells when a lease last beat; its taking counts as the first beat.
func (r *Record) LastBeat(ctx context.Context, stream string, lease int64) (time.Time, time.Time, error) {
	var at int64
	err := r.db.QueryRowContext(ctx, `SELECT max(at) FROM (
		SELECT at FROM beats WHERE stream = ?1 AND lease = ?2 UNION ALL SELECT at FROM events WHERE stream = ?1 AND seq = ?2
	) HAVING max(at) IS NOT NULL`, stream, lease).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, time.Now().UTC(), nil
	}
	if err != nil {
		return time.Time{}, time.Time{}, fmt.Errorf("last beat of %s: %w", stream, err)
	}
	return time.UnixMicro(at).UTC(), time.Now().UTC(), nil
}
