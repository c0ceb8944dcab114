package desk

import (
	"context"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-dev/rollcall"
)

const (
	// minimumTime bounds the search for the smallest set; what was found by then is told.
	minimumTime = 20 * time.Second
	// minimumOf is among how many changesets it is looked for: those nearest before.
	minimumOf = 30
)

var dependsOn = regexp.MustCompile(`(?mi)^Depends-On: *(r?[0-9a-f]{1,64}) *$`)

// needs lists, for what is on the desk, the changesets that it seems to build upon and
// that are neither there nor on the target.
func (s *session) needs(ctx context.Context) (map[string][]string, []rollcall.Standee, error) {
	listed, err := s.listed(ctx)
	if err != nil || len(listed) == 0 {
		return nil, nil, err
	}
	all := map[string][]string{}
	var named []rollcall.Standee
	touched := map[string]rollcall.Touched{}
	for source, picked := range picks(s.state.Steps, listed) {
		some, err := touchedByEach(ctx, s.Repo, source, s.state.Target, picked)
		if err != nil {
			return nil, nil, err
		}
		maps.Copy(touched, some)
	}
	for _, step := range s.state.Steps {
		if step.Kind != rollcall.StepPick {
			continue
		}
		i := slices.IndexFunc(listed, func(l rollcall.Standee) bool { return l.ID == step.ID })
		if i < 0 {
			continue
		}
		ids := needsOf(touched[step.ID].Touches, listed[i], listed)
		ids = slices.DeleteFunc(ids, func(id string) bool {
			return slices.ContainsFunc(s.state.Steps, func(o rollcall.DeskStep) bool { return o.ID == id })
		})
		if len(ids) == 0 {
			continue
		}
		all[step.ID] = ids
		for _, l := range listed {
			if slices.Contains(ids, l.ID) && !slices.ContainsFunc(named, func(n rollcall.Standee) bool { return n.ID == l.ID }) {
				named = append(named, l)
			}
		}
	}
	return all, named, nil
}

// picks are the changesets of some steps that are listed, by the branch that they come from.
func picks(steps []rollcall.DeskStep, listed []rollcall.Standee) map[string][]string {
	all := map[string][]string{}
	for _, step := range steps {
		if step.Kind == rollcall.StepPick && slices.ContainsFunc(listed, func(l rollcall.Standee) bool { return l.ID == step.ID }) {
			all[step.Source] = append(all[step.Source], step.ID)
		}
	}
	return all
}

// touchedByEach tells of changesets whose lines they change.
func touchedByEach(ctx context.Context, repo rollcall.Merger, source, target string, ids []string) (map[string]rollcall.Touched, error) {
	if many, ok := repo.(rollcall.ManyTouched); ok {
		return many.TouchedByEach(ctx, source, target, ids)
	}
	var mu sync.Mutex
	all := map[string]rollcall.Touched{}
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, id := range ids {
		work.Go(func() error {
			touched, err := repo.Touched(workCtx, source, target, id)
			mu.Lock()
			defer mu.Unlock()
			all[id] = touched
			return err
		})
	}
	return all, work.Wait()
}

// needsOf lists what a changeset builds upon among those that the target lacks: those
// whose lines it changes, and those that its message names. In the order of the branch.
func needsOf(touched []rollcall.Touch, one rollcall.Standee, listed []rollcall.Standee) []string {
	in := map[string]bool{}
	for _, t := range touched {
		in[t.ID] = true
	}
	for _, match := range dependsOn.FindAllStringSubmatch(one.Message, -1) {
		if other, err := (choice{listed: listed}).one(match[1]); err == nil {
			in[other.ID] = true
		}
	}
	delete(in, one.ID)
	needs := []string{}
	for _, l := range slices.Backward(listed) {
		if in[l.ID] && lacks(l) {
			needs = append(needs, l.ID)
		}
	}
	return needs
}

// lacks tells whether the target does not have a changeset, as far as anybody knows.
func lacks(s rollcall.Standee) bool {
	return s.Standing == rollcall.StandBlocked || s.Standing.Mergeable() && s.Standing != rollcall.StandProbable
}

// minimum finds the smallest set of changesets with which a step that conflicts does not.
func (s *session) minimum(ctx context.Context, step rollcall.DeskStep, before []rollcall.DeskStep) ([]string, error) {
	listed, err := s.listed(ctx)
	if err != nil || step.Kind == rollcall.StepMerge {
		return nil, err
	}
	return s.smallest(ctx, s.state.Base, s.state.Target, step, before, s.state.Resolved, listed, minimumTime)
}

// search looks for the set of changesets with which a step merges.
type search struct {
	*Desk
	bench    rollcall.Bench
	target   string
	step     rollcall.DeskStep
	before   []rollcall.DeskStep // that are merged anyway
	resolved []rollcall.StepResolution
	listed   []rollcall.Standee
}

// smallest takes, of the changesets near the step that change the same files, all that can
// be merged, and then drops one after the other for as long as the step stays clean.
func (d *Desk) smallest(ctx context.Context, base rollcall.Revision, target string, step rollcall.DeskStep, before []rollcall.DeskStep,
	resolved []rollcall.StepResolution, listed []rollcall.Standee, limit time.Duration,
) ([]string, error) {
	at := slices.IndexFunc(listed, func(l rollcall.Standee) bool { return l.ID == step.ID })
	if at < 0 {
		return nil, nil
	}
	bench, err := d.Repo.Bench(ctx, "", target, base)
	if err != nil {
		return nil, err
	}
	defer bench.Close()
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	f := &search{d, bench, target, step, before, resolved, listed}
	best, err := f.run(limited, at)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		err = nil // the time is over: what was found is told
	}
	var ids []string
	for _, s := range best {
		ids = append(ids, s.ID)
	}
	return ids, err
}

