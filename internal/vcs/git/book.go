package git

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/rollcall-dev/rollcall"
)

// book is the ledger of one branch as far as it has been read. A copy is kept beside the
// mirror: what was read once is not read again, unless the branch was rewritten.
type book struct {
	tip string
	// origin is where Rollcall began: the oldest commit with a ledger line. Empty:
	// there is none yet.
	origin string
	// checked is a source revision that had every changeset that the first so many of the
	// entries name.
	checked      string
	checkedCount int
	said         []entry // in the order in which it was said
}

// openBook reads a branch's ledger up to its tip.
func (r *Repository) openBook(ctx context.Context, branch, tip string) (*book, error) {
	file := r.bookFile(branch)
	b, err := readBook(file)
	if err != nil {
		return nil, err
	}
	if b.tip == tip {
		return b, nil
	}
	if b.tip != "" && !r.isFirstParent(ctx, b.tip, tip) {
		b = &book{} // rewritten
	}
	commits, err := r.ledgerCommits(ctx, b.tip, tip)
	if err != nil {
		return nil, err
	}
	for _, c := range slices.Backward(commits) {
		for _, e := range entries(c.Changeset, c.Message) {
			b.said = append(b.said, e)
			if b.origin == "" && !e.evidence {
				b.origin = c.ID
			}
		}
	}
	b.tip = tip
	return b, b.keep(file)
}

// isFirstParent tells whether one commit is on the first-parent line of another.
func (r *Repository) isFirstParent(ctx context.Context, old, tip string) bool {
	out, err := r.git(ctx, "rev-list", "--first-parent", "--parents", tip, "^"+old)
	if err != nil {
		return false
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	last := strings.Fields(lines[len(lines)-1])
	return len(last) > 1 && last[1] == old
}

// ledgerCommits lists, newest first, the commits of a first-parent line that may hold lines
// of the ledger, or say where they were picked from or what they revert.
func (r *Repository) ledgerCommits(ctx context.Context, after, tip string) (all []rollcall.Standee, err error) {
	args := []string{"--first-parent", "--extended-regexp", `--grep=^Rollcall-`, `--grep=^\(cherry picked from commit `, `--grep=^This reverts commit `, tip}
	if after != "" {
		args = append(args, "^"+after)
	}
	err = r.eachCommit(ctx, "", func(_ string, c rollcall.Standee) { all = append(all, c) }, args...)
	return all, err
}

func (r *Repository) bookFile(branch string) string {
	sum := sha256.Sum256([]byte(branch))
	return filepath.Join(r.dir, "rollcall", "ledger-"+hex.EncodeToString(sum[:8]))
}

// A book is kept as lines of fields between tabs; the first says how far it was read.
const bookHead = "ledger 2"

func readBook(file string) (*book, error) {
	b := &book{}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), "\t")
		switch {
		case n == 0 && (len(fields) != 5 || fields[0] != bookHead):
			return &book{}, nil // another version's: read anew
		case n == 0:
			b.tip, b.origin, b.checked = fields[1], fields[2], fields[3]
			b.checkedCount, _ = strconv.Atoi(fields[4])
		case len(fields) != 6:
			return &book{}, nil
		default:
			b.said = append(b.said, entry{kind: fields[0], id: fields[1], in: fields[2], evidence: fields[3] != "", by: fields[4], why: fields[5]})
		}
	}
	b.checkedCount = min(max(b.checkedCount, 0), len(b.said))
	return b, lines.Err()
}

func (b *book) keep(file string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\t%s\t%s\t%s\t%d\n", bookHead, b.tip, b.origin, b.checked, b.checkedCount)
	for _, e := range b.said {
		evidence := ""
		if e.evidence {
			evidence = "seen"
		}
		// None of the texts holds a tab or a line's end: they went through Printable.
		fmt.Fprintf(&text, "%s\t%s\t%s\t%s\t%s\t%s\n", e.kind, rollcall.Printable(e.id), e.in, evidence, e.by, e.why)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("keep the ledger: %w", err)
	}
	if err := renameio.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("keep the ledger: %w", err)
	}
	return nil
}

