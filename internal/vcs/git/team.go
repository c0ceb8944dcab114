package git

import (
	"context"
	"iter"
	"runtime"
)

const (
	// manyNames is from how many on more than one git is asked for contents, and answers
	// are waited for patiently.
	manyNames = 64
	maxTeam   = 3 // who reads has as much to do as these give
	// inTurn is how many objects one of a team answers before the next one does: what it
	// has ready meanwhile shall fit into its pipe.
	inTurn = 16
)

// team are git processes that answer in turns. What takes git's time is to decompress,
// and one of them does that on one processor: while the answers of one are read, the
// others get theirs ready.
type team []*catFile

// teamFor is how many processes so many contents are worth.
func teamFor(contents int) int {
	if contents <= manyNames {
		return 1
	}
	return min(maxTeam, runtime.NumCPU())
}

// gather gives so many processes. One of them is idle, unless that is nil.
func (o *objects) gather(ctx context.Context, idle *catFile, processes int) (team, error) {
	var t team
	if idle != nil {
		t = append(t, idle)
	}
	for len(t) < processes {
		one, err := o.start(ctx)
		if err != nil {
			t.end()
			return nil, err
		}
		t = append(t, one)
	}
	return t, nil
}

// read asks for objects and calls fn with each in the order given. It tells too whether
// there was any answer.
func (t team) read(ctx context.Context, names []string, fn func(i int, one *object) error) (begun bool, err error) {
	stop := context.AfterFunc(ctx, func() {
		for _, p := range t {
			_ = p.command.Process.Kill()
		}
	})
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err() // killed after its last answer: it is of no more use
		}
	}()
	for turn, p := range t {
		if err := p.ask(t.namesOf(turn, names)); err != nil {
			return false, p.broken(ctx, err)
		}
		p.answers.patient = len(names) > manyNames
	}
	for i, name := range names {
		answered, err := t[i/inTurn%len(t)].answer(ctx, name, func(one *object) error { return fn(i, one) })
		begun = begun || answered
		if err != nil {
			return begun, err
		}
	}
	return begun, nil
}

// namesOf are those that one of a team is asked for.
func (t team) namesOf(turn int, names []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i, name := range names {
			if i/inTurn%len(t) == turn && !yield(name) {
				return
			}
		}
	}
}

func (t team) end() {
	for _, p := range t {
		p.end()
	}
}