func (f *search) run(ctx context.Context, at int) (best []rollcall.DeskStep, err error) {
	one := f.listed[at]
	// Those whose lines it changes are the likeliest, and few.
	if f.step.Kind == rollcall.StepPick {
		likely, err := f.likely(ctx, one)
		if err != nil {
			return nil, err
		}
		if best, err = f.mergeable(ctx, likely); err != nil {
			return nil, err
		}
	}
	if best == nil {
		if best, err = f.mergeable(ctx, f.near(at, f.filesOf(one))); err != nil {
			return nil, err
		}
	}
	if best == nil {
		// Those have needs of their own, in other files.
		files := f.filesOf(one)
		for _, s := range f.near(at, files) {
			if i := slices.IndexFunc(f.listed, func(l rollcall.Standee) bool { return l.ID == s.ID }); i >= 0 {
				for name := range f.filesOf(f.listed[i]) {
					files[name] = true
				}
			}
		}
		if best, err = f.mergeable(ctx, f.near(at, files)); err != nil || best == nil {
			return nil, err
		}
	}
	for i := 0; i < len(best); {
		without := slices.Delete(slices.Clone(best), i, i+1)
		clean, _, err := f.try(ctx, without)
		if err != nil {
			return best, err
		}
		if clean {
			best = without
		} else {
			i++
		}
	}
	return best, nil
}

func (f *search) filesOf(one rollcall.Standee) map[string]bool {
	files := map[string]bool{}
	for _, name := range one.Files {
		files[name] = true
	}
	return files
}

// likely follows what a changeset needs, and what that needs.
func (f *search) likely(ctx context.Context, one rollcall.Standee) ([]rollcall.DeskStep, error) {
	var steps []rollcall.DeskStep
	for asked := []rollcall.Standee{one}; len(asked) > 0 && len(steps) < minimumOf; {
		ids := make([]string, len(asked))
		for i, s := range asked {
			ids[i] = s.ID
		}
		touched, err := touchedByEach(ctx, f.Repo, f.step.Source, f.target, ids)
		if err != nil {
			return nil, err
		}
		var next []rollcall.Standee
		for _, s := range asked {
			for _, id := range needsOf(touched[s.ID].Touches, s, f.listed) {
				if f.has(steps, id) || len(steps) >= minimumOf {
					continue
				}
				i := slices.IndexFunc(f.listed, func(l rollcall.Standee) bool { return l.ID == id })
				steps = append(steps, rollcall.DeskStep{Kind: rollcall.StepPick, Source: f.step.Source, ID: id})
				next = append(next, f.listed[i])
			}
		}
		asked = next
	}
	return steps, nil
}

func (f *search) has(steps []rollcall.DeskStep, id string) bool {
	same := func(o rollcall.DeskStep) bool { return o.ID == id }
	return id == f.step.ID || slices.ContainsFunc(steps, same) || slices.ContainsFunc(f.before, same)
}

// near are the changesets before the step that change some of the files and that the
// target lacks; of a back-out those after it that the target has.
func (f *search) near(at int, files map[string]bool) []rollcall.DeskStep {
	var steps []rollcall.DeskStep
	add := func(l rollcall.Standee) {
		if len(steps) < minimumOf && !f.has(steps, l.ID) && slices.ContainsFunc(l.Files, func(name string) bool { return files[name] }) {
			steps = append(steps, rollcall.DeskStep{Kind: f.step.Kind, Source: f.step.Source, ID: l.ID, In: l.In})
		}
	}
	if f.step.Kind == rollcall.StepBackOut {
		for _, l := range slices.Backward(f.listed[:at]) {
			if l.Standing == rollcall.StandIntegrated {
				add(l)
			}
		}
		return steps
	}
	for _, l := range f.listed[at+1:] {
		if lacks(l) && l.Standing != rollcall.StandBlocked {
			add(l)
		}
	}
	return steps
}

// mergeable drops from a set what conflicts itself, until the step is clean. Nil: it is not.
func (f *search) mergeable(ctx context.Context, steps []rollcall.DeskStep) ([]rollcall.DeskStep, error) {
	for len(steps) > 0 {
		clean, bad, err := f.try(ctx, steps)
		if err != nil || clean {
			return steps, err
		}
		i := slices.IndexFunc(steps, func(s rollcall.DeskStep) bool { return s == bad })
		if i < 0 {
			return nil, nil // the step itself, or what is merged anyway
		}
		steps = slices.Delete(slices.Clone(steps), i, i+1)
	}
	return nil, nil
}

// try merges a set with the step, and tells which one conflicts.
func (f *search) try(ctx context.Context, more []rollcall.DeskStep) (clean bool, bad rollcall.DeskStep, err error) {
	if err := ctx.Err(); err != nil {
		return false, bad, err
	}
	steps := append(append(slices.Clone(f.before), more...), f.step)
	ordered(steps, f.listed)
	if err := f.bench.Reset(ctx); err != nil {
		return false, bad, err
	}
	for _, step := range steps {
		decided, err := f.decided(step, f.resolved)
		if err != nil {
			return false, bad, err
		}
		applied, err := f.bench.Apply(ctx, step, decided)
		if err != nil {
			return false, bad, err
		}
		if len(applied.Conflicts) > 0 {
			return false, step, nil
		}
		if step == f.step {
			break // what comes behind it does not matter
		}
	}
	return true, bad, nil
}