// last gives what the ledger said last of each changeset; proof goes before evidence.
func (b *book) last() map[string]entry {
	last := make(map[string]entry, len(b.said))
	before := map[string]entry{} // it was blocked
	for _, e := range b.said {
		old, ok := last[e.id]
		switch {
		case ok && e.evidence && !old.evidence, e.kind == reverted:
			continue
		case e.kind == trailBlock && ok && old.kind != trailBlock:
			before[e.id] = old
		case e.kind == trailUnblock:
			if was, ok := before[e.id]; ok {
				e = was
			}
		case e.kind == trailBackOut && old.kind == trailPick:
			e.was = old.in
		}
		last[e.id] = e
	}
	taken := b.reverted()
	for id, e := range last {
		if by, ok := taken[e.in]; ok && e.evidence {
			e.was, e.kind, e.in, e.by, e.why = e.in, trailBackOut, by.in, by.by, revertedWhy
			last[id] = e
		}
	}
	return last
}

const revertedWhy = "it was picked, and that was reverted"

// reverted gives, of the target's commits that git revert took back, the entry that says so;
// but not where that was reverted too.
func (b *book) reverted() map[string]entry {
	taken, origin := map[string]entry{}, map[string]string{}
	for _, e := range b.said {
		if e.kind != reverted {
			continue
		}
		if again, ok := origin[e.id]; ok {
			delete(taken, again)
			continue
		}
		taken[e.id], origin[e.in] = e, e.id
	}
	return taken
}

// checkBook refuses a ledger that names what the source does not have.
func (r *Repository) checkBook(ctx context.Context, b *book, source, target, sourceTip string) error {
	if b.checked != sourceTip && (b.checked == "" || !r.isAncestor(ctx, b.checked, sourceTip)) {
		b.checkedCount = 0
	}
	if b.checkedCount == len(b.said) && b.checked == sourceTip {
		return nil
	}
	last := b.last()
	var names strings.Builder
	var proofs []entry
	for _, e := range b.said[b.checkedCount:] {
		if e.evidence || last[e.id].kind == trailForget {
			continue
		}
		if !fullHash.MatchString(e.id) {
			return forged(e, target, "is no commit's full hash")
		}
		proofs = append(proofs, e)
		names.WriteString(e.id + "\n")
	}
	if len(proofs) > 0 {
		names.WriteString("^" + sourceTip + "\n")
		strangers, err := r.gitIn(ctx, names.String(), "rev-list", "--max-count=1", "--stdin", "--")
		if err != nil || len(strangers) > 0 {
			return r.findForged(ctx, proofs, source, target, sourceTip)
		}
	}
	b.checked, b.checkedCount = sourceTip, len(b.said)
	return b.keep(r.bookFile(target))
}

// findForged says which of the entries names what source does not have.
func (r *Repository) findForged(ctx context.Context, proofs []entry, source, target, sourceTip string) error {
	for _, e := range proofs {
		if _, err := r.commit(ctx, e.id); err != nil {
			return forged(e, target, "is no commit of this repository")
		}
		if !r.isAncestor(ctx, e.id, sourceTip) {
			return forged(e, target, "is not on "+source)
		}
	}
	return fmt.Errorf("git: the ledger of %s can't be compared with %s", target, source)
}

func (r *Repository) isAncestor(ctx context.Context, old, tip string) bool {
	_, err := r.git(ctx, "merge-base", "--is-ancestor", old, tip)
	return err == nil
}

func forged(e entry, target, what string) error {
	return rollcall.Errorf(rollcall.KindRefused, "the ledger of %s can't be trusted: its commit %s by %s says %s: %s, which %s",
		target, rollcall.ShortRevision(e.in), e.by, e.kind, rollcall.Printable(e.id), what).
		WithHint("either that line was forged, or the branch was rewritten since: bring its old history back; "+
			"or, when you are sure, rollcall desk forget takes out %s", rollcall.Printable(e.id))
}
