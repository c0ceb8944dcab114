package svn

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-dev/rollcall"
)

// touchedFiles is in how many files of a changeset lines are looked up.
const touchedFiles = 100

// Touched lists whose lines a changeset changes or takes away.
func (r *Repository) Touched(ctx context.Context, source, target, id string) (rollcall.Touched, error) {
	all, err := r.TouchedByEach(ctx, source, target, []string{id})
	return all[id], err
}

// TouchedByEach is Touched for each changeset of ids: svn spends its time on waiting.
func (r *Repository) TouchedByEach(ctx context.Context, source, target string, ids []string) (map[string]rollcall.Touched, error) {
	p, err := r.pair(ctx, source, target)
	if err != nil {
		return nil, err
	}
	defer p.close()
	var mu sync.Mutex
	all := map[string]rollcall.Touched{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readAtOnce)
	for _, id := range ids {
		group.Go(func() error {
			touched, err := p.touchedBy(ctx, id)
			mu.Lock()
			all[id] = touched
			mu.Unlock()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return all, nil
}

func (p *pair) touchedBy(ctx context.Context, id string) (rollcall.Touched, error) {
	all := rollcall.Touched{Touches: []rollcall.Touch{}}
	number, err := parseRevision(id)
	if err != nil {
		return all, err
	}
	place, ok := segmentOf(p.parted, number)
	if !ok {
		return all, rollcall.Errorf(rollcall.KindNotFound, "%s is no changeset of %s since it parted from %s", revisionID(number), p.source, p.target)
	}
	e, err := p.book.entry(ctx, number)
	if err != nil {
		return all, err
	}
	changed := oldFiles(e, place.path)
	if more := len(changed) - touchedFiles; more > 0 {
		changed, all.Unasked = changed[:touchedFiles], more
	}
	for _, old := range changed {
		some, err := p.touchedFile(ctx, old, number)
		if err != nil {
			return all, fmt.Errorf("whose lines of %s %s changes: %w", rollcall.Printable(old.name), revisionID(number), err)
		}
		all.Touches = append(all.Touches, some...)
	}
	return all, nil
}

// oldFile is a file as it was before a changeset, and where it went.
type oldFile struct {
	name     string // below the branch
	from     string
	revision int64
	to       string // empty: it is gone
}

// oldFiles lists the files whose content a changeset changed.
func oldFiles(e *logRecord, folder string) []oldFile {
	var all []oldFile
	for _, p := range e.paths {
		if !within(p.path, folder) || p.path == folder || p.kind == "dir" {
			continue
		}
		old := oldFile{name: p.path[len(folder)+1:], from: p.path, revision: e.revision - 1, to: p.path}
		switch {
		case p.action == "M" && !p.text:
			continue
		case p.action == "M":
		case p.action == "D":
			// Where it went to another place its lines are still there.
			if slices.ContainsFunc(e.paths, func(o pathChange) bool { return o.fromPath == p.path }) {
				continue
			}
			old.to = ""
		case p.fromPath != "" && p.text:
			old.from, old.revision = p.fromPath, p.fromRevision
		default:
			continue
		}
		all = append(all, old)
	}
	return all
}

// touchedFile blames the lines of one file that a changeset changes. The answer never
// changes, so it is kept.
func (p *pair) touchedFile(ctx context.Context, old oldFile, number int64) ([]rollcall.Touch, error) {
	name := fmt.Sprintf("%d %s since %d", number, p.folder(p.source)+"/"+old.name, p.parting())
	lines := map[int64]int{}
	found, err := p.known.get(ctx, "touched", name, &lines)
	if err != nil {
		return nil, err
	}
	if !found {
		some, err := p.book.changedSince(ctx, old.from, p.parting(), old.revision)
		if err != nil {
			return nil, err
		}
		if !some {
			return nil, nil // every line of it is older
		}
		if lines, err = p.blameChanged(ctx, old, number); err != nil {
			return nil, err
		}
		if err := p.known.put(ctx, "touched", name, lines); err != nil {
			return nil, err
		}
	}
	var all []rollcall.Touch
	for revision, count := range lines {
		if _, ok := segmentOf(p.parted, revision); ok && revision != number {
			all = append(all, rollcall.Touch{ID: revisionID(revision), Path: old.name, Lines: count})
		}
	}
	slices.SortFunc(all, func(a, b rollcall.Touch) int { return b.Lines - a.Lines })
	// Who brought the file is needed too, though none of its lines may be left.
	came, err := p.book.birth(ctx, old.from, old.revision)
	if err != nil || came == nil || came.revision == number || lines[came.revision] > 0 {
		return all, err
	}
	if _, ok := segmentOf(p.parted, came.revision); ok {
		all = append(all, rollcall.Touch{ID: revisionID(came.revision), Path: old.name})
	}
	return all, nil
}

func (p *pair) blameChanged(ctx context.Context, old oldFile, number int64) (map[int64]int, error) {
	lines := map[int64]int{}
	before := at(join(p.root, old.from), old.revision)
	var changed []run
	if old.to != "" {
		out, err := p.client.svn(ctx, "diff", []string{"--internal-diff", "--ignore-properties", "-x", "-U0"}, before, at(join(p.root, old.to), number))
		if err != nil {
			return nil, err
		}
		if changed, err = oldRuns(out); err != nil || len(changed) == 0 {
			return lines, err
		}
	}
	type entry struct {
		Line   int `xml:"line-number,attr"`
		Commit struct {
			Revision int64 `xml:"revision,attr"`
		} `xml:"commit"`
	}
	one := command{
		verb: "blame", options: []string{"--xml", "--force", "-r", fmt.Sprintf("%d:%d", p.parting()+1, old.revision)},
		targets: []string{before},
	}
	if old.revision <= p.parting() {
		return lines, nil // all of it is older
	}
	err := p.client.stream(ctx, one, func(r io.Reader) error {
		return elements(r, "entry", func(e *entry) error {
			if e.Commit.Revision > p.parting() && (old.to == "" || slices.ContainsFunc(changed, func(c run) bool { return c.has(e.Line) })) {
				lines[e.Commit.Revision]++
			}
			return nil
		})
	})
	return lines, err
}

// changedSince tells whether what stands at a path as of one revision may have lines that
// are younger than another: it was changed, or it or a folder that it is in came.
func (b *logbook) changedSince(ctx context.Context, name string, after, until int64) (some bool, err error) {
	if birth, err := b.birth(ctx, name, until); err != nil || birth != nil && birth.revision > after {
		return true, err
	}
	err = b.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM paths WHERE rev > ? AND rev <= ? AND path = ?)`, after, until, name).Scan(&some)
	if err != nil {
		return false, fmt.Errorf("look into the log: %w", err)
	}
	return some, nil
}

// run is some lines of a file, counted from 1.
type run struct{ from, count int }

func (r run) has(line int) bool { return r.from <= line && line < r.from+r.count }

var hunkText = regexp.MustCompile(`^@@ -([0-9]+)(?:,([0-9]+))? \+([0-9]+)(?:,([0-9]+))? @@`)

// oldRuns reads of a diff of one file, without context, which lines it takes away. What
// stands in the lines is not looked at: they are counted.
func oldRuns(diff []byte) ([]run, error) {
	var all []run
	lines := bufio.NewReader(newReader(diff))
	skip := 0
	for {
		line, err := lines.ReadString('\n')
		if err != nil && line == "" {
			return all, nil
		}
		switch {
		case skip > 0 && line[0] != '\\':
			skip--
			continue
		case skip > 0:
			continue
		}
		m := hunkText.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		var n [4]int
		for i, text := range m[1:] {
			n[i] = 1
			if text != "" {
				if n[i], err = strconv.Atoi(text); err != nil {
					return nil, fmt.Errorf("svn diff: %w", err)
				}
			}
		}
		if n[1] > 0 {
			all = append(all, run{n[0], n[1]})
		}
		skip = n[1] + n[3]
	}
}

// LastChanged gives the changeset that last changed each path of a branch, out of the log:
// of what was merged the one that was brought, whose author wrote it.
func (r *Repository) LastChanged(ctx context.Context, branch string, paths []string) (map[string]rollcall.Changeset, error) {
	book, history, err := r.branch(ctx, branch)
	if err != nil {
		return nil, err
	}
	defer book.close()
	known, err := r.facts(ctx)
	if err != nil {
		return nil, err
	}
	defer known.close()
	found := map[string]rollcall.Changeset{}
	for _, name := range paths {
		clean := path.Clean("/" + name)[1:]
		if clean == "" || clean != name {
			continue
		}
		for i, s := range history {
			revision, there, err := book.lastChange(ctx, s, name)
			if err != nil {
				return nil, err
			}
			if there && revision == 0 && i == len(history)-1 {
				break
			}
			if revision == 0 {
				continue // it is older than the copy
			}
			if s, revision, err = r.written(ctx, book, known, s, revision, name); err != nil {
				return nil, err
			}
			e, err := book.entry(ctx, revision)
			if err != nil {
				return nil, err
			}
			found[name] = e.changeset(s.path)
			break
		}
	}
	return found, nil
}

// lastChange is the newest revision in a part of a branch's history that changed a path:
// itself, or by bringing or taking away a folder that it is in.
func (b *logbook) lastChange(ctx context.Context, s segment, name string) (revision int64, there bool, err error) {
	for place := s.path + "/" + name; place != s.path; place = path.Dir(place) {
		var one int64
		err := b.db.QueryRowContext(ctx, `SELECT coalesce(max(rev), 0) FROM paths WHERE path = ? AND rev BETWEEN ? AND ? AND (? OR action <> 'M' AND (action <> 'A' OR from_path <> ''))`,
			place, s.from, s.to, place == s.path+"/"+name).Scan(&one)
		if err != nil {
			return 0, false, fmt.Errorf("look into the log: %w", err)
		}
		if one <= revision {
			continue
		}
		if place != s.path+"/"+name {
			if was, err := b.was(ctx, s.path+"/"+name, one); err != nil || !was {
				return revision, false, err
			}
		}
		revision = one
	}
	return revision, true, nil
}

// was tells whether a path is there as of a revision, or was just before it.
func (b *logbook) was(ctx context.Context, name string, revision int64) (bool, error) {
	for _, at := range []int64{revision, revision - 1} {
		history, err := b.history(ctx, name, at)
		if err != nil || len(history) > 0 {
			return len(history) > 0, err
		}
	}
	return false, nil
}
