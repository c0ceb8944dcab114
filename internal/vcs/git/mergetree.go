package git

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// renameLimit is among how many files git looks for those that have another name.
const renameLimit = "5000"

// mergePair are two commits to be merged; their merge base says what each changed.
type mergePair struct{ ours, theirs string }

// merged is what a merge came to.
type merged struct {
	clean  bool
	tree   string // with git's own markers in it where it is not clean
	stages []stage
	said   []said
}

// stage is what one side has at a path that could not be merged: 1 the base, 2 ours, 3
// theirs.
type stage struct {
	mode, blob string
	number     int
	path       string
}

// said is what git says of a merge, and of which paths.
type said struct {
	paths []string
	kind  string
	text  string
}

// mergeTree merges pairs of commits, each without a work tree.
func (r *Repository) mergeTree(ctx context.Context, pairs []mergePair) ([]merged, error) {
	var in strings.Builder
	for _, p := range pairs {
		in.WriteString(p.ours + " " + p.theirs + "\n")
	}
	out, err := r.gitIn(ctx, in.String(),
		"-c", "merge.renames=true", "-c", "merge.directoryRenames=conflict", "-c", "merge.renameLimit="+renameLimit, "-c", "merge.renormalize=false",
		"-c", "core.attributesFile=/dev/null", "-c", "merge.conflictStyle=merge",
		"merge-tree", "--write-tree", "-z", "--messages", "--stdin")
	if err != nil {
		return nil, err
	}
	results := make([]merged, len(pairs))
	rest := fields{string(out)}
	for i := range results {
		if results[i], err = parseMerged(&rest); err != nil {
			return nil, fmt.Errorf("git merge-tree: merge %d of %d: %w", i+1, len(pairs), err)
		}
	}
	return results, nil
}

// fields are texts that each end in a NUL.
type fields struct{ rest string }

func (f *fields) next() (string, error) {
	text, rest, ok := strings.Cut(f.rest, "\x00")
	if !ok {
		return "", fmt.Errorf("its output ends early")
	}
	f.rest = rest
	return text, nil
}

// parseMerged reads: 1 or 0, the tree, stages up to an empty field, messages up to an
// empty field. A message is the count of its paths, these, its kind and its text.
func parseMerged(f *fields) (merged, error) {
	var m merged
	status, err := f.next()
	if err != nil {
		return m, err
	}
	if status != "0" && status != "1" {
		return m, fmt.Errorf("its status is %q", status)
	}
	m.clean = status == "1"
	if m.tree, err = f.next(); err != nil {
		return m, err
	}
	for {
		text, err := f.next()
		if err != nil {
			return m, err
		}
		if text == "" {
			break
		}
		one, err := parseStage(text)
		if err != nil {
			return m, err
		}
		m.stages = append(m.stages, one)
	}
	for {
		text, err := f.next()
		if err != nil {
			return m, err
		}
		if text == "" {
			m.clean = m.clean || m.onlyFolders()
			return m, nil
		}
		var one said
		var count int
		if _, err := fmt.Sscan(text, &count); err != nil || count < 0 || count > len(f.rest) {
			return m, fmt.Errorf("a message names %q paths", text)
		}
		for range count {
			path, err := f.next()
			if err != nil {
				return m, err
			}
			one.paths = append(one.paths, path)
		}
		if one.kind, err = f.next(); err != nil {
			return m, err
		}
		if one.text, err = f.next(); err != nil {
			return m, err
		}
		m.said = append(m.said, one)
	}
}

// onlyFolders tells whether all that git could not tell is whether a new file belongs into
// a folder of another name. It left it where it is.
func (m *merged) onlyFolders() bool {
	isConflict := func(s said) bool { return strings.HasPrefix(s.kind, "CONFLICT") }
	isOther := func(s said) bool { return isConflict(s) && !strings.Contains(s.kind, "directory rename") }
	return len(m.stages) == 0 && slices.ContainsFunc(m.said, isConflict) && !slices.ContainsFunc(m.said, isOther)
}

// parseStage reads: mode SP blob SP number TAB path.
func parseStage(text string) (stage, error) {
	head, path, ok := strings.Cut(text, "\t")
	parts := strings.Fields(head)
	if !ok || len(parts) != 3 || len(parts[2]) != 1 || parts[2] < "1" || parts[2] > "3" {
		return stage{}, fmt.Errorf("cannot read %q", text)
	}
	return stage{mode: plainMode(parts[0]), blob: parts[1], number: int(parts[2][0] - '0'), path: path}, nil
}
