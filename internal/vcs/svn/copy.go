package svn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	return wc, r.checkoutAt(ctx, wc, branch, revision)
}

// checkoutAt makes a fresh working copy at a place where nothing is.
func (r *Repository) checkoutAt(ctx context.Context, wc, branch string, revision int64) error {
	if err := os.MkdirAll(filepath.Dir(wc), 0o700); err != nil {
		return fmt.Errorf("make a working copy: %w", err)
	}
	tmp := wc + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("make a working copy: %w", err)
	}
	err := r.client.stream(ctx, command{
		verb: "checkout", options: []string{"-q", "--ignore-externals", "-r", fmt.Sprint(revision)},
		targets: []string{at(join(r.root, branch), revision), tmp}, limit: longLimit,
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
		targets: []string{"."}, dir: wc, limit: longLimit,
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
