package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// keepBuilds is how many releases' built contents stay for certain.
const keepBuilds = 50

// Evict removes the packs and the contents read from repositories that were not used for
// longest, until the rest fits the limit, and built contents that no recent release holds.
func (s *Store) Evict() error {
	if err := s.packsKept(); err != nil {
		return err
	}
	if err := s.evictUnused(); err != nil {
		return fmt.Errorf("evict packs and contents: %w", err)
	}
	if err := s.evictObjects(); err != nil {
		return fmt.Errorf("evict built contents: %w", err)
	}
	return nil
}

// evictUnused removes what can be made or read again.
func (s *Store) evictUnused() error {
	type kept struct {
		path string
		info fs.FileInfo
	}
	var all []kept
	var total int64
	for _, sub := range []string{"packs", "contents"} {
		dir := filepath.Join(s.dir, sub)
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				all = append(all, kept{filepath.Join(dir, e.Name()), info})
				total += info.Size()
			}
		}
	}
	slices.SortFunc(all, func(a, b kept) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	for _, one := range all {
		if total <= s.limit {
			return nil
		}
		// A process that reads it keeps its open file.
		if err := os.Remove(one.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		total -= one.info.Size()
	}
	return nil
}

func (s *Store) evictObjects() error {
	folders, err := os.ReadDir(filepath.Join(s.dir, "objects"))
	if err != nil || len(folders) == 0 {
		return err
	}
	rows, err := s.db.Query(`SELECT DISTINCT release FROM trees ORDER BY at DESC LIMIT ?`, keepBuilds)
	if err != nil {
		return err
	}
	defer rows.Close()
	used := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		if m, err := s.Manifest(rollcall.ReleaseID(id)); err == nil {
			for i := range m.Entries {
				used[s.object(m.Entries[i].Hash)] = true
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, folder := range folders {
		dir := filepath.Join(s.dir, "objects", folder.Name())
		files, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, f := range files {
			path := filepath.Join(dir, f.Name())
			info, err := f.Info()
			// A build that is under way has put some there that no release names yet.
			if err != nil || used[path] || len(f.Name()) != 62 || time.Since(info.ModTime()) < 24*time.Hour {
				continue
			}
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}
