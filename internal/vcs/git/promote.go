package git

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// Prepare makes a commit for each step that was applied, on top of the base, and names the
// last. Nobody sees them before Commit.
func (b *bench) Prepare(ctx context.Context, commit rollcall.DeskCommit) (string, error) {
	if len(commit.Steps) != len(b.done) || len(b.done) == 0 {
		return "", fmt.Errorf("git: %d steps are applied, and %d are to be committed", len(b.done), len(commit.Steps))
	}
	committer := stamp(b.repo.committer(ctx, commit.By), b.repo.email(ctx, commit.By), time.Now())
	parent := b.base.ID
	for i, one := range b.done {
		text, err := b.commitOf(ctx, commit, i, one, parent, committer)
		if err != nil {
			return "", err
		}
		made, err := b.repo.writeCommits(ctx, []string{text})
		if err != nil {
			return "", err
		}
		parent = made[0]
	}
	return parent, nil
}

// commitOf is the text of one step's commit.
func (b *bench) commitOf(ctx context.Context, commit rollcall.DeskCommit, i int, one applied, parent, committer string) (string, error) {
	ledger := []trailer{}
	what := commit.Steps[i]
	author, encoding, text := committer, "", ""
	from := parents(parent)
	switch one.step.Kind {
	case rollcall.StepPick:
		ledger = append(ledger, trailer{trailPick, one.step.ID})
		c, err := b.repo.commit(ctx, one.step.ID)
		if err != nil {
			return "", err
		}
		author, encoding, text = c.authorLine, c.encoding, c.message
	case rollcall.StepBackOut:
		ledger = append(ledger, trailer{trailBackOut, one.step.ID})
		text = fmt.Sprintf("Back out %s: %s\n\nWritten by %s.", rollcall.ShortRevision(one.step.ID), what.Subject, what.Author)
	case rollcall.StepMerge:
		from = append(from, one.step.ID)
		list, err := b.repo.brought(ctx, parent, one.step.ID)
		if err != nil {
			return "", err
		}
		text = fmt.Sprintf("Merge %s into %s\n\n%s", one.step.Source, b.target, list)
	}
	ledger = append(ledger, trailer{trailBy, commit.By})
	if i == len(b.done)-1 {
		if commit.Note != "" {
			text = strings.TrimSpace(text) + "\n\n" + commit.Note
		}
		for _, id := range commit.Staged {
			ledger = append(ledger, trailer{trailStaged, string(id)})
		}
		ledger = append(ledger, trailer{trailDesk, commit.Token})
	}
	return commitText(one.tree, from, author, committer, encoding, ledgerMessage(text, ledger...)), nil
}

// broughtLimit is how many changesets a merge's message lists.
const broughtLimit = 100

// brought lists what a merge brings, a line each.
func (r *Repository) brought(ctx context.Context, into, tip string) (string, error) {
	var lines strings.Builder
	count := 0
	err := r.eachCommit(ctx, "", func(_ string, c rollcall.Standee) {
		if count++; count > broughtLimit {
			return
		}
		fmt.Fprintf(&lines, "* %s %s: %s", c.Short(), c.Author, c.Subject)
		if more := c.OtherTickets(); len(more) > 0 {
			lines.WriteString(" (" + strings.Join(more, ", ") + ")")
		}
		lines.WriteByte('\n')
	}, "--no-merges", tip, "^"+into)
	if count > broughtLimit {
		fmt.Fprintf(&lines, "and %d more\n", count-broughtLimit)
	}
	return lines.String(), err
}

// Commit pushes what was prepared. It can be called again and again.
func (b *bench) Commit(ctx context.Context, _ rollcall.DeskCommit, prepared string) (rollcall.Revision, error) {
	if !fullHash.MatchString(prepared) {
		return rollcall.Revision{}, fmt.Errorf("git: %q is no commit", rollcall.Printable(prepared))
	}
	var missing *missingObject
	if _, err := b.repo.commit(ctx, prepared); errors.As(err, &missing) {
		// The mirror was made anew since, and no branch of the repository brought it.
		return rollcall.Revision{}, rollcall.Errorf(rollcall.KindConflict, "what was about to be committed to %s is gone, and was never committed", b.target)
	}
	return b.repo.publish(ctx, b.target, prepared)
}

