package roll

import (
	"context"
	"sync"

	"github.com/rollcall-dev/rollcall"
)

var (
	errPaused  = rollcall.Errorf(rollcall.KindStopped, "paused by you")
	errAborted = rollcall.Errorf(rollcall.KindStopped, "aborted by you")
)

// UntilStopped gives a context that ends when a person wants to stop what has no state
// yet that would be worth keeping: making a plan, reaching nodes.
func UntilStopped(ctx context.Context, stop <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-stop:
			cancel(rollcall.Errorf(rollcall.KindStopped, "stopped by you before anything was begun"))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// asked is what people want of a roll under way: here with Ctrl-C, or from any other
// terminal by an event in the environment's stream.
type asked struct {
	once  [2]sync.Once
	pause chan struct{} // closed
	abort chan struct{}
	by    string // who wants the abort; set before it is closed
}

// listen passes on what people ask for until stop is called.
func (r *run) listen(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	r.asked.pause, r.asked.abort = make(chan struct{}), make(chan struct{})
	wait.Go(func() {
		pause, abort := r.Stop, r.Back
		for {
			select {
			case <-pause:
				r.asked.pausing()
				pause = nil
			case <-abort:
				r.asked.aborting(r.By)
				abort = nil
			case <-ctx.Done():
				return
			}
		}
	})
	wait.Go(func() {
		_ = r.Record.Follow(ctx, rollcall.EnvironmentStream(r.plan.Environment), r.lease.seq, func(e rollcall.Event) error {
			var a rollcall.Asked
			switch e.Type {
			case rollcall.EventLeaseTaken:
				r.lease.stop(errSuperseded)
			case rollcall.EventPauseAsked:
				if e.Decode(&a) == nil && a.Roll == r.number {
					r.asked.pausing()
				}
			case rollcall.EventAbortAsked:
				if e.Decode(&a) == nil && a.Roll == r.number {
					r.asked.aborting(a.By)
				}
			}
			return nil
		}) // it ends with ctx; a record that can't be read is found by the next append
	})
	return func() {
		cancel()
		wait.Wait()
	}
}

func (a *asked) pausing() { a.once[0].Do(func() { close(a.pause) }) }

func (a *asked) aborting(by string) {
	a.once[1].Do(func() {
		a.by = by
		close(a.abort)
	})
}

// wanted tells, as an error, that somebody wants the roll to pause or to go back. On
// the way back only a pause can be wanted.
func (r *run) wanted() error {
	if r.back == nil {
		select {
		case <-r.asked.abort:
			return errAborted
		default:
		}
	}
	select {
	case <-r.asked.pause:
		return errPaused
	default:
		return nil
	}
}

// untilWanted gives a context that ends when somebody wants the roll to go back or,
// with pause, to pause: for what can be waited for again.
func (r *run) untilWanted(ctx context.Context, pause bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	pausing, aborting := r.asked.pause, r.asked.abort
	if !pause {
		pausing = nil
	}
	if r.back != nil {
		aborting = nil
	}
	go func() {
		select {
		case <-pausing:
			cancel(errPaused)
		case <-aborting:
			cancel(errAborted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}
