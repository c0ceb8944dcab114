package check

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-dev/rollcall"
)

// How often what was found is written: what is not is found again after a power failure.
const (
	keepEvery = time.Second
	keepMany  = 200
)

// job is one run of a command.
type job struct {
	*gate
	subject
}

// look finds out what is not known: the markers, and then the commands.
func (r *run) look(ctx context.Context) error {
	if err := r.lookForMarkers(ctx, r.gates[0]); err != nil {
		return err
	}
	var trees, files []job
	for _, g := range r.gates[1:] {
		for _, f := range g.missing {
			if f.path == "" {
				trees = append(trees, job{g, f})
			} else {
				files = append(files, job{g, f})
			}
		}
	}
	if len(trees)+len(files) == 0 {
		return nil
	}
	work, err := r.workplace()
	if err != nil {
		return err
	}
	defer work.remove()
	l := &looking{run: r, work: work, total: len(trees) + len(files), flushed: time.Now()}
	err = l.all(ctx, files, trees)
	// What was found counts, however this ended.
	if kept := l.flush(context.WithoutCancel(ctx)); err == nil {
		err = kept
	}
	if err == nil {
		err = r.forget(ctx)
	}
	return err
}

// looking is a run with what it has found.
type looking struct {
	*run
	work  *workplace
	total int

	mu      sync.Mutex
	done    int
	trees   int // exported
	found   []found
	flushed time.Time
}

// files is the folder of those that are looked at one by one. Checks of the tree have a
// folder each: they may write in it, and what they write must not be believed.
func (l *looking) files() string { return filepath.Join(l.work.dir, "files") }

// all runs jobs, as many at once as there are processors, each as soon as its file is
// there. Those of the tree follow: the repository has one reader at a time.
func (l *looking) all(ctx context.Context, files, trees []job) error {
	l.note("running %s", rollcall.Plural(l.total, "check", "checks"))
	group, ctx := errgroup.WithContext(ctx)
	ready := make(chan job, l.total) // the repository waits for no command
	group.Go(func() error {
		defer close(ready)
		if err := l.prepare(ctx, files, ready); err != nil {
			return err
		}
		for _, j := range trees {
			ready <- j
		}
		return nil
	})
	for range min(runtime.GOMAXPROCS(0), l.total) {
		group.Go(func() error {
			for j := range ready {
				begun := time.Now()
				v, err := l.one(ctx, j)
				if err == nil {
					err = l.add(ctx, j, v, time.Since(begun))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// prepare exports the files of jobs, and gives on each job whose file is there.
func (l *looking) prepare(ctx context.Context, jobs []job, ready chan<- job) error {
	wanted := map[string][]job{}
	for _, j := range jobs {
		wanted[j.path] = append(wanted[j.path], j)
	}
	var entries []*rollcall.TreeEntry
	for _, p := range slices.Sorted(maps.Keys(wanted)) {
		entries = append(entries, l.entries[p])
	}
	if len(entries) == 0 {
		return nil
	}
	wants := func(p string, size int64) (bool, error) {
		var fit []job
		for _, j := range wanted[p] {
			if j.MaxSize == 0 || size <= j.MaxSize {
				fit = append(fit, j)
				continue
			}
			text := fmt.Sprintf("it has %s, and this check takes up to %s", sizeOf(size), sizeOf(j.MaxSize))
			if err := l.add(ctx, j, verdict{text: text}, 0); err != nil {
				return false, err
			}
		}
		wanted[p] = fit
		return len(fit) > 0, nil
	}
	return l.export(ctx, l.files(), entries, wants, func(p, unfit string) error {
		for _, j := range wanted[p] {
			if unfit == "" {
				ready <- j
			} else if err := l.add(ctx, j, verdict{text: unfit, brief: true}, 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// add takes a verdict, and writes many together.
func (l *looking) add(ctx context.Context, j job, v verdict, took time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	j.verdict[j.content] = v
	j.result.Ran++
	j.result.Seconds += took.Seconds()
	l.done++
	if l.Progress != nil {
		l.Progress(l.done, l.total)
	}
	if v.brief {
		return nil
	}
	l.found = append(l.found, found{j.rule, j.content, v})
	if len(l.found) < keepMany && time.Since(l.flushed) < keepEvery {
		return nil
	}
	return l.write(ctx)
}

func (l *looking) flush(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write(ctx)
}

func (l *looking) write(ctx context.Context) error {
	l.flushed = time.Now()
	all := l.found
	if err := l.keep(ctx, all); err != nil {
		return fmt.Errorf("keep what the checks found: %w", err)
	}
	l.found = nil
	return nil
}
