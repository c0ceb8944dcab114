package git

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

var (
	hunkHead  = regexp.MustCompile(`^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@`)
	blameHead = regexp.MustCompile(`^\^?([0-9a-f]{40}|[0-9a-f]{64}) \d+ \d+`)
)

// touchLimit is how many files of one changeset are asked whose lines it changes: one
// that changes more than that is a reformatting or an import.
const touchLimit = 40

// Touched lists whose lines a changeset changes.
func (r *Repository) Touched(ctx context.Context, _, target, id string) ([]rollcall.Touch, error) {
	c, err := r.commit(ctx, id)
	if err != nil {
		return nil, noChangeset(id, err)
	}
	if len(c.parents) == 0 {
		return nil, nil
	}
	to, err := r.Tip(ctx, target)
	if err != nil {
		return nil, err
	}
	if r.isAncestor(ctx, c.parents[0], to.ID) {
		return nil, nil // every line that it could change is in both
	}
	files, err := r.oldLines(ctx, c.parents[0], c.id)
	if err != nil || len(files) > touchLimit {
		return nil, err
	}
	touched, err := r.lacking(ctx, c, to)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		// Lines that are older than the parting are git's boundary: they are in both.
		args := []string{"blame", "--porcelain", "--first-parent", "--no-progress"}
		for _, l := range f.lines {
			args = append(args, fmt.Sprintf("-L%d,%d", l[0], l[1]))
		}
		out, err := r.git(ctx, append(args, c.parents[0], "^"+to.ID, "--", f.path)...)
		if err != nil {
			return nil, err
		}
		for id, lines := range blamed(string(out)) {
			touched = append(touched, rollcall.Touch{ID: id, Path: f.path, Lines: lines})
		}
	}
	slices.SortFunc(touched, func(a, b rollcall.Touch) int { return strings.Compare(a.Path+"\x00"+a.ID, b.Path+"\x00"+b.ID) })
	return touched, nil
}

// oldFile is which of a file's old lines a changeset changes or takes away.
type oldFile struct {
	path  string
	lines [][2]int // first and last
}

func (r *Repository) oldLines(ctx context.Context, before, after string) ([]oldFile, error) {
	names, err := r.git(ctx, "diff-tree", "-r", "-z", "--no-renames", "--diff-filter=MD", "--name-only", "--no-ext-diff", before, after, "--")
	if err != nil {
		return nil, err
	}
	var files []oldFile
	for _, name := range strings.Split(strings.TrimRight(string(names), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		if len(files) >= touchLimit {
			return append(files, oldFile{}), nil
		}
		diff, err := r.git(ctx, "diff-tree", "-p", "-U0", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", before, after, "--", name)
		if err != nil {
			return nil, err
		}
		f := oldFile{path: name}
		for line := range strings.Lines(string(diff)) {
			match := hunkHead.FindStringSubmatch(line)
			if match == nil {
				continue
			}
			start, _ := strconv.Atoi(match[1])
			count := 1
			if match[2] != "" {
				count, _ = strconv.Atoi(match[2])
			}
			if count > 0 {
				f.lines = append(f.lines, [2]int{start, start + count - 1})
			}
		}
		if len(f.lines) > 0 {
			files = append(files, f)
		}
	}
	return files, nil
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

// LastChanged gives the changeset of a branch that last changed each path.
func (r *Repository) LastChanged(ctx context.Context, branch string, paths []string) (map[string]rollcall.Changeset, error) {
	tip, err := r.Tip(ctx, branch)
	if err != nil {
		return nil, err
	}
	last := map[string]rollcall.Changeset{}
	for _, p := range paths {
		err := r.eachCommitOf(ctx, "", func(_ string, c rollcall.Standee) {
			last[p] = pickedChangeset(c)
		}, []string{"--first-parent", "--max-count=1", tip.ID}, []string{p})
		if err != nil {
			return nil, err
		}
	}
	return last, nil
}

// pickedChangeset is the changeset that a commit of the ledger brought, under the name
// that people know it by; any other commit is its own.
func pickedChangeset(c rollcall.Standee) rollcall.Changeset {
	if id := first(trailers(c.Message), trailPick); fullHash.MatchString(id) {
		c.ID = id
	}
	return c.Changeset
}

// Patch is what a changeset changes.
func (r *Repository) Patch(ctx context.Context, _, id string) ([]byte, error) {
	c, err := r.commit(ctx, id)
	if err != nil {
		return nil, noChangeset(id, err)
	}
	return r.git(ctx, "show", "--format=", "-p", "--diff-merges=first-parent", "--find-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--no-show-signature", c.id, "--")
}

// Branches lists the branches of a pattern.
func (r *Repository) Branches(ctx context.Context, pattern string) ([]string, error) {
	out, err := r.git(ctx, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/")
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		name := strings.TrimSpace(line)
		if ok, err := path.Match(pattern, name); pattern == "" || ok && err == nil {
			names = append(names, name)
		}
	}
	return names, nil
}
