// Package release turns frozen trees into releases: a manifest, the name that is its
// hash, and the packs between releases. Everything is computed once and kept in the
// state folder; a tree that is known costs one look-up.
//
//	manifests/3f9c…        the stored form of rollcall.Manifest
//	packs/3f9c…-77ab…      see package pack
//	objects/3f/9c…         contents that a build made, by their hash
//	contents/5d1…          contents that were read from repositories, one behind the other
//	cache.db               blob to hash and place, tree to release
package release

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/renameio/v2"
	"github.com/zeebo/blake3"
	_ "modernc.org/sqlite" // the driver of cache.db

	"github.com/rollcall-dev/rollcall"
)

// DefaultLimit is how many bytes of packs and of contents are kept.
const DefaultLimit = 4 << 30

// schema of cache.db. Everything in it can be computed again, so another version
// throws it away.
const (
	schemaVersion = 2
	schema        = `
CREATE TABLE blobs (
	blob TEXT PRIMARY KEY, hash BLOB NOT NULL, size INTEGER NOT NULL, segment INTEGER NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX blobs_by_hash ON blobs (hash);
CREATE TABLE trees (
	code TEXT NOT NULL, rules TEXT NOT NULL, tree TEXT NOT NULL,
	release TEXT NOT NULL, odd TEXT NOT NULL, at INTEGER NOT NULL,
	PRIMARY KEY (code, rules, tree)
) WITHOUT ROWID;
`
)

// Store is a rollcall.Releases in a folder.
type Store struct {
	dir      string
	limit    int64
	db       *sql.DB
	segments segments

	mu        sync.Mutex
	manifests map[rollcall.ReleaseID]*rollcall.Manifest
	packing   map[string]*packed
	recent    map[rollcall.Hash]blob // what was read last
}

var _ rollcall.Releases = (*Store)(nil)

// Open opens a store, and makes it where there is none. limit is in bytes.
func Open(ctx context.Context, dir string, limit int64) (*Store, error) {
	for _, sub := range []string{"manifests", "packs", "objects", "contents"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("make the state folder: %w", err)
		}
	}
	s := &Store{dir: dir, limit: limit, segments: openSegments(filepath.Join(dir, "contents")), manifests: map[rollcall.ReleaseID]*rollcall.Manifest{}, packing: map[string]*packed{}}
	if err := s.openCache(ctx); err != nil {
		return nil, fmt.Errorf("open %s: %w", filepath.Join(dir, "cache.db"), err)
	}
	return s, nil
}

func (s *Store) openCache(ctx context.Context) error {
	dsn := "file:" + (&url.URL{Path: filepath.Join(s.dir, "cache.db")}).EscapedPath() +
		"?_txlock=immediate&_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	s.db = db
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if version == schemaVersion {
		return nil
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil || version == schemaVersion {
		return err // another process was faster
	}
	_, err = tx.ExecContext(ctx, `DROP TABLE IF EXISTS blobs; DROP TABLE IF EXISTS trees;`+schema+fmt.Sprintf(`PRAGMA user_version = %d`, schemaVersion))
	if err != nil {
		return err
	}
	return tx.Commit()
}

// Close frees what the store took.
func (s *Store) Close() error {
	err := s.packsKept()
	s.segments.close()
	return errors.Join(err, s.db.Close())
}

// Manifest gives a kept manifest.
func (s *Store) Manifest(id rollcall.ReleaseID) (*rollcall.Manifest, error) {
	if id == "" {
		return &rollcall.Manifest{}, nil
	}
	s.mu.Lock()
	m := s.manifests[id]
	s.mu.Unlock()
	if m != nil {
		return m, nil
	}
	if !id.Valid() {
		return nil, rollcall.Errorf(rollcall.KindNotFound, "%q is no release", rollcall.Printable(string(id)))
	}
	file, err := os.Open(s.manifestPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, rollcall.Errorf(rollcall.KindNotFound, "the release %s is not known here", id.Short())
	}
	if err != nil {
		return nil, fmt.Errorf("read a manifest: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil {
		m, err = rollcall.ReadManifest(file, info.Size())
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.manifestPath(id), err)
	}
	s.remember(id, m)
	return m, nil
}

func (s *Store) remember(id rollcall.ReleaseID, m *rollcall.Manifest) {
	s.mu.Lock()
	s.manifests[id] = m
	s.mu.Unlock()
}

func (s *Store) has(id rollcall.ReleaseID) bool {
	_, err := os.Stat(s.manifestPath(id))
	return err == nil
}

func (s *Store) manifestPath(id rollcall.ReleaseID) string {
	return filepath.Join(s.dir, "manifests", string(id))
}

// Adopt keeps a manifest that a node holds. Its times are then the release's: they are
// the ones that stand on the nodes.
func (s *Store) Adopt(id rollcall.ReleaseID, m *rollcall.Manifest) error {
	if nameOf(m) != id {
		return rollcall.Errorf(rollcall.KindBroken, "a manifest says that it is %s, and it is not", id.Short())
	}
	return s.keep(id, m)
}

func (s *Store) keep(id rollcall.ReleaseID, m *rollcall.Manifest) error {
	b, err := m.AppendBinary(nil)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(s.manifestPath(id), b, 0o600); err != nil {
		return fmt.Errorf("keep a manifest: %w", err)
	}
	s.remember(id, m)
	return nil
}

func nameOf(m *rollcall.Manifest) rollcall.ReleaseID {
	h := blake3.New()
	_ = m.WriteName(h) // a hash takes everything
	return rollcall.ReleaseID(hex.EncodeToString(h.Sum(nil)))
}
