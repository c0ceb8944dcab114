package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// settling is a merge with conflicts on the way to a tree without.
type settling struct {
	*bench
	step         rollcall.DeskStep
	pair         mergePair
	came         merged
	ours, theirs *half
}

// half is one of the two sides of a merge.
type half struct {
	commit  string
	has     map[string]stage  // at the disputed paths
	renamed map[string]string // the old name of each file that it calls otherwise, once it was asked for
}

// at is what a half has at a disputed path. A folder counts only where it is taken whole.
func (h *half) at(d *dispute) stage {
	if there := h.has[d.Path]; d.whole || there.mode != modeTree {
		return there
	}
	return stage{}
}

// settle applies what was decided to a merge with conflicts, and gives those that nobody
// has decided, or else the tree.
func (b *bench) settle(ctx context.Context, step rollcall.DeskStep, pair mergePair, m merged, resolved []rollcall.Resolution) ([]rollcall.Conflict, string, error) {
	s := &settling{bench: b, step: step, pair: pair, came: m, ours: &half{commit: pair.ours}, theirs: &half{commit: pair.theirs}}
	disputes := m.disputes(pair)
	if len(disputes) == 0 {
		return nil, "", rollcall.Errorf(rollcall.KindConflict, "git can't merge %s and names no path: %s", rollcall.ShortRevision(step.ID), s.spoken(m.said))
	}
	if err := s.look(ctx, disputes); err != nil {
		return nil, "", err
	}
	var open []rollcall.Conflict
	decided := make([]*rollcall.Resolution, len(disputes))
	for i, d := range disputes {
		if decided[i] = d.Decided(resolved); decided[i] == nil {
			open = append(open, d.Conflict)
		}
	}
	if len(open) > 0 {
		return open, "", nil
	}
	tree, err := s.place(ctx, disputes, decided)
	return nil, tree, err
}

// look reads the sides of disputes.
func (s *settling) look(ctx context.Context, disputes []*dispute) error {
	var paths []string
	for _, d := range disputes {
		paths = append(paths, d.Path)
	}
	for _, h := range []*half{s.ours, s.theirs} {
		var err error
		if h.has, err = s.repo.entries(ctx, h.commit, paths); err != nil {
			return err
		}
	}
	for _, d := range disputes {
		var err error
		if d.Base, err = s.side(ctx, d, d.stages[baseStage]); err == nil {
			d.Production, err = s.sideOf(ctx, d, s.ours, ourStage)
		}
		if err == nil {
			d.Theirs, err = s.sideOf(ctx, d, s.theirs, theirStage)
		}
		if err == nil {
			err = s.otherNames(ctx, d)
		}
		if err != nil {
			return err
		}
		d.Words = s.words(d)
	}
	return nil
}

// sideOf reads what a half has at a disputed path.
func (s *settling) sideOf(ctx context.Context, d *dispute, h *half, number int) (*rollcall.ConflictSide, error) {
	node, there := d.stages[number], h.at(d)
	switch {
	case there.blob != "" && (d.whole || node.blob != ""):
		// What git has at a new name may be a merge already, with markers even.
		node = there
	case d.whole && node.blob == "":
		// It comes there because the other side gave its folder another name.
		came, err := s.repo.entries(ctx, s.came.tree, []string{d.Path})
		if err != nil {
			return nil, err
		}
		node = came[d.Path]
	}
	return s.side(ctx, d, node)
}

// otherNames says where a side has what is in dispute under another name.
func (s *settling) otherNames(ctx context.Context, d *dispute) error {
	switch {
	case d.moved != "":
		if d.Theirs == nil {
			there := *d.Production
			d.Theirs = &there
		}
		d.Theirs.Path = d.moved
	case d.whole || d.Base == nil:
	case d.Production != nil && s.ours.at(d).blob == "":
		renamed, err := s.renames(ctx, s.theirs)
		d.Production.Path = renamed[d.Path]
		return err
	case d.Theirs != nil && s.theirs.at(d).blob == "":
		renamed, err := s.renames(ctx, s.ours)
		d.Theirs.Path = renamed[d.Path]
		return err
	}
	return nil
}

