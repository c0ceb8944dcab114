package svn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-dev/rollcall"
)

var (
	_ rollcall.Merger   = (*Repository)(nil)
	_ rollcall.Bench    = (*bench)(nil)
	_ rollcall.Parallel = (*bench)(nil)

	_ rollcall.ManyTouched = (*Repository)(nil)
)

// scratches is how many benches without a name may be open of one branch at once.
const scratches = 16

// bench is a working copy of a target branch in which steps are merged.
type bench struct {
	*Repository
	client *client // has the bench locked for as long as one of its processes lives
	wc     string
	target string
	base   int64
	held   *os.File

	applied []appliedStep     // since the last Reset
	state   map[string]string // what differs from the base; nil: nobody has looked
	broken  bool              // a step was left half done
	moved   bool              // it is of another revision than the base, or of several
	carried map[string]string // where the step that is being applied moved what the target has: to its name there
}

// appliedStep is a step with what was decided for it.
type appliedStep struct {
	rollcall.DeskStep
	Resolved []kept `json:"resolved,omitempty"`
}

// kept is a Resolution with its content.
type kept struct {
	rollcall.Resolution
	Bytes []byte `json:"bytes,omitempty"`
}

// Bench opens the bench of a name, at a revision of target.
func (r *Repository) Bench(ctx context.Context, name, target string, base rollcall.Revision) (rollcall.Bench, error) {
	number, err := parseRevision(base.ID)
	if err != nil {
		return nil, err
	}
	return r.bench(ctx, name, target, number)
}

func (r *Repository) bench(ctx context.Context, name, target string, base int64) (*bench, error) {
	if err := checkBranch(target); err != nil {
		return nil, err
	}
	b := &bench{Repository: r, target: target, base: base}
	folder := filepath.Join(r.dir, "bench")
	err := os.MkdirAll(folder, 0o700)
	if err == nil {
		folder, err = filepath.EvalSymlinks(folder) // as svn will name what is in it
	}
	if err != nil {
		return nil, fmt.Errorf("make a bench: %w", err)
	}
	if err := b.take(ctx, folder, name); err != nil {
		return nil, err
	}
	own := *r.client
	own.held, b.client = b.held, &own
	if err := b.ready(ctx); err != nil {
		b.release()
		return nil, fmt.Errorf("make ready the bench of %s: %w", target, err)
	}
	return b, nil
}

// orphanWait is for how long is waited for svn on a bench whose process has died.
const orphanWait = 10 * time.Second

