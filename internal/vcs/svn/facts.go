package svn

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
)

// facts are what was once found out about revisions, which never change. All of it can be
// found out again.
type facts struct {
	db   *sql.DB
	uuid string
}

// factsVersion is part of every fact's name: another way to find out begins anew.
const factsVersion = "1"

// facts opens what is known. It is closed after each use.
func (r *Repository) facts(ctx context.Context) (*facts, error) {
	file := filepath.Join(r.dir, "facts.db")
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+
		"?_txlock=immediate&_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	if err == nil {
		_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS facts (kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID`)
		if err != nil {
			db.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	return &facts{db, r.uuid}, nil
}

func (f *facts) close() { f.db.Close() }

func (f *facts) name(name string) string { return factsVersion + " " + f.uuid + " " + name }

// get reads a fact into what value points to, if it is known.
func (f *facts) get(ctx context.Context, kind, name string, value any) (bool, error) {
	var text string
	err := f.db.QueryRowContext(ctx, `SELECT value FROM facts WHERE kind = ? AND name = ?`, kind, f.name(name)).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up what is known: %w", err)
	}
	// What can't be read is found out again.
	return json.Unmarshal([]byte(text), value) == nil, nil
}

func (f *facts) put(ctx context.Context, kind, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if _, err := f.db.ExecContext(ctx, `INSERT OR REPLACE INTO facts VALUES (?, ?, ?)`, kind, f.name(name), string(text)); err != nil {
		return fmt.Errorf("keep what was found out: %w", err)
	}
	return nil
}
