package git

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// revisionText is what a person may name a revision by: a hash, a branch, a tag, with
// ~2 and the like behind it. No option, no range and no search can be written so.
var revisionText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/+-]*(?:[~^][0-9]*)*$`)

// Tip is the newest revision of a branch.
func (r *Repository) Tip(ctx context.Context, branch string) (rollcall.Revision, error) {
	if err := checkBranch(branch); err != nil {
		return rollcall.Revision{}, err
	}
	rev, err := r.revision(ctx, "refs/heads/"+branch)
	if rollcall.KindOf(err) == rollcall.KindNotFound {
		e := rollcall.Errorf(rollcall.KindNotFound, "there is no branch %q in the repository", branch)
		if names := r.branches(ctx); len(names) > 0 {
			e.Hint = "its branches are " + strings.Join(names, ", ")
		} else {
			e.Hint = "it has no branches at all yet"
		}
		return rev, e
	}
	return rev, err
}

// At is the revision that text names, if the branch has it.
func (r *Repository) At(ctx context.Context, branch, text string) (rollcall.Revision, error) {
	if !revisionText.MatchString(text) || strings.Contains(text, "..") {
		return rollcall.Revision{}, rollcall.Errorf(rollcall.KindInvalid, "%q is not the name of a revision", rollcall.Printable(text)).
			WithHint("give a commit's hash, a tag or a branch")
	}
	rev, err := r.revision(ctx, text)
	if err != nil {
		return rev, err
	}
	tip, err := r.Tip(ctx, branch)
	if err != nil {
		return rev, err
	}
	if rev.ID == tip.ID {
		return rev, nil
	}
	base, err := r.git(ctx, "merge-base", rev.ID, tip.ID)
	if err != nil || strings.TrimSpace(string(base)) != rev.ID {
		return rev, rollcall.Errorf(rollcall.KindRefused, "%s is no revision of the branch %s", rollcall.ShortRevision(rev.ID), branch).
			WithHint("only what is on the production branch rolls; bring the change there first")
	}
	return rev, nil
}

func checkBranch(branch string) error {
	if branch == "" || strings.HasPrefix(branch, "-") || strings.Contains(branch, "..") || strings.ContainsAny(branch, " ~^:?*[\\\n\t") {
		return rollcall.Errorf(rollcall.KindInvalid, "%q is not the name of a branch", rollcall.Printable(branch))
	}
	return nil
}

// revision asks for the commit and its tree at once.
func (r *Repository) revision(ctx context.Context, name string) (rollcall.Revision, error) {
	var rev rollcall.Revision
	c, err := r.commit(ctx, name+"^{commit}")
	var missing *missingObject
	if errors.As(err, &missing) {
		if missing.why == "ambiguous" {
			return rev, rollcall.Errorf(rollcall.KindInvalid, "%q names several revisions", name).WithHint("give more of the hash")
		}
		return rev, rollcall.Errorf(rollcall.KindNotFound, "there is no revision %q in the repository", name).
			WithHint("give the hash of a commit that was pushed, a tag or a branch")
	}
	if err != nil {
		return rev, err
	}
	subject, _, _ := strings.Cut(strings.TrimLeft(c.message, "\n"), "\n")
	return rollcall.Revision{
		ID: c.id, Tree: c.tree, Author: rollcall.Printable(c.author.name), Time: c.committer.at, Subject: rollcall.Printable(subject),
	}, nil
}

func (r *Repository) branches(ctx context.Context) []string {
	out, err := r.git(ctx, "for-each-ref", "--count=8", "--sort=-committerdate", "--format=%(refname:short)", "refs/heads/")
	if err != nil {
		return nil
	}
	return strings.Fields(rollcall.PrintableLines(string(out)))
}