// take locks the place of a bench. The kernel drops the lock when the last process dies
// that works on it: svn, which may outlive the one that has started it, is one.
func (b *bench) take(ctx context.Context, folder, name string) (err error) {
	if name != "" {
		b.wc = filepath.Join(folder, benchName(name))
		for until := time.Now().Add(orphanWait); ; {
			if b.held, err = tryLock(b.wc + ".lock"); !errors.Is(err, syscall.EWOULDBLOCK) {
				return err
			}
			if time.Now().After(until) {
				return rollcall.Errorf(rollcall.KindConflict, "somebody merges on the desk %s right now", rollcall.Printable(name))
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	for i := range scratches {
		b.wc = filepath.Join(folder, fmt.Sprintf(".%s.%d", copyName(b.target), i))
		if b.held, err = tryLock(b.wc + ".lock"); !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
	}
	return rollcall.Errorf(rollcall.KindConflict, "%d processes merge onto %s right now", scratches, b.target)
}

// benchName is a name as that of a folder, unlike any scratch's.
func benchName(name string) string {
	name = copyName(strings.NewReplacer("\x00", "", "\n", "%0A").Replace(name))
	if strings.HasPrefix(name, ".") {
		name = "%2E" + name[1:]
	}
	return name
}

func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock a bench: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock a bench: %w", err)
	}
	return f, nil
}

// release gives the bench free, also where something that svn started has the file open yet.
func (b *bench) release() {
	_ = syscall.Flock(int(b.held.Fd()), syscall.LOCK_UN)
	b.held.Close()
}

// folder is the target's place, from the repository's root.
func (b *bench) folder() string { return b.Repository.folder(b.target) }

// ready brings the working copy to the base with nothing else in it. A process that died
// may have left it in any state: on any doubt it is thrown away.
func (b *bench) ready(ctx context.Context) error {
	b.applied, b.state, b.broken, b.moved = nil, nil, false, false
	if _, err := os.Stat(filepath.Join(b.wc, ".svn")); err == nil {
		if err := b.mend(ctx); err == nil {
			return nil
		} else if ctx.Err() != nil {
			return err
		}
	}
	if cloned, err := b.clone(ctx); err == nil && cloned {
		err = b.mend(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
	} else if ctx.Err() != nil {
		return err
	}
	if err := os.RemoveAll(b.wc); err != nil {
		return fmt.Errorf("throw a bench away: %w", err)
	}
	return b.checkoutAt(ctx, b.client, b.wc, b.folder(), b.base, false)
}

func (b *bench) mend(ctx context.Context) error {
	nodes, err := b.client.info(ctx, b.wc, false, ".")
	if err != nil {
		return err
	}
	if len(nodes) != 1 || nodes[0].Root != b.root || nodes[0].URL != join(b.root, b.folder()) || nodes[0].UUID != b.uuid || nodes[0].Depth != "infinity" {
		return errNotOurs
	}
	if _, err := b.clean(ctx); err != nil {
		return err
	}
	// Also where the root says that it is there: what was committed is of mixed revisions.
	if err := b.updateTo(ctx, b.base); err != nil {
		return err
	}
	return b.mustBeClean(ctx)
}

// updateTo brings the working copy to a revision, with what is on it. svn must notice
// every edit that follows, so it is not a careless one.
func (b *bench) updateTo(ctx context.Context, revision int64) error {
	return b.client.stream(ctx, command{
		verb: "update", options: []string{"-q", "--ignore-externals", "--accept", "postpone", "-r", fmt.Sprint(revision)},
		targets: []string{"."}, dir: b.wc, limit: longLimit,
	}, discardOutput)
}

// clean takes away every change, and all that is not versioned: an incoming file over
// one of those would be skipped, and recorded as merged. It tells whether there was nothing.
func (b *bench) clean(ctx context.Context) (was bool, err error) {
	all, err := b.client.status(ctx, b.wc)
	if err != nil {
		return false, err
	}
	if isClean(all) == nil {
		return true, nil
	}
	// svn follows a link that stands in a folder's place: revert and cleanup would take
	// away what is behind it, anywhere on this machine.
	for _, one := range all {
		if one.Status.Item == "obstructed" {
			return false, errNotOurs
		}
	}
	if _, err := b.run(ctx, "revert", "-q", "-R", "--remove-added"); err != nil {
		if !complains(err, "155004", "155037") {
			return false, err
		}
		if _, err := b.run(ctx, "cleanup", "-q"); err != nil {
			return false, err
		}
		if _, err := b.run(ctx, "revert", "-q", "-R", "--remove-added"); err != nil {
			return false, err
		}
	}
	_, err = b.run(ctx, "cleanup", "-q", "--remove-unversioned", "--remove-ignored")
	return false, err
}

func (b *bench) mustBeClean(ctx context.Context) error {
	all, err := b.client.status(ctx, b.wc)
	if err != nil {
		return err
	}
	return isClean(all)
}

func isClean(all []*changed) error {
	for _, one := range all {
		if one.Status.Item != "external" {
			return fmt.Errorf("the bench is not clean: %s is %s", rollcall.Printable(one.Path), one.Status.Item)
		}
	}
	return nil
}

// run runs a command on the whole bench.
func (b *bench) run(ctx context.Context, verb string, options ...string) ([]byte, error) {
	return b.client.svnIn(ctx, b.wc, verb, options, ".")
}

// Reset takes everything away that was applied.
func (b *bench) Reset(ctx context.Context) error {
	if b.moved {
		return b.ready(ctx)
	}
	b.applied, b.state, b.broken = nil, nil, false
	was, err := b.clean(ctx)
	if err == nil && !was {
		err = b.mustBeClean(ctx)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	return b.ready(ctx)
}

// Freeze gives the name of the tree that stands there now.
func (b *bench) Freeze(ctx context.Context) (tree string, err error) {
	if b.broken {
		return "", errBroken
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	return b.freeze(ctx, b.wc)
}

// errBroken is what a bench says whose last step did not end.
var errBroken = errors.New("a step was left half done on the bench, and nobody has reset it")

// Close gives the bench free.
func (b *bench) Close() error {
	b.release()
	return nil
}
