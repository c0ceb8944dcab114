package release

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/zeebo/blake3"

	"github.com/rollcall-dev/rollcall"
)

// Build gives the release of a revision. A tree that is known is only looked up; of a
// new one, only what differs from the last is read.
func (s *Store) Build(ctx context.Context, code *rollcall.Code, repo rollcall.Repository, revision rollcall.Revision, note func(string)) (rollcall.Release, error) {
	r := rollcall.Release{Revision: revision}
	rules := rulesOf(code)
	id, odd, err := s.known(ctx, code, rules, revision.Tree)
	if err != nil {
		return r, err
	}
	if id != "" {
		r.ID, r.Odd = id, odd
		return r, nil
	}
	last, err := s.last(ctx, code, rules)
	if err != nil {
		return r, err
	}
	var m *rollcall.Manifest
	if code.Build != nil {
		m, err = s.build(ctx, code, repo, revision, note)
	} else {
		m, err = s.read(ctx, code, repo, revision, last, note)
	}
	if err != nil {
		return r, err
	}
	if err := m.Check(); err != nil {
		return r, rollcall.Errorf(rollcall.KindRefused, "the tree of %s cannot be a release: %w", rollcall.ShortRevision(revision.ID), err)
	}
	if len(m.Entries) == 0 {
		return r, rollcall.Errorf(rollcall.KindRefused, "the tree of %s is empty: rolling it would take everything away", rollcall.ShortRevision(revision.ID)).
			WithHint("look at exclude: in rollcall.yaml, and at what is on the branch")
	}
	added := setTimes(m, last.manifest, revision.Time)
	r.ID = nameOf(m)
	r.Odd = alikeButForCase(m, added)
	if _, err := s.Manifest(r.ID); rollcall.KindOf(err) == rollcall.KindNotFound {
		if err := s.keep(r.ID, m); err != nil {
			return r, err
		}
		if last.id == "" || s.untimed(last.id) {
			if err := s.markUntimed(r.ID); err != nil {
				return r, err
			}
		}
	} else if err != nil {
		return r, err
	}
	return r, s.learn(ctx, code, rules, revision.Tree, r)
}

// rulesOf names what besides the tree decides what a release holds.
func rulesOf(code *rollcall.Code) string {
	b, err := json.Marshal(struct {
		Exclude    []string
		Build      *rollcall.Command
		Submodules bool
	}{code.Exclude, code.Build, code.Submodules})
	if err != nil {
		panic(err)
	}
	sum := blake3.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

func (s *Store) known(ctx context.Context, code *rollcall.Code, rules, tree string) (rollcall.ReleaseID, []string, error) {
	var id, odd string
	err := s.db.QueryRowContext(ctx, `SELECT release, odd FROM trees WHERE code = ? AND rules = ? AND tree = ?`, code.Name, rules, tree).Scan(&id, &odd)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("look up a tree: %w", err)
	}
	if !s.has(rollcall.ReleaseID(id)) {
		return "", nil, nil // its manifest is gone: make it again
	}
	var lines []string
	if odd != "" {
		lines = strings.Split(odd, "\n")
	}
	return rollcall.ReleaseID(id), lines, nil
}

func (s *Store) learn(ctx context.Context, code *rollcall.Code, rules, tree string, r rollcall.Release) error {
	_, err := s.db.ExecContext(ctx, `INSERT OR REPLACE INTO trees VALUES (?, ?, ?, ?, ?, ?)`,
		code.Name, rules, tree, string(r.ID), strings.Join(r.Odd, "\n"), time.Now().UnixMicro())
	if err != nil {
		return fmt.Errorf("remember a tree: %w", err)
	}
	return nil
}

// last is the tree that was made into a release most recently, to start from.
type last struct {
	tree     string
	id       rollcall.ReleaseID
	manifest *rollcall.Manifest
}

