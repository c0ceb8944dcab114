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
	"github.com/rollcall-dev/rollcall/internal/proc"
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
	// Those of the tree take longest, and so begin first.
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
	if files, err = l.prepare(ctx, files); err == nil {
		err = l.all(ctx, append(trees, files...))
	}
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

// prepare exports the files of jobs, and gives the jobs that are left to run.
func (l *looking) prepare(ctx context.Context, jobs []job) (left []job, err error) {
	limits, wanted := map[string]int64{}, map[string]bool{}
	for _, j := range jobs {
		if most, ok := limits[j.path]; !ok || j.MaxSize == 0 || most > 0 && j.MaxSize > most {
			limits[j.path] = j.MaxSize // of the checks that want it, the most generous one's
		}
		wanted[j.path] = true
	}
	var entries []*rollcall.TreeEntry
	for _, p := range slices.Sorted(maps.Keys(wanted)) {
		entries = append(entries, l.entries[p])
	}
	if len(entries) == 0 {
		return nil, nil
	}
	sizes := map[string]int64{}
	l.note("exporting %d files for the checks", len(entries))
	out, err := l.export(ctx, l.files(), entries, func(p string, size int64) bool {
		sizes[p] = size
		return limits[p] == 0 || size <= limits[p]
	})
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		switch size := sizes[j.path]; {
		case out[j.path] != "":
			err = l.add(ctx, j, verdict{text: out[j.path], brief: true}, 0)
		case j.MaxSize > 0 && size > j.MaxSize:
			err = l.add(ctx, j, verdict{text: fmt.Sprintf("it has %s, and this check takes up to %s", sizeOf(size), sizeOf(j.MaxSize))}, 0)
		default:
			left = append(left, j)
		}
		if err != nil {
			return nil, err
		}
	}
	return left, nil
}

// all runs jobs, as many at once as there are processors.
func (l *looking) all(ctx context.Context, jobs []job) error {
	if len(jobs) > 0 {
		l.note("running %d checks", len(jobs))
	}
	group, ctx := errgroup.WithContext(ctx)
	next := make(chan job)
	group.Go(func() error {
		defer close(next)
		for _, j := range jobs {
			select {
			case next <- j:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		group.Go(func() error {
			for j := range next {
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

// one runs a command and judges it by its exit code.
func (l *looking) one(ctx context.Context, j job) (verdict, error) {
	name, dir, own := rollcall.CheckFile, l.files(), filepath.Join(l.files(), j.path)
	if j.path == "" {
		name = rollcall.CheckTree
		var v verdict
		var err error
		if dir, v, err = l.tree(ctx); err != nil || v.text != "" {
			return v, err
		}
		own = dir
	}
	command, err := j.Run.Expand(map[string]string{name: own})
	if err != nil {
		return verdict{}, err
	}
	if j.program != "" && command.Shell == "" {
		command.Args[0] = j.program
	}
	env := map[string]string{"ROLLCALL_FILE": own, "TMPDIR": l.work.temp()}
	of := func(word string) bool { return word == ownPath }
	if j.path == "" {
		env = map[string]string{"ROLLCALL_TREE": own, "TMPDIR": l.work.temp()}
		of = func(word string) bool { return l.entries[word] != nil }
		own = ""
	}
	begun := time.Now()
	out, err := proc.Run(ctx, l.site, command, env)
	late := err != nil && ctx.Err() == nil && time.Since(begun) >= command.Timeout
	if err != nil && !late {
		if j.program == "" && ctx.Err() == nil { // it stands in the tree, or should
			return verdict{text: saying(readable(err.Error(), dir, ""), 0)}, nil
		}
		return verdict{}, err
	}
	if err == nil && out.Exit == 0 {
		return verdict{passed: true}, nil
	}
	lines := readable(out.Text, dir, own)
	index, line, path := telling(lines, of, j.path != "")
	v := verdict{line: line, path: path, text: saying(lines, index)}
	switch {
	case late:
		v.brief = true
		v.text = join(fmt.Sprintf("did not end within %v", command.Timeout), v.text)
	case out.Exit > 128 && out.Exit <= 128+64: // memory may have been short, or somebody impatient
		v.brief = true
		v.text = join(fmt.Sprintf("was killed by signal %d", out.Exit-128), v.text)
	case v.text == "":
		v.text = fmt.Sprintf("ended with %d and said nothing", out.Exit)
	}
	return v, nil
}

func join(head, text string) string {
	if text == "" {
		return head
	}
	return head + "\n" + text
}

// tree exports all that will roll, for one check.
func (l *looking) tree(ctx context.Context) (dir string, v verdict, err error) {
	var entries []*rollcall.TreeEntry
	for _, p := range l.paths {
		if why := l.bad[p]; why != "" {
			return "", verdict{path: p, text: why, brief: true}, nil
		}
		entries = append(entries, l.entries[p])
	}
	l.mu.Lock()
	l.trees++
	dir = filepath.Join(l.work.dir, fmt.Sprintf("tree-%d", l.trees))
	l.mu.Unlock()
	out, err := l.export(ctx, dir, entries, func(string, int64) bool { return true })
	for _, p := range slices.Sorted(maps.Keys(out)) {
		return dir, verdict{path: p, text: out[p], brief: true}, err
	}
	return dir, verdict{}, err
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
