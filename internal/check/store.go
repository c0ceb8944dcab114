package check

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	_ "modernc.org/sqlite" // the driver of results.db
)

// schema of results.db. Everything in it can be found out again, so another version
// throws it away. A content's id is as its repository gives it.
const (
	schemaVersion = 1
	schema        = `
CREATE TABLE rules (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, used INTEGER NOT NULL);
CREATE TABLE results (
	rule INTEGER NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL,
	passed INTEGER NOT NULL, line INTEGER NOT NULL, path TEXT NOT NULL, said TEXT NOT NULL,
	PRIMARY KEY (rule, kind, content)
) WITHOUT ROWID;
CREATE TABLE files (path TEXT PRIMARY KEY, stat TEXT NOT NULL, hash BLOB NOT NULL, interpreter TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE versions (key BLOB PRIMARY KEY, said TEXT NOT NULL) WITHOUT ROWID;
`
	oldTables = `DROP TABLE IF EXISTS rules; DROP TABLE IF EXISTS results; DROP TABLE IF EXISTS files; DROP TABLE IF EXISTS versions;`
)

// A rule that nobody asked for in keepRules goes, with its results: the tool has changed,
// or the site. When it was asked for is noted once in noteRules.
const (
	keepRules = 90 * 24 * time.Hour
	noteRules = 24 * time.Hour
)

// store is what is kept.
type store struct{ db *sql.DB }

func (s *store) open(ctx context.Context, file string) error {
	dsn := "file:" + (&url.URL{Path: file}).EscapedPath() +
		"?_txlock=immediate&_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	s.db = db
	if err := s.makeTables(ctx); err != nil {
		db.Close()
		return err
	}
	return nil
}

func (s *store) makeTables(ctx context.Context) error {
	var version int
	if err := s.db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil || version == schemaVersion {
		return err
	}
	return s.change(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil || version == schemaVersion {
			return err // another process was faster
		}
		_, err := tx.ExecContext(ctx, oldTables+schema+fmt.Sprintf(`PRAGMA user_version = %d`, schemaVersion))
		return err
	})
}

// Close frees what the checker took.
func (s *store) Close() error { return s.db.Close() }

func (s *store) change(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// rule gives the short name of a check with its tool.
func (s *store) rule(ctx context.Context, key []byte) (id int64, err error) {
	now := time.Now().Unix()
	var used int64
	err = s.db.QueryRowContext(ctx, `SELECT id, used FROM rules WHERE key = ?`, key).Scan(&id, &used)
	if err == nil && now-used < int64(noteRules.Seconds()) {
		return id, nil
	}
	if err != nil && err != sql.ErrNoRows { //nolint:errorlint // database/sql returns it as it is
		return 0, err
	}
	err = s.db.QueryRowContext(ctx, `INSERT INTO rules (key, used) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET used = excluded.used RETURNING id`,
		key, now).Scan(&id)
	return id, err
}

// known fills in the verdicts that are kept on some contents, by one question.
func (s *store) known(ctx context.Context, rule int64, about []subject, into map[content]verdict) error {
	if len(about) == 0 {
		return nil
	}
	asked := make([][2]string, len(about))
	for i, f := range about {
		asked[i] = [2]string{f.kind, f.id}
	}
	list, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	rows, err := s.db.QueryContext(ctx, `
SELECT j.key, r.passed, r.line, r.path, r.said FROM json_each(?) j -- and not the other way round: CROSS keeps the order
CROSS JOIN results r ON r.rule = ? AND r.kind = j.value->>0 AND r.content = j.value->>1`, string(list), rule)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var i int
		var v verdict
		if err := rows.Scan(&i, &v.passed, &v.line, &v.path, &v.text); err != nil {
			return err
		}
		into[about[i].content] = v
	}
	return rows.Err()
}

// found is a verdict to be kept.
type found struct {
	rule int64
	content
	verdict
}

func (s *store) keep(ctx context.Context, all []found) error {
	if len(all) == 0 {
		return nil
	}
	return s.change(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT OR REPLACE INTO results (rule, kind, content, passed, line, path, said) VALUES (?, ?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for _, f := range all {
			if _, err := insert.ExecContext(ctx, f.rule, f.kind, f.id, f.passed, f.line, f.path, f.text); err != nil {
				return err
			}
		}
		return nil
	})
}

// forget removes what nobody has asked for in a long time.
func (s *store) forget(ctx context.Context) error {
	old := time.Now().Add(-keepRules).Unix()
	return s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM results WHERE rule IN (SELECT id FROM rules WHERE used < ?1); DELETE FROM rules WHERE used < ?1`, old)
		return err
	})
}
