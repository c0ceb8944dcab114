package svn

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// segment is a part of a branch's history: what happened beneath a path, from the
// revision that made it on.
type segment struct {
	path     string
	from, to int64 // both included
}

// history follows a folder back from a revision: since the copy that made it, then at its
// source up to the revision that was copied, and so on. It is empty where there is no such
// folder. What was copied from outside the code's folder begins with the copy.
func (b *logbook) history(ctx context.Context, folder string, revision int64) ([]segment, error) {
	if b.places == nil {
		s, err := b.source(ctx)
		if err != nil {
			return nil, fmt.Errorf("look into the log: %w", err)
		}
		b.places = []string{s.prefix}
		own, err := b.follow(ctx, s.prefix, s.seen)
		if err != nil {
			return nil, err
		}
		for _, one := range own {
			b.places = append(b.places, one.path)
		}
	}
	return b.follow(ctx, folder, revision)
}

// covers tells whether the log has everything of a path.
func (b *logbook) covers(name string) bool {
	return slices.ContainsFunc(b.places, func(place string) bool { return within(name, place) })
}

func (b *logbook) follow(ctx context.Context, folder string, revision int64) ([]segment, error) {
	var all []segment
	for {
		birth, err := b.birth(ctx, folder, revision)
		if err != nil {
			return nil, err
		}
		if birth == nil { // older than the log, or never there
			one := []segment{{folder, 1, revision}}
			if first, err := b.touched(ctx, one, 1); err != nil || len(first) == 0 {
				return all, err
			}
			return append(all, one...), nil
		}
		if birth.Action == "D" || birth.Path != folder && birth.FromPath == "" {
			return all, nil
		}
		one := segment{folder, birth.revision, revision}
		from := birth.FromPath + strings.TrimPrefix(folder, birth.Path)
		if birth.Path != folder && b.covers(from) {
			// A copy of a folder above brought it, if it was there.
			if before, err := b.follow(ctx, from, birth.FromRevision); err != nil || len(before) == 0 {
				return all, err
			}
		}
		all = append(all, one)
		if birth.FromPath == "" {
			return all, nil
		}
		folder, revision = from, birth.FromRevision
	}
}

// birth is what last made or removed a folder or one above it, up to a revision.
type birth struct {
	logPath
	revision int64
}

func (b *logbook) birth(ctx context.Context, folder string, revision int64) (*birth, error) {
	var latest *birth
	for name := folder; name != "/" && name != "." && name != ""; name = path.Dir(name) {
		var one birth
		err := b.db.QueryRowContext(ctx, `SELECT rev, path, action, from_path, from_rev FROM paths
			WHERE path = ? AND action <> 'M' AND rev <= ? ORDER BY rev DESC LIMIT 1`, name, revision).
			Scan(&one.revision, &one.Path, &one.Action, &one.FromPath, &one.FromRevision)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look into the log: %w", err)
		}
		// Within one revision what is said of the deeper path holds.
		if latest == nil || one.revision > latest.revision {
			latest = &one
		}
	}
	return latest, nil
}

// touch is a revision that changed something beneath a path.
type touch struct {
	revision int64
	path     string
}

// touched lists the revisions that changed something in segments, newest first, and at
// most limit of them; 0 is all.
func (b *logbook) touched(ctx context.Context, segments []segment, limit int) ([]touch, error) {
	var all []touch
	for _, s := range segments {
		left := -1
		if limit > 0 {
			left = limit - len(all)
		}
		if left == 0 {
			break
		}
		// What made a folder by copying one above it names only that one.
		rows, err := b.db.QueryContext(ctx, `SELECT DISTINCT rev FROM paths
			WHERE rev BETWEEN ? AND ? AND (path = ? OR path > ? AND path < ? OR rev = ? AND action <> 'M' AND instr(?, path || '/') = 1)
			ORDER BY rev DESC LIMIT ?`, s.from, s.to, s.path, s.path+"/", s.path+"0", s.from, s.path+"/", left)
		if err != nil {
			return nil, fmt.Errorf("look into the log: %w", err)
		}
		for rows.Next() {
			one := touch{path: s.path}
			if err := rows.Scan(&one.revision); err != nil {
				rows.Close()
				return nil, fmt.Errorf("look into the log: %w", err)
			}
			all = append(all, one)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, fmt.Errorf("look into the log: %w", err)
		}
	}
	return all, nil
}

// entry gives a revision with the paths that it changed, in their order.
func (b *logbook) entry(ctx context.Context, revision int64) (*logRecord, error) {
	e := &logRecord{revision: revision}
	var at int64
	err := b.db.QueryRowContext(ctx, `SELECT author, at, message FROM revisions WHERE rev = ?`, revision).Scan(&e.author, &at, &e.message)
	if err != nil {
		return nil, fmt.Errorf("look up r%d in the log: %w", revision, err)
	}
	e.at = microTime(at)
	rows, err := b.db.QueryContext(ctx, `SELECT path, action, kind, from_path, from_rev, text, props FROM paths WHERE rev = ? ORDER BY path`, revision)
	if err != nil {
		return nil, fmt.Errorf("look up r%d in the log: %w", revision, err)
	}
	defer rows.Close()
	for rows.Next() {
		var p pathChange
		if err := rows.Scan(&p.path, &p.action, &p.kind, &p.fromPath, &p.fromRevision, &p.text, &p.props); err != nil {
			return nil, fmt.Errorf("look up r%d in the log: %w", revision, err)
		}
		e.paths = append(e.paths, p)
	}
	return e, rows.Err()
}

// minus is what a history has and another has not.
func minus(history, other []segment) []segment {
	var left []segment
	for _, s := range history {
		i := slices.IndexFunc(other, func(o segment) bool { return o.path == s.path && o.from == s.from })
		if i >= 0 {
			s.from = other[i].to + 1
		}
		if s.from <= s.to {
			left = append(left, s)
		}
	}
	return left
}

// upTo is a history up to a revision, and whether the revision lies in it.
func upTo(history []segment, revision int64) ([]segment, bool) {
	for i, s := range history {
		if s.from <= revision && revision <= s.to {
			cut := slices.Clone(history[i:])
			cut[0].to = revision
			return cut, true
		}
	}
	return nil, false
}