// renames finds the files that a half calls otherwise than what both come from.
func (s *settling) renames(ctx context.Context, h *half) (map[string]string, error) {
	if h.renamed != nil {
		return h.renamed, nil
	}
	fork, err := s.repo.git(ctx, "merge-base", s.pair.ours, s.pair.theirs)
	if err != nil {
		return nil, err
	}
	out, err := s.repo.git(ctx, "diff-tree", "-r", "-z", "-M", "-l"+renameLimit, "--diff-filter=R", "--name-status", strings.TrimSpace(string(fork)), h.commit)
	if err != nil {
		return nil, err
	}
	renamed := map[string]string{}
	for rest := (fields{string(out)}); rest.rest != ""; {
		var one [3]string // R and how much is alike, the old name, the new one
		for i := range one {
			if one[i], err = rest.next(); err != nil {
				return nil, fmt.Errorf("git diff-tree: %w", err)
			}
		}
		renamed[one[2]] = one[1]
	}
	h.renamed = renamed
	return renamed, nil
}

// side reads what stands somewhere. A folder's content is what git calls it by.
func (s *settling) side(ctx context.Context, d *dispute, node stage) (*rollcall.ConflictSide, error) {
	side := &rollcall.ConflictSide{Type: rollcall.TypeFile}
	switch node.mode {
	case "":
		return nil, nil
	case modeTree:
		return &rollcall.ConflictSide{Type: rollcall.TypeFolder, Content: []byte(node.blob)}, nil
	case modeExecutable:
		side.Type = rollcall.TypeExecutable
	case modeLink:
		side.Type = rollcall.TypeLink
	case modeFile:
	default:
		return nil, rollcall.Errorf(rollcall.KindRefused, "%s: a submodule that both sides changed can't be merged here", rollcall.Printable(d.Path)).
			WithHint("merge it by hand, in a clone")
	}
	var err error
	side.Content, err = s.repo.blob(ctx, node.blob)
	return side, err
}

// place makes the tree: what git made of the disputed paths goes, and what was decided comes.
func (s *settling) place(ctx context.Context, disputes []*dispute, decided []*rollcall.Resolution) (string, error) {
	dir, err := os.MkdirTemp("", "rollcall-index-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	index := s.repo.with("GIT_INDEX_FILE=" + filepath.Join(dir, "index"))
	if _, err := index.git(ctx, "read-tree", s.came.tree); err != nil {
		return "", err
	}
	var lines strings.Builder
	// Mode 0 takes an entry away, whatever the hash.
	nothing := strings.Repeat("0", len(s.came.tree))
	for _, d := range disputes {
		gone := append([]string{d.Path}, d.names...)
		if d.whole {
			below, err := index.git(ctx, "ls-files", "-z", "--", d.Path)
			if err != nil {
				return "", err
			}
			gone = append(gone, strings.FieldsFunc(string(below), func(r rune) bool { return r == 0 })...)
		}
		for _, name := range gone {
			fmt.Fprintf(&lines, "0 %s\t%s\x00", nothing, name)
		}
	}
	for i, d := range disputes {
		side := d.taken(decided[i])
		if side == nil {
			continue
		}
		name := d.Path
		if d.moved != "" && side == d.Theirs {
			name = d.moved
		}
		if side.Type == rollcall.TypeFolder {
			out, err := s.repo.git(ctx, "ls-tree", "-r", "-z", "--full-tree", string(side.Content))
			if err != nil {
				return "", err
			}
			for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
				head, below, _ := strings.Cut(line, "\t") // as --index-info reads it
				fmt.Fprintf(&lines, "%s\t%s/%s\x00", head, name, below)
			}
			continue
		}
		out, err := s.repo.gitIn(ctx, string(side.Content), "hash-object", "-t", "blob", "-w", "--stdin")
		if err != nil {
			return "", err
		}
		mode := modeFile
		switch side.Type {
		case rollcall.TypeExecutable:
			mode = modeExecutable
		case rollcall.TypeLink:
			mode = modeLink
		}
		fmt.Fprintf(&lines, "%s %s\t%s\x00", mode, strings.TrimSpace(string(out)), name)
	}
	back, err := s.broughtBack(ctx, disputes, decided)
	if err != nil {
		return "", err
	}
	for _, one := range back {
		fmt.Fprintf(&lines, "%s %s\t%s\x00", one.mode, one.blob, one.path)
	}
	if _, err := index.gitIn(ctx, lines.String(), "update-index", "--replace", "-z", "--index-info"); err != nil {
		return "", err
	}
	out, err := index.git(ctx, "write-tree")
	return strings.TrimSpace(string(out)), err
}

