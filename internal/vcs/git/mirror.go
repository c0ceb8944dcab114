package git

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// fetchLimit bounds a fetch, the first one of a large repository included.
const fetchLimit = 30 * time.Minute

// fetch brings the mirror up to date, and makes it where there is none. A process that
// dies in the middle leaves a mirror that the next fetch completes: the lock is git's too,
// and so nobody has it for as long as a git that lost its parent still writes; and the
// locks of git's own that one left which was killed are taken away.
func (r *Repository) fetch(ctx context.Context, address string, note func(string)) error {
	if err := os.MkdirAll(filepath.Dir(r.dir), 0o700); err != nil {
		return fmt.Errorf("make the mirror's folder: %w", err)
	}
	held, err := lock(ctx, r.dir+".lock")
	if err != nil {
		return err
	}
	defer release(held)
	if _, err := os.Stat(filepath.Join(r.dir, "HEAD")); err != nil {
		note("copying " + address)
		if err := r.create(ctx); err != nil {
			return err
		}
	} else {
		note("fetching " + address)
		if err := r.breakLocks(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	var complaint bytes.Buffer
	// It speaks of what it brings, and of nothing else.
	c := r.command(ctx, "fetch", "--no-progress", "--prune", "--no-auto-gc", "--no-write-fetch-head",
		"--no-recurse-submodules", "--end-of-options", address, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
	c.Stderr, c.ExtraFiles = &complaint, []*os.File{held}
	if err := c.Run(); err != nil {
		e := rollcall.Errorf(rollcall.KindInternal, "fetch %s: %w", address, commandError(ctx, "fetch", err, complaint.String()))
		switch text := complaint.String(); {
		case strings.Contains(text, "Host key verification failed"):
			e.Hint = "the repository's host key is not known or has changed; compare its fingerprint, then add it to ~/.ssh/known_hosts"
		case strings.Contains(text, "Permission denied"):
			e.Hint = "load the key that may read the repository into your agent: ssh-add"
		case strings.Contains(text, "does not appear to be a git repository"), strings.Contains(text, "not found"):
			e.Hint = "look at the code's git: key in rollcall.yaml"
		}
		return e
	}
	if complaint.Len() > 0 || !r.hasGraph() {
		r.writeGraph(ctx)
	}
	return nil
}

func (r *Repository) hasGraph() bool {
	_, err := os.Stat(filepath.Join(r.dir, "objects", "info", "commit-graphs", "commit-graph-chain"))
	return err == nil
}

// writeGraph keeps who is whose parent and which files each commit changed, so that git
// need not go through its objects for that: whose lines those of a file are is told in a
// tenth of the time. The mirror must be locked. Without it everything is only slower.
func (r *Repository) writeGraph(ctx context.Context) {
	// A process that died while it wrote left its lock, and nobody else writes here.
	_ = os.Remove(filepath.Join(r.dir, "objects", "info", "commit-graphs", "commit-graph-chain.lock"))
	_, _ = r.git(ctx, "commit-graph", "write", "--reachable", "--split", "--changed-paths", "--no-progress")
}

func (r *Repository) create(ctx context.Context) error {
	tmp, err := os.MkdirTemp(filepath.Dir(r.dir), ".new-")
	if err != nil {
		return fmt.Errorf("make the mirror: %w", err)
	}
	defer os.RemoveAll(tmp)
	made := repository(tmp)
	if _, err := made.git(ctx, "init", "--quiet", "--bare", "--template="); err != nil {
		return fmt.Errorf("make the mirror: %w", err)
	}
	if err := os.Rename(tmp, r.dir); err != nil {
		return fmt.Errorf("make the mirror: %w", err)
	}
	return nil
}

// breakLocks takes away what git locked while it wrote the mirror's branches, and was
// killed. The mirror must be locked: then nobody else writes them.
func (r *Repository) breakLocks() error {
	locks, err := filepath.Glob(filepath.Join(r.dir, "*.lock"))
	if err != nil {
		return fmt.Errorf("mend the mirror: %w", err)
	}
	err = filepath.WalkDir(filepath.Join(r.dir, "refs"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".lock") { // no branch's name ends so
			locks = append(locks, name)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("mend the mirror: %w", err)
	}
	for _, name := range locks {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("mend the mirror: %w", err)
		}
	}
	return nil
}

// lock waits for other processes that fetch the same mirror. The kernel drops the lock
// when the last process dies that has the file open.
func lock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the mirror: %w", err)
	}
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return f, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for another fetch: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// release gives a lock free, also where something that git started has the file open yet.
func release(held *os.File) {
	_ = syscall.Flock(int(held.Fd()), syscall.LOCK_UN)
	held.Close()
}
