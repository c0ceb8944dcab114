package desk

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver of predictions.db
)

// prediction is what would come of merging one changeset alone.
type prediction struct {
	Changed   bool     `json:"changed"`
	Conflicts []string `json:"conflicts,omitempty"` // paths
	Needs     []string `json:"needs,omitempty"`
	// Short tells that needs were looked for by whose lines it changes only.
	Short bool `json:"short,omitempty"`
}

// kept are the predictions of earlier commands: of a changeset onto a tree nothing ever
// changes. Throwing them away costs only the time to make them again.
type kept struct{ db *sql.DB }

func openKept(ctx context.Context, dir string) (*kept, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the desk's folder: %w", err)
	}
	dsn := "file:" + (&url.URL{Path: filepath.Join(dir, "predictions.db")}).EscapedPath() +
		"?_txlock=immediate&_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open the predictions: %w", err)
	}
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS predictions_2 (
		source TEXT, target TEXT, tree TEXT, changeset TEXT, data TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (source, target, tree, changeset)) WITHOUT ROWID`)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open the predictions: %w", err)
	}
	return &kept{db}, nil
}

func (k *kept) Close() error { return k.db.Close() }

func (k *kept) read(ctx context.Context, source, target, tree string) (map[string]prediction, error) {
	rows, err := k.db.QueryContext(ctx, `SELECT changeset, data FROM predictions_2 WHERE source = ? AND target = ? AND tree = ?`, source, target, tree)
	if err != nil {
		return nil, fmt.Errorf("read predictions: %w", err)
	}
	defer rows.Close()
	all := map[string]prediction{}
	for rows.Next() {
		var id, data string
		if err := rows.Scan(&id, &data); err != nil {
			return nil, err
		}
		var p prediction
		if json.Unmarshal([]byte(data), &p) == nil {
			all[id] = p
		}
	}
	return all, rows.Err()
}

// write keeps predictions for a tree of the target, and forgets those for trees that it
// has left behind.
func (k *kept) write(ctx context.Context, source, target, tree string, fresh map[string]prediction) error {
	tx, err := k.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("keep predictions: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	for id, p := range fresh {
		data, err := json.Marshal(p)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO predictions_2 VALUES (?, ?, ?, ?, ?, ?)`, source, target, tree, id, string(data), time.Now().Unix()); err != nil {
			return fmt.Errorf("keep predictions: %w", err)
		}
	}
	// A few trees stay: a desk that is abandoned goes back to one of them.
	_, err = tx.ExecContext(ctx, `DELETE FROM predictions_2 WHERE source = ?1 AND target = ?2 AND tree NOT IN
		(SELECT tree FROM predictions_2 WHERE source = ?1 AND target = ?2 GROUP BY tree ORDER BY max(at) DESC LIMIT 20)`, source, target)
	if err != nil {
		return fmt.Errorf("keep predictions: %w", err)
	}
	return tx.Commit()
}