// lockedTries is how often a push is tried again where something holds the branch's lock:
// it may be our own, of a process that died after it had begun to push.
const lockedTries = 6

// publish pushes a commit to a branch, never over what somebody else put there. Of
// KindConflict and KindRefused it is known that nothing came of it.
func (r *Repository) publish(ctx context.Context, branch, id string) (rollcall.Revision, error) {
	var none rollcall.Revision
	for try := 1; ; try++ {
		pushErr := r.push(ctx, branch, id)
		// Whether it went through is asked of the repository, and not told by how a process ended.
		if err := r.fetch(ctx, r.address, func(string) {}); err != nil {
			if pushErr != nil {
				err = pushErr
			}
			return none, rollcall.Errorf(rollcall.KindInternal, "nobody can tell whether it was committed: %w", err).
				WithHint("the same command again finds out, and finishes it")
		}
		tip, err := r.Tip(ctx, branch)
		there := false
		if err == nil {
			there, err = r.holds(ctx, tip.ID, id)
		}
		if err != nil {
			return none, rollcall.Errorf(rollcall.KindInternal, "nobody can tell whether it was committed: %w", err).
				WithHint("the same command again finds out, and finishes it")
		}
		switch {
		case there:
			return r.revision(ctx, id)
		case pushErr == nil:
			return none, rollcall.Errorf(rollcall.KindConflict, "%s has moved", branch)
		case !errors.Is(pushErr, errLocked) || try == lockedTries:
			return none, pushErr
		}
		select {
		case <-ctx.Done():
			return none, context.Cause(ctx)
		case <-time.After(time.Duration(try) * 200 * time.Millisecond):
		}
	}
}

// holds tells whether a commit is in the history of another, and not only that git could
// not tell.
func (r *Repository) holds(ctx context.Context, tip, id string) (bool, error) {
	if tip == id {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	var complaint bytes.Buffer
	c := r.command(ctx, "merge-base", "--is-ancestor", id, tip)
	c.Stderr = &complaint
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &exit) && exit.ExitCode() == 1 && ctx.Err() == nil:
		return false, nil
	}
	return false, commandError(ctx, "merge-base", err, complaint.String())
}

// errLocked is that another process writes the branch right now, or died over that.
var errLocked = errors.New("its repository has a lock on it")

func (r *Repository) push(ctx context.Context, branch, id string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	var out, complaint bytes.Buffer
	c := r.command(ctx, "push", "--porcelain", "--no-verify", "--no-recurse-submodules", "--no-signed", "--end-of-options", r.address, id+":refs/heads/"+branch)
	c.Stdout, c.Stderr = &out, &complaint
	err := c.Run()
	if err == nil {
		return nil
	}
	text := out.String() + complaint.String()
	said := rollcall.PrintableLines(strings.TrimSpace(complaint.String()))
	switch {
	case strings.Contains(text, "denyCurrentBranch"), strings.Contains(text, "is checked out"), strings.Contains(text, "refusing to update checked out branch"):
		return rollcall.Errorf(rollcall.KindRefused, "%s is checked out in the repository %s, and a push would go behind its work tree's back", branch, r.address).
			WithHint("push to a bare repository, or check another branch out there")
	case strings.Contains(text, "cannot lock ref") && strings.Contains(text, "File exists"):
		return rollcall.Errorf(rollcall.KindInternal, "push to %s: %w: %s", branch, errLocked, said).
			WithHint("somebody else pushes; where nobody does, a push that was killed has left the file that it names")
	case strings.Contains(text, "[rejected]"), strings.Contains(text, "fetch first"), strings.Contains(text, "failed to lock"), strings.Contains(text, "cannot lock ref"):
		return rollcall.Errorf(rollcall.KindConflict, "%s has moved: somebody else has committed to it", branch)
	case strings.Contains(text, "[remote rejected]"):
		return rollcall.Errorf(rollcall.KindRefused, "the repository refuses the commit to %s: %s", branch, said)
	}
	return rollcall.Errorf(rollcall.KindInternal, "push to %s: %w", r.address, commandError(ctx, "push", err, complaint.String())).
		WithHint("nothing was committed; the desk is as it was")
}

func (r *Repository) committer(ctx context.Context, by string) string { return cmp.Or(by, "rollcall") }

