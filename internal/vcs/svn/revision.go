package svn

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// revisionText is how a person names a revision: 1041 or r1041.
var revisionText = regexp.MustCompile(`^r?([0-9]{1,10})$`)

func revisionID(number int64) string { return fmt.Sprintf("r%d", number) }

func parseRevision(text string) (int64, error) {
	match := revisionText.FindStringSubmatch(text)
	if match == nil {
		return 0, rollcall.Errorf(rollcall.KindInvalid, "%q is not the name of a revision", rollcall.Printable(text)).
			WithHint("give its number, such as r1041")
	}
	return strconv.ParseInt(match[1], 10, 64)
}

// checkBranch refuses what is no folder beneath the code's.
func checkBranch(branch string) error {
	if branch == "" || branch[0] == '-' || path.Clean("/"+branch) != "/"+branch || rollcall.Printable(branch) != branch {
		return rollcall.Errorf(rollcall.KindInvalid, "%q is not the name of a branch", rollcall.Printable(branch)).
			WithHint("a branch is a folder of the repository, such as trunk or branches/production")
	}
	return nil
}

// Tip is the newest revision that changed a branch.
func (r *Repository) Tip(ctx context.Context, branch string) (rollcall.Revision, error) {
	var none rollcall.Revision
	book, history, err := r.branch(ctx, branch)
	if err != nil {
		return none, err
	}
	defer book.close()
	tip, err := book.touched(ctx, history, 1)
	if err != nil {
		return none, err
	}
	if len(tip) == 0 {
		return none, fmt.Errorf("the log has nothing of the branch %s", branch)
	}
	return r.revision(ctx, book, tip[0])
}

// At is the revision that text names, if it is one of the branch.
func (r *Repository) At(ctx context.Context, branch, text string) (rollcall.Revision, error) {
	var none rollcall.Revision
	number, err := parseRevision(text)
	if err != nil {
		return none, err
	}
	book, history, err := r.branch(ctx, branch)
	if err != nil {
		return none, err
	}
	defer book.close()
	if number < 1 || number > r.head {
		return none, rollcall.Errorf(rollcall.KindNotFound, "there is no revision r%d in the repository", number).WithHint("the newest is r%d", r.head)
	}
	if cut, ok := upTo(history, number); ok {
		last, err := book.touched(ctx, cut, 1)
		if err != nil {
			return none, err
		}
		if len(last) == 1 && last[0].revision == number {
			return r.revision(ctx, book, last[0])
		}
	}
	e := rollcall.Errorf(rollcall.KindRefused, "r%d is no revision of the branch %s", number, branch)
	e.Hint = "only what is on the production branch rolls; bring the change there first"
	if before, err := book.touched(ctx, before(history, number), 1); err == nil && len(before) == 1 {
		e.Hint += fmt.Sprintf("; the branch's last revision before it is r%d", before[0].revision)
	}
	return none, e
}

// before is a history without what is newer than a revision.
func before(history []segment, revision int64) []segment {
	var left []segment
	for _, s := range history {
		if s.to = min(s.to, revision); s.from <= s.to {
			left = append(left, s)
		}
	}
	return left
}

// branch opens the log and gives the history of a branch.
func (r *Repository) branch(ctx context.Context, branch string) (*logbook, []segment, error) {
	if err := checkBranch(branch); err != nil {
		return nil, nil, err
	}
	book, err := r.logbook(ctx)
	if err != nil {
		return nil, nil, err
	}
	history, err := book.history(ctx, r.folder(branch), r.head)
	if err == nil && len(history) == 0 {
		err = r.noBranch(ctx, branch)
	}
	if err != nil {
		book.close()
		return nil, nil, err
	}
	r.remember(branch)
	return book, history, nil
}

func (r *Repository) noBranch(ctx context.Context, branch string) error {
	e := rollcall.Errorf(rollcall.KindNotFound, "there is no branch %q in the repository", branch).
		WithHint("a branch is a folder beneath %s", rollcall.Printable(r.url))
	out, err := r.client.svn(ctx, "list", nil, at(r.url, r.head))
	if err != nil {
		return e // the hint is less without it
	}
	names := strings.Split(rollcall.PrintableLines(string(out)), "\n")
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, "/") })
	if len(names) > 8 {
		names = append(names[:8], "…")
	}
	if len(names) == 0 {
		e.Hint += ", which has none"
	} else {
		e.Hint += ", which has " + strings.Join(names, ", ")
	}
	return e
}

func (r *Repository) revision(ctx context.Context, book *logbook, t touch) (rollcall.Revision, error) {
	var none rollcall.Revision
	e, err := book.entry(ctx, t.revision)
	if err != nil {
		return none, err
	}
	tree, err := r.tree(ctx, book, t.path, t.revision)
	if err != nil {
		return none, err
	}
	return rollcall.Revision{
		ID: revisionID(t.revision), Tree: tree, Time: e.at, Author: rollcall.Printable(e.author), Subject: subject(e.message),
	}, nil
}

func subject(message string) string {
	line, _, _ := strings.Cut(strings.TrimLeft(message, "\r\n"), "\n")
	return rollcall.Printable(strings.TrimRight(line, "\r"))
}

// tree gives the tree of a folder as a revision has it. One that is known is only looked up.
func (r *Repository) tree(ctx context.Context, book *logbook, folder string, revision int64) (string, error) {
	if tree, err := r.knownTree(ctx, book, folder, revision); tree != "" || err != nil {
		return tree, err
	}
	unlock, err := r.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	if tree, err := r.knownTree(ctx, book, folder, revision); tree != "" || err != nil {
		return tree, err // another process was faster
	}
	tree, err := r.freezeAt(ctx, folder, revision)
	var bad *damaged
	if errors.Is(err, errNotOurs) || errors.As(err, &bad) {
		if err := r.discard(folder); err != nil {
			return "", err
		}
		tree, err = r.freezeAt(ctx, folder, revision)
	}
	if err != nil {
		return "", fmt.Errorf("read %s as of r%d: %w", strings.TrimPrefix(folder, r.prefix+"/"), revision, err)
	}
	return tree, book.keepTree(ctx, folder, revision, tree)
}

func (r *Repository) knownTree(ctx context.Context, book *logbook, folder string, revision int64) (string, error) {
	tree, err := book.tree(ctx, folder, revision)
	if err != nil || tree == "" || !r.has(tree) {
		return "", err
	}
	return tree, nil
}

func (r *Repository) freezeAt(ctx context.Context, folder string, revision int64) (string, error) {
	wc, err := r.checkout(ctx, folder, revision)
	if err != nil {
		return "", err
	}
	return r.freezePristine(ctx, wc, revision)
}
