package svn

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// copyPath is where the working copy of a folder of the repository is. Its name holds
// nothing that svn could take for a peg.
func (r *Repository) copyPath(branch string) string {
	return filepath.Join(r.dir, "wc", copyName(branch))
}

func copyName(branch string) string {
	name := strings.Trim(branch, "/")
	if name == "" {
		return "%"
	}
	return strings.NewReplacer("%", "%25", "/", "%2F", "@", "%40", "~", "%7E").Replace(name)
}

// checkout brings the working copy of a folder to a revision, and makes it where there is
// none. A process that died may have left it in any state: what svn can't mend at once is
// thrown away. The mirror must be locked.
func (r *Repository) checkout(ctx context.Context, branch string, revision int64) (wc string, err error) {
	wc = r.copyPath(branch)
	if _, err := os.Stat(filepath.Join(wc, ".svn")); err == nil {
		if err := r.update(ctx, wc, branch, revision); err == nil {
			return wc, nil
		} else if ctx.Err() != nil {
			return "", err
		}
	}
	if err := r.discard(branch); err != nil {
		return "", err
	}
	r.note(fmt.Sprintf("checking out %s at r%d", strings.Trim(branch, "/"), revision))
	return wc, r.checkoutAt(ctx, r.client, wc, branch, revision, true)
}

// checkoutAt makes a fresh working copy of a folder, which begins with a slash at the
// repository's root, at a place where nothing is. In a careless one svn does not notice
// every edit.
func (r *Repository) checkoutAt(ctx context.Context, c *client, wc, branch string, revision int64, careless bool) error {
	if err := os.MkdirAll(filepath.Dir(wc), 0o700); err != nil {
		return fmt.Errorf("make a working copy: %w", err)
	}
	tmp := wc + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("make a working copy: %w", err)
	}
	err := c.stream(ctx, command{
		verb: "checkout", options: []string{"-q", "--ignore-externals", "-r", fmt.Sprint(revision)},
		targets: []string{at(join(r.root, branch), revision), tmp}, limit: longLimit, careless: careless,
	}, discardOutput)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, wc); err != nil {
		return fmt.Errorf("make a working copy: %w", err)
	}
	return nil
}

// errNotOurs is a working copy of something else than was asked for.
var errNotOurs = errors.New("the working copy is of something else")

// update brings a working copy to a revision.
func (r *Repository) update(ctx context.Context, wc, branch string, revision int64) error {
	nodes, err := r.client.info(ctx, wc, false, ".")
	if err != nil {
		return err
	}
	if len(nodes) != 1 || nodes[0].Root != r.root || nodes[0].URL != join(r.root, branch) || nodes[0].UUID != r.uuid {
		return errNotOurs
	}
	again := command{
		verb: "update", options: []string{"-q", "--ignore-externals", "--accept", "theirs-full", "-r", fmt.Sprint(revision)},
		targets: []string{"."}, dir: wc, limit: longLimit, careless: true,
	}
	if err := r.client.stream(ctx, again, discardOutput); err == nil || !complains(err, "155004", "155037") {
		return err
	}
	if _, err := r.client.svnIn(ctx, wc, "cleanup", []string{"-q"}, "."); err != nil {
		return err
	}
	return r.client.stream(ctx, again, discardOutput)
}

// discard takes a working copy away. What was frozen of it stays.
func (r *Repository) discard(branch string) error {
	if err := os.RemoveAll(r.copyPath(branch)); err != nil {
		return fmt.Errorf("take a working copy away: %w", err)
	}
	return nil
}

// complete refuses a working copy that lacks what its reader may not see: svn leaves such
// paths out without a word, and they would vanish from every node. Only svn's own
// database tells of them.
func complete(ctx context.Context, wc string) error {
	db, err := openWorkingCopy(wc)
	if err != nil {
		return fmt.Errorf("look into the working copy: %w", err)
	}
	defer db.Close()
	var hidden string
	err = db.QueryRowContext(ctx, `SELECT local_relpath FROM nodes WHERE presence = 'server-excluded' ORDER BY local_relpath LIMIT 1`).Scan(&hidden)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into the working copy: %w", err)
	}
	return rollcall.Errorf(rollcall.KindRefused, "the repository does not show %s to the one who reads it", rollcall.Printable(hidden)).
		WithHint("what is hidden would be taken away from every node; let Rollcall's user read the whole branch")
}

func openWorkingCopy(wc string) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.Join(wc, ".svn", "wc.db")}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(20000)")
}