// email is the person's own as git knows it, or made of the name and the host.
func (r *Repository) email(ctx context.Context, by string) string {
	if out, err := r.git(ctx, "config", "--global", "user.email"); err == nil {
		if email := strings.TrimSpace(rollcall.Printable(string(out))); email != "" {
			return email
		}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return strings.Map(func(c rune) rune {
		if c == ' ' || c == '<' || c == '>' {
			return '.'
		}
		return c
	}, by) + "@" + host
}

// markTries is how often marks are written again because somebody else was faster: they
// stand for themselves, whatever came before, but for what says the same already. That may
// be our own, of a process that died when it had begun to push.
const markTries = 5

// Mark writes ledger entries as commits that change no file. A commit's id is enough to name
// it: the source does not stand in them.
func (r *Repository) Mark(ctx context.Context, _, target string, marks []rollcall.Mark, by string) (rollcall.Revision, error) {
	keys := map[rollcall.MarkKind]trailer{
		rollcall.MarkBlocked:    {trailBlock, "Block"},
		rollcall.MarkUnblocked:  {trailUnblock, "Unblock"},
		rollcall.MarkIntegrated: {trailPick, "Mark as merged"},
		rollcall.MarkForgotten:  {trailForget, "Forget"},
	}
	before := ""
	for try := 1; ; try++ {
		tip, err := r.Tip(ctx, target)
		if err != nil {
			return tip, err
		}
		if before != "" {
			said, err := r.saidSince(ctx, before, tip.ID)
			if err != nil {
				return tip, err
			}
			marks = slices.DeleteFunc(slices.Clone(marks), func(m rollcall.Mark) bool { return said[m.ID] == keys[m.Kind].key })
			if len(marks) == 0 {
				return tip, nil
			}
		}
		before = tip.ID
		committer := stamp(r.committer(ctx, by), r.email(ctx, by), time.Now())
		parent := tip.ID
		for rest := marks; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n].Kind == rest[0].Kind && rest[n].Why == rest[0].Why {
				n++
			}
			key := keys[rest[0].Kind]
			text := fmt.Sprintf("%s %s", key.value, rollcall.ShortRevision(rest[0].ID))
			if n > 1 {
				text = fmt.Sprintf("%s %d changesets", key.value, n)
			}
			var ledger []trailer
			for _, m := range rest[:n] {
				ledger = append(ledger, trailer{key.key, m.ID})
			}
			ledger = append(ledger, trailer{trailWhy, rest[0].Why}, trailer{trailBy, by})
			made, err := r.writeCommits(ctx, []string{commitText(tip.Tree, parents(parent), committer, committer, "", ledgerMessage(text, ledger...))})
			if err != nil {
				return tip, err
			}
			parent, rest = made[0], rest[n:]
		}
		revision, err := r.publish(ctx, target, parent)
		if rollcall.KindOf(err) != rollcall.KindConflict || try == markTries {
			return revision, err
		}
	}
}

// saidSince gives, by changeset, which kind of entry newer commits have of it; the last one
// counts.
func (r *Repository) saidSince(ctx context.Context, old, tip string) (map[string]string, error) {
	said := map[string]string{}
	err := r.eachCommit(ctx, "", func(_ string, c rollcall.Standee) {
		for _, t := range trailers(c.Message) {
			switch t.key {
			case trailPick, trailBackOut, trailBlock, trailUnblock, trailForget:
				if _, newer := said[t.value]; !newer {
					said[t.value] = t.key
				}
			}
		}
	}, "--first-parent", tip, "^"+old)
	return said, err
}

// proofLimit is how many commits are asked for what was tried on staging.
const proofLimit = 200

// Proofs gives the releases that the newest commits of a branch say were on staging.
func (r *Repository) Proofs(ctx context.Context, branch string) ([]rollcall.ReleaseID, error) {
	tip, err := r.Tip(ctx, branch)
	if err != nil {
		return nil, err
	}
	var proofs []rollcall.ReleaseID
	err = r.eachCommit(ctx, "", func(_ string, c rollcall.Standee) {
		for _, t := range trailers(c.Message) {
			if id := rollcall.ReleaseID(t.value); t.key == trailStaged && id.Valid() {
				proofs = append(proofs, id)
			}
		}
	}, "--first-parent", "--grep=^Rollcall-Staged", fmt.Sprintf("--max-count=%d", proofLimit), tip.ID)
	return proofs, err
}
