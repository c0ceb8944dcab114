package svn

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-dev/rollcall"
)

const (
	// benchesAtOnce is how many benches try steps at the same time.
	benchesAtOnce = 4
	// stepsForBench is how many steps are worth another bench.
	stepsForBench = 4
	// revertLimit is up to how many paths are put back one by one.
	revertLimit = 200
)

// Each tries each step alone on the base.
func (b *bench) Each(ctx context.Context, steps []rollcall.DeskStep, fn func(i int, applied rollcall.Applied, err error)) error {
	benches, done, err := b.several(ctx, len(steps))
	if err != nil {
		return err
	}
	defer done()
	next := make(chan int)
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for _, one := range benches {
		group.Go(func() error {
			for i := range next {
				applied, err := one.try(ctx, steps[i])
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				mu.Lock()
				fn(i, applied, err)
				mu.Unlock()
			}
			return one.Reset(ctx)
		})
	}
	group.Go(func() error {
		defer close(next)
		for i := range steps {
			select {
			case next <- i:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	return group.Wait()
}

// several opens benches for a number of steps. This one is among them if nothing is on it.
func (b *bench) several(ctx context.Context, steps int) (benches []*bench, done func(), err error) {
	var opened []*bench
	done = func() {
		for _, one := range opened {
			one.Close()
		}
	}
	if len(b.applied) == 0 && !b.broken {
		benches = append(benches, b)
	}
	want := max(1, min(benchesAtOnce, runtime.GOMAXPROCS(0), steps/stepsForBench))
	for len(benches) < want {
		one, err := b.bench(ctx, "", b.target, b.base)
		if err != nil {
			if len(benches) > 0 && ctx.Err() == nil {
				break // then with fewer
			}
			done()
			return nil, nil, err
		}
		opened, benches = append(opened, one), append(benches, one)
	}
	return benches, done, nil
}

// try does one step on a clean bench and puts back what it touched.
func (b *bench) try(ctx context.Context, step rollcall.DeskStep) (applied rollcall.Applied, err error) {
	if step.Kind != rollcall.StepPick {
		if applied, err = b.Apply(ctx, step, nil); ctx.Err() == nil {
			if failed := b.Reset(ctx); err == nil {
				err = failed
			}
		}
		return applied, err
	}
	args, err := b.arguments(ctx, step, nil)
	if err != nil {
		return applied, err
	}
	said, stopped, err := b.merge(ctx, args)
	if err != nil {
		if ctx.Err() == nil && b.Reset(ctx) != nil {
			b.broken = true
		}
		return applied, fmt.Errorf("%s %s: %w", step.Kind, step.ID, err)
	}
	if !stopped && len(said.skipped) == 0 && (said.plain() || len(said.notices) == 0) {
		applied.Changed = said.plain()
		return applied, b.putBack(ctx, said)
	}
	applied, err = b.closer(ctx, step, said)
	if ctx.Err() == nil {
		if failed := b.Reset(ctx); err == nil {
			err = failed
		}
	}
	return applied, err
}

// closer looks at a merge of which svn's words don't tell all.
func (b *bench) closer(ctx context.Context, step rollcall.DeskStep, said told) (applied rollcall.Applied, err error) {
	b.carried = nil
	clashes, err := b.met(ctx, step, said)
	if err != nil {
		return applied, err
	}
	if applied.Conflicts, err = b.settle(ctx, step, clashes, nil); err != nil || len(applied.Conflicts) > 0 {
		return applied, err
	}
	all, err := b.client.status(ctx, b.wc)
	if err != nil {
		return applied, err
	}
	state, err := b.describe(ctx, all)
	applied.Changed = len(state) > 0
	return applied, err
}

// putBack reverts what a merge says that it touched, without walking through all the rest.
func (b *bench) putBack(ctx context.Context, said told) error {
	var paths []string
	for _, n := range said.notices {
		if n.path != "." {
			paths = append(paths, n.path)
		}
	}
	slices.Sort(paths)
	// A folder that came takes with it what is in it.
	paths = slices.Compact(paths)
	var tops []string
	for _, path := range paths {
		if len(tops) == 0 || !strings.HasPrefix(path, tops[len(tops)-1]+"/") {
			tops = append(tops, path)
		}
	}
	if len(tops) > revertLimit {
		return b.Reset(ctx)
	}
	if len(tops) > 0 {
		targets := make([]string, len(tops))
		for i, path := range tops {
			targets[i] = at(path, 0)
		}
		if err := b.revertPaths(ctx, targets); err != nil {
			return b.Reset(ctx)
		}
	}
	_, err := b.client.svnIn(ctx, b.wc, "revert", []string{"-q", "--depth", "empty"}, ".")
	return err
}

// clockTick is more than the kernel's clock for files takes to move on.
const clockTick = 20 * time.Millisecond

// revertPaths reverts some paths with all that is below. svn tells an edit by a file's time
// and waits, after a revert, until the clock has moved on. With several paths it does not
// look how finely their disk keeps times, and waits for the next full second.
func (b *bench) revertPaths(ctx context.Context, targets []string) error {
	one := command{verb: "revert", options: []string{"-q", "-R", "--remove-added"}, targets: targets, dir: b.wc, careless: true}
	if err := b.client.stream(ctx, one, discardOutput); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(clockTick):
		return nil
	}
}