func (s *Store) last(ctx context.Context, code *rollcall.Code, rules string) (last, error) {
	l := last{manifest: &rollcall.Manifest{}}
	var tree, id string
	err := s.db.QueryRowContext(ctx, `SELECT tree, release FROM trees WHERE code = ? AND rules = ? ORDER BY at DESC LIMIT 1`, code.Name, rules).Scan(&tree, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("look up the last tree: %w", err)
	}
	if m, err := s.Manifest(rollcall.ReleaseID(id)); err == nil {
		l.tree, l.id, l.manifest = tree, rollcall.ReleaseID(id), m
	}
	return l, nil
}

// setTimes gives each file the time that it had where its content stands already, and
// a new one where it changed: caches that look at times must see every change, and
// equal files must stay hard links of each other. It lists the paths that are new.
func setTimes(m, before *rollcall.Manifest, now time.Time) (added []string) {
	at := max(now.Unix(), 1)
	var moved map[rollcall.Hash]int64
	for i := range m.Entries {
		e := &m.Entries[i]
		if e.Mtime != 0 {
			continue // it was taken over as it stood
		}
		e.Mtime = at
		old := before.Find(e.Path)
		if old == nil {
			added = append(added, e.Path)
		}
		switch {
		case old != nil && old.IsFile() && e.IsFile() && old.SameContent(e),
			old != nil && old.Type == e.Type && old.Same(e):
			e.Mtime = old.Mtime
			continue
		case old != nil && old.Mtime >= at:
			e.Mtime = old.Mtime + 1
		}
		if !e.IsFile() || old != nil {
			continue
		}
		if moved == nil {
			moved = make(map[rollcall.Hash]int64, len(before.Entries))
			for j := range before.Entries {
				if before.Entries[j].IsFile() {
					moved[before.Entries[j].Hash] = before.Entries[j].Mtime
				}
			}
		}
		if mtime, ok := moved[e.Hash]; ok {
			e.Mtime = mtime
		}
	}
	return added
}

// markUntimed notes, for later processes too, that a manifest was made without an
// earlier one to take times from. It stands until the release goes to a node.
func (s *Store) markUntimed(id rollcall.ReleaseID) error {
	return os.WriteFile(s.untimedPath(id), nil, 0o600)
}

func (s *Store) untimed(id rollcall.ReleaseID) bool {
	_, err := os.Stat(s.untimedPath(id))
	return err == nil
}

func (s *Store) untimedPath(id rollcall.ReleaseID) string { return s.manifestPath(id) + ".untimed" }

// Align gives the files of a release that was made by a controller that knew no earlier
// one, and that is on no node yet, the times that stand on the nodes.
func (s *Store) Align(to, from rollcall.ReleaseID) error {
	if to == from || !s.untimed(to) {
		return nil
	}
	before, err := s.Manifest(from)
	if err != nil {
		return err
	}
	m, err := s.Manifest(to)
	if err != nil || len(m.Entries) == 0 {
		return err
	}
	timed := &rollcall.Manifest{Entries: slices.Clone(m.Entries)}
	var newest int64
	for i := range timed.Entries {
		newest = max(newest, timed.Entries[i].Mtime)
		timed.Entries[i].Mtime = 0
	}
	setTimes(timed, before, time.Unix(newest, 0))
	return s.keep(to, timed)
}

// alikeButForCase finds names that a case-insensitive place could not hold together. It
// looks where something was added: what was there before was looked at then.
func alikeButForCase(m *rollcall.Manifest, added []string) []string {
	if len(added) == 0 {
		return nil
	}
	folded := make(map[string]string, len(added))
	for _, p := range added {
		folded[strings.ToLower(p)] = p
	}
	var odd []string
	for i := range m.Entries {
		p := m.Entries[i].Path
		if other, ok := folded[strings.ToLower(p)]; ok && other != p && len(odd) < 5 {
			odd = append(odd, fmt.Sprintf("%s and %s are alike but for case", min(p, other), max(p, other)))
		}
	}
	slices.Sort(odd)
	return slices.Compact(odd)
}