// broughtBack lists the files that one side has under the name that they had, and that the
// other side had given the disputed name: with that gone they would be nowhere. They go
// before a folder that the other side made of the old name.
func (s *settling) broughtBack(ctx context.Context, disputes []*dispute, decided []*rollcall.Resolution) ([]stage, error) {
	var back []stage
	for i, d := range disputes {
		taken, other := s.ours, s.theirs
		if decided[i].Take == rollcall.TakeTheirs {
			taken, other = s.theirs, s.ours
		}
		if d.moved != "" || d.Base != nil && !d.whole || decided[i].Take == rollcall.TakeFile {
			continue
		}
		renamed, err := s.renames(ctx, other)
		if err != nil {
			return nil, err
		}
		var old []string
		for name, was := range renamed {
			if d.has(name) && !slices.ContainsFunc(disputes, func(o *dispute) bool { return o.has(was) }) {
				old = append(old, was)
			}
		}
		had, err := s.repo.entries(ctx, taken.commit, old)
		if err != nil {
			return nil, err
		}
		has, err := s.repo.entries(ctx, s.came.tree, old)
		if err != nil {
			return nil, err
		}
		for _, name := range old {
			if had[name].blob != "" && had[name].mode != modeTree && (has[name].blob == "" || has[name].mode == modeTree) {
				back = append(back, had[name])
			}
		}
	}
	return back, nil
}

// words says what each side did to a path.
func (s *settling) words(d *dispute) string {
	target, theirs := s.target, s.who()
	switch {
	case d.moved != "":
		return fmt.Sprintf("%s has it in a folder to which %s gives another name: it would become %s", target, theirs, rollcall.Printable(d.moved))
	case d.whole && d.Production != nil && d.Theirs != nil:
		return fmt.Sprintf("%s has %s there, %s brings %s", target, kindOf(d.Production), theirs, kindOf(d.Theirs))
	case d.Production != nil && d.Theirs != nil && d.Base == nil:
		return fmt.Sprintf("%s and %s both add it, with other contents", target, theirs)
	case d.Production != nil && d.Theirs != nil:
		text := "the same lines"
		if d.Production.Type != d.Theirs.Type {
			text = "it, and what kind of file it is"
		} else if isBinary(d.Production.Content) || isBinary(d.Theirs.Content) {
			text = "it, and it is no text"
		}
		text = fmt.Sprintf("%s and %s both change %s", target, theirs, text)
		if d.Production.Path != "" {
			text += fmt.Sprintf("; %s renamed it, from %s", theirs, rollcall.Printable(d.Production.Path))
		}
		if d.Theirs.Path != "" {
			text += fmt.Sprintf("; %s renamed it, from %s", target, rollcall.Printable(d.Theirs.Path))
		}
		return text
	case d.from != "":
		return fmt.Sprintf("%s has it as %s, in a folder to which %s gives another name", theirs, rollcall.Printable(d.from), target)
	case d.Base != nil && d.Theirs != nil:
		return fmt.Sprintf("%s changes it, and %s does not have it", theirs, target)
	case d.Base != nil && d.Production != nil:
		return fmt.Sprintf("%s takes it away, and %s has changed it", theirs, target)
	case d.Base != nil:
		return fmt.Sprintf("%s and %s each give it another name", target, theirs)
	}
	var about []said
	for _, one := range s.came.said {
		if strings.HasPrefix(one.kind, "CONFLICT") && slices.Contains(one.paths, d.Path) {
			about = append(about, one)
		}
	}
	if len(about) == 0 {
		about = s.came.said
	}
	return s.spoken(about)
}

// who is what people call that which comes in.
func (s *settling) who() string {
	name := rollcall.ShortRevision(s.step.ID)
	switch s.step.Kind {
	case rollcall.StepBackOut:
		name = "backing out " + name
	case rollcall.StepMerge:
		name = s.step.Source
	case rollcall.StepPick:
	}
	return name
}

func kindOf(side *rollcall.ConflictSide) string {
	switch side.Type {
	case rollcall.TypeFolder:
		return "a folder"
	case rollcall.TypeLink:
		return "a link"
	}
	return "a file"
}

// spoken is what git says of conflicts, in its words, but for the sides: it calls them by
// the two commits that it merges, and nobody knows those.
func (s *settling) spoken(all []said) string {
	named := strings.NewReplacer(s.pair.ours, s.target, s.pair.theirs, s.who())
	var lines []string
	for _, one := range all {
		if !strings.HasPrefix(one.kind, "CONFLICT") {
			continue
		}
		text := strings.TrimSuffix(strings.TrimSpace(one.text), ".")
		if _, rest, ok := strings.Cut(text, "): "); ok && strings.HasPrefix(text, "CONFLICT (") {
			text = rest
		}
		lines = append(lines, rollcall.Printable(named.Replace(text)))
	}
	return strings.Join(lines, "; ")
}

// isBinary tells what git tells too: a NUL early in a content makes it no text.
func isBinary(content []byte) bool {
	return slices.Contains(content[:min(len(content), 8000)], 0)
}
