package git

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-dev/rollcall"
)

var (
	_         rollcall.ManyTouched = (*Repository)(nil)
	hunkHead                       = regexp.MustCompile(`^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@`)
	blameHead                      = regexp.MustCompile(`^\^?([0-9a-f]{40}|[0-9a-f]{64}) \d+ \d+`)
)

// How many files of one changeset are asked whose lines it changes: of one among many, and
// of one that somebody looks at. One that changes more is a reformatting or an import.
const (
	touchLimit    = 40
	touchLimitOne = 400
)

// Touched lists whose lines a changeset changes.
func (r *Repository) Touched(ctx context.Context, source, target, id string) (rollcall.Touched, error) {
	c, err := r.commit(ctx, id)
	if err != nil {
		return rollcall.Touched{}, noChangeset(id, err)
	}
	all, err := r.TouchedByEach(ctx, source, target, []string{c.id})
	return all[c.id], err
}

// TouchedByEach lists it for many. What each comes to stays so for as long as the branches
// have the same commits in common, and is kept.
func (r *Repository) TouchedByEach(ctx context.Context, source, target string, ids []string) (map[string]rollcall.Touched, error) {
	to, err := r.Tip(ctx, target)
	if err != nil {
		return nil, err
	}
	known, err := r.openTouches(ctx, source, to.ID)
	if err != nil {
		return nil, err
	}
	var asked []string
	for _, id := range ids {
		if _, ok := known.all[id]; !ok && !slices.Contains(asked, id) {
			asked = append(asked, id)
		}
	}
	if len(asked) == 0 {
		return known.of(ids), nil
	}
	came, err := r.came(ctx, source, to.ID)
	if err != nil {
		return nil, err
	}
	changed, err := r.oldLines(ctx, came, asked)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	limit := touchLimit
	if len(ids) == 1 {
		limit = touchLimitOne
	}
	fresh, part := map[string][]rollcall.Touch{}, map[string]rollcall.Touched{}
	for _, id := range asked {
		if brought := came.before(id, changed[id]); len(changed[id]) > limit {
			part[id] = rollcall.Touched{Touches: brought, Unasked: withLines(changed[id])} // not kept: it may be looked at more closely
		} else {
			fresh[id] = brought
		}
	}
	for id := range maps.Clone(fresh) { // which is written to meanwhile
		for _, f := range changed[id] {
			if len(f.lines) == 0 {
				continue
			}
			work.Go(func() error {
				touched, err := r.blame(workCtx, id, known.common, f)
				mu.Lock()
				defer mu.Unlock()
				fresh[id] = append(fresh[id], touched...)
				return err
			})
		}
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	for id, touched := range fresh {
		slices.SortFunc(touched, func(a, b rollcall.Touch) int {
			return cmp.Or(strings.Compare(a.Path+"\x00"+a.ID, b.Path+"\x00"+b.ID), b.Lines-a.Lines)
		})
		// Who brought a file is told once, with its lines where there are any.
		fresh[id] = slices.CompactFunc(touched, func(a, b rollcall.Touch) bool { return a.Path == b.Path && a.ID == b.ID })
	}
	if err := known.add(fresh); err != nil {
		return nil, err
	}
	found := known.of(ids)
	maps.Copy(found, part)
	return found, nil
}

// withLines counts the files that a changeset does more to than add lines.
func withLines(changed []oldFile) int {
	n := 0
	for _, f := range changed {
		if len(f.lines) > 0 {
			n++
		}
	}
	return n
}

// blame tells whose the lines of one file are that a changeset changes, as far as they are
// younger than what both branches have.
func (r *Repository) blame(ctx context.Context, id string, common []string, f oldFile) ([]rollcall.Touch, error) {
	args := []string{"blame", "--porcelain", "--first-parent", "--no-progress"}
	for _, l := range f.lines {
		args = append(args, fmt.Sprintf("-L%d,%d", l[0], l[1]))
	}
	args = append(args, id+"^")
	// Lines that are older are git's boundary. Without the target's tip it need not go
	// through all that only the target has.
	for _, c := range common {
		args = append(args, "^"+c)
	}
	out, err := r.git(ctx, append(args, "--", f.path)...)
	if err != nil {
		return nil, err
	}
	var touched []rollcall.Touch
	for by, lines := range blamed(string(out)) {
		touched = append(touched, rollcall.Touch{ID: by, Path: f.path, Lines: lines})
	}
	return touched, nil
}

// oldFile is which of a file's old lines a changeset changes or takes away.
type oldFile struct {
	path  string
	lines [][2]int // first and last
}

// oldLines asks one git for the old lines of every changeset. One that has no parent
// changes none, and those of one whose parent both branches have are all in both.
func (r *Repository) oldLines(ctx context.Context, came *comers, ids []string) (map[string][]oldFile, error) {
	mark := rand.Text() // nobody could know it when the lines and the names were written
	out, err := r.gitIn(ctx, strings.Join(ids, "\n")+"\n", "log", "-z", "--no-walk=unsorted", "--stdin", "--raw", "-p", "-U0", "--diff-merges=first-parent",
		"--no-renames", "--diff-filter=MD", "--no-color", "--no-ext-diff", "--no-textconv", "--no-show-signature", "--format="+mark+"%H %P%n", "--")
	if err != nil {
		return nil, err
	}
	all := map[string][]oldFile{}
	for record := range strings.SplitSeq(string(out), mark) {
		head, rest, _ := strings.Cut(record, "\n")
		names := strings.Fields(head)
		if len(names) < 2 {
			continue
		}
		if _, ok := came.place[names[1]]; !ok {
			continue
		}
		id := names[0]
		if all[id], err = parseOldLines(strings.TrimLeft(rest, "\n\x00")); err != nil {
			return nil, fmt.Errorf("git log: what %s changes: %w", rollcall.ShortRevision(id), err)
		}
	}
	return all, nil
}

// parseOldLines reads what --raw -z tells of each file, and behind an empty field a patch
// for each, in the same order. What stands in the lines is not looked at: they are counted.
func parseOldLines(text string) ([]oldFile, error) {
	var files []oldFile
	var skip []bool // what is no file: another repository's commit
	rest := fields{text}
	for strings.HasPrefix(rest.rest, ":") {
		head, err := rest.next()
		if err != nil {
			return nil, err
		}
		name, err := rest.next()
		if err != nil {
			return nil, err
		}
		files = append(files, oldFile{path: name})
		skip = append(skip, strings.HasPrefix(head, ":160000"))
	}
	at, left := -1, 0
	for line := range strings.Lines(strings.TrimPrefix(rest.rest, "\x00")) {
		switch {
		case left > 0:
			if line[0] != '\\' { // that there is no newline at the end
				left--
			}
		case strings.HasPrefix(line, "diff --git "):
			if at++; at >= len(files) {
				return nil, fmt.Errorf("more patches than its %d files", len(files))
			}
		case at >= 0 && strings.HasPrefix(line, "@@ "):
			match := hunkHead.FindStringSubmatch(line)
			if match == nil {
				return nil, fmt.Errorf("cannot read %q", line)
			}
			start, _ := strconv.Atoi(match[1])
			count := counted(match[2])
			left = count + counted(match[4])
			if count > 0 && !skip[at] {
				files[at].lines = append(files[at].lines, [2]int{start, start + count - 1})
			}
		}
	}
	if at+1 != len(files) {
		return nil, fmt.Errorf("%d patches of %d files", at+1, len(files))
	}
	return files, nil
}

// counted is how many lines a hunk's head tells of; it leaves out that it is one.
func counted(text string) int {
	if text == "" {
		return 1
	}
	n, _ := strconv.Atoi(text) // digits
	return n
}

// blamed counts the lines of each commit in what git blame --porcelain says.
func blamed(out string) map[string]int {
	lines, boundary := map[string]int{}, map[string]bool{}
	current := ""
	for line := range strings.Lines(out) {
		switch {
		case strings.HasPrefix(line, "\t"): // the line itself, whatever it holds
		case strings.HasPrefix(line, "boundary"):
			boundary[current] = true
		default:
			if match := blameHead.FindStringSubmatch(line); match != nil {
				current = match[1]
				lines[current]++
			}
		}
	}
	for id := range boundary {
		delete(lines, id)
	}
	return lines
}
