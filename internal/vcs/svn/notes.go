package svn

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
)

// notes are what a branch's root has in its properties, as of a revision.
type notes struct {
	Mergeinfo  string `json:"mergeinfo,omitempty"`
	Blocked    string `json:"blocked,omitempty"`
	Integrated string `json:"integrated,omitempty"` // svnmerge.py's
	Avoided    string `json:"avoided,omitempty"`    // svnmerge.py's blocks
	Rest       string `json:"rest"`                 // names all other properties
}

func notesOf(props properties) notes {
	return notes{
		Mergeinfo: props[propMergeinfo], Blocked: props[propBlocked],
		Integrated: props[propIntegrated], Avoided: props[propAvoided],
		Rest: fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(plainProps(".", props), "\x00"))))[:16],
	}
}

// rootNotes asks the repository for them.
func (r *Repository) rootNotes(ctx context.Context, path string, revision int64) (notes, error) {
	props, err := r.propertiesAt(ctx, path, revision)
	return notesOf(props), err
}

// turn is a revision in which the notes of a branch changed.
type turn struct {
	Revision       int64 `json:"revision"`
	Added, Removed mergeinfo
	Blocked        string `json:"blocked"` // as of then
}

// turnText is how a turn is kept.
type turnText struct {
	Revision int64  `json:"revision"`
	Added    string `json:"added,omitempty"`
	Removed  string `json:"removed,omitempty"`
	Blocked  string `json:"blocked,omitempty"`
}

// chronicle is a branch's notes as they are, and how they came to be so: oldest first.
type chronicle struct {
	turns []turn
	now   notes
	info  mergeinfo // of now
}

// keptChronicle is what is known of one path's turns up to a revision.
type keptChronicle struct {
	Path  string     `json:"path"`
	Birth int64      `json:"birth"`
	Upto  int64      `json:"upto"`
	Now   notes      `json:"now"`
	Turns []turnText `json:"turns"`
}

// readAtOnce is how many revisions' properties are asked for at the same time.
const readAtOnce = 4

// chronicle reads the notes of a branch through the parts of its history, newest first,
// that are its own.
func (r *Repository) chronicle(ctx context.Context, book *logbook, known *facts, own []segment) (*chronicle, error) {
	c := &chronicle{info: mergeinfo{}}
	for i := len(own) - 1; i >= 0; i-- {
		k, err := r.pathChronicle(ctx, book, known, own[i])
		if err != nil {
			return nil, err
		}
		for n, text := range k.Turns {
			t := turn{Revision: text.Revision, Blocked: text.Blocked}
			if t.Added, err = parseMergeinfo(text.Added); err == nil {
				t.Removed, err = parseMergeinfo(text.Removed)
			}
			if err != nil {
				return nil, err
			}
			if n == 0 { // what the path began with, and all that came before
				begun := t.Added
				t.Added, t.Removed = begun.without(c.info), c.info.without(begun)
			}
			c.turns = append(c.turns, t)
		}
		c.now = k.Now
		if c.info, err = readMergeinfo(k.Now, own[i].path, k.Upto); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func readMergeinfo(n notes, path string, revision int64) (mergeinfo, error) {
	info, err := parseMergeinfo(n.Mergeinfo)
	if err != nil {
		err = fmt.Errorf("svn:mergeinfo of %s as of r%d: %w", path, revision, err)
	}
	return info, err
}

// pathChronicle reads what is new of one path's turns.
func (r *Repository) pathChronicle(ctx context.Context, book *logbook, known *facts, s segment) (*keptChronicle, error) {
	var k keptChronicle
	name := fmt.Sprintf("%s@%d", s.path, s.from)
	found, err := known.get(ctx, "chronicle", name, &k)
	if err != nil {
		return nil, err
	}
	if found && k.Upto > s.to { // asked for an older state than is known
		found, k = false, keptChronicle{}
	}
	revisions, err := book.rootTurns(ctx, s, k.Upto)
	if err != nil {
		return nil, err
	}
	if found && len(revisions) == 0 {
		return &k, nil
	}
	info, err := readMergeinfo(k.Now, s.path, k.Upto)
	if err != nil {
		return nil, err
	}
	k.Path, k.Birth = s.path, s.from
	const some = 100
	for begin := 0; begin < len(revisions); begin += some {
		chunk := revisions[begin:min(begin+some, len(revisions))]
		all, err := r.manyNotes(ctx, s.path, chunk)
		if err != nil {
			return nil, err
		}
		for i, n := range all {
			fresh, err := readMergeinfo(n, s.path, chunk[i])
			if err != nil {
				return nil, err
			}
			t := turnText{chunk[i], fresh.without(info).String(), info.without(fresh).String(), n.Blocked}
			if t.Added != "" || t.Removed != "" || n.Blocked != k.Now.Blocked || len(k.Turns) == 0 {
				k.Turns = append(k.Turns, t)
			}
			info, k.Now, k.Upto = fresh, n, chunk[i]
		}
	}
	return &k, known.put(ctx, "chronicle", name, k)
}

func (r *Repository) manyNotes(ctx context.Context, path string, revisions []int64) ([]notes, error) {
	all := make([]notes, len(revisions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readAtOnce)
	for i, revision := range revisions {
		group.Go(func() (err error) {
			all[i], err = r.rootNotes(ctx, path, revision)
			return err
		})
	}
	return all, group.Wait()
}

// rootTurns lists the revisions, oldest first, that may have changed the properties of a
// branch's root: the one that made it, and those that the log says touched them.
func (b *logbook) rootTurns(ctx context.Context, s segment, after int64) ([]int64, error) {
	var all []int64
	if after < s.from {
		all = append(all, s.from)
		after = s.from
	}
	rows, err := b.db.QueryContext(ctx, `SELECT rev FROM paths WHERE path = ? AND props AND rev > ? AND rev <= ? ORDER BY rev`, s.path, after, s.to)
	if err != nil {
		return nil, fmt.Errorf("look into the log: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var revision int64
		if err := rows.Scan(&revision); err != nil {
			return nil, fmt.Errorf("look into the log: %w", err)
		}
		all = append(all, revision)
	}
	return all, rows.Err()
}

// blocked reads rollcall:blocked: a line a changeset, 1041 by ada: why.
type blocked struct{ by, why string }

func parseBlocked(text string) map[int64]blocked {
	all := map[int64]blocked{}
	for line := range strings.SplitSeq(text, "\n") {
		number, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := parseNumber(strings.TrimPrefix(number, "r"))
		if err != nil {
			continue
		}
		by, why, _ := strings.Cut(strings.TrimPrefix(rest, "by "), ": ")
		all[n] = blocked{strings.TrimSuffix(by, ":"), why}
	}
	return all
}
