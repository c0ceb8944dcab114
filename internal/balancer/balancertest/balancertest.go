// Package balancertest is the suite that every rollcall.Balancer passes.
package balancertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// patience is how long a health check may take to be seen.
const patience = 30 * time.Second

// Fixture is a balancer with nodes behind it that are all in service.
type Fixture struct {
	Balancer rollcall.Balancer
	Points   []rollcall.DrainPoint // three or more
	// Unknown are nodes that the balancer does not have, where it can know that.
	Unknown []rollcall.DrainPoint
	// Cut are nodes that can't be reached, or whose balancer can't.
	Cut []rollcall.DrainPoint
}

// Run runs the suite. fresh gives a new Fixture.
func Run(t *testing.T, fresh func(t *testing.T) Fixture) {
	t.Run("look", func(t *testing.T) {
		f := fresh(t)
		f.wait(t, inService)
		reversed := slices.Clone(f.Points)
		slices.Reverse(reversed)
		if err := f.Balancer.Drain(t.Context(), f.Points[0]); err != nil {
			t.Fatal(err)
		}
		states, err := f.Balancer.Look(t.Context(), reversed)
		if err != nil || len(states) != len(reversed) || !states[len(states)-1].Out || states[0].Out {
			t.Errorf("states do not come in the order of the nodes: %+v, %v", states, err)
		}
		if states, err := f.Balancer.Look(t.Context(), nil); err != nil || len(states) != 0 {
			t.Errorf("a look at no node: %+v, %v", states, err)
		}
	})

	t.Run("drain and restore, each twice", func(t *testing.T) {
		f := fresh(t)
		f.wait(t, inService)
		drained := f.Points[1]
		// A node in service is left as it is.
		for range 2 {
			f.do(t, "Restore", f.Balancer.Restore, drained)
			f.wait(t, inService)
		}
		for range 2 {
			f.do(t, "Drain", f.Balancer.Drain, drained)
			f.wait(t, func(p rollcall.DrainPoint, s rollcall.ServiceState) bool {
				return s.Out == (p.Node == drained.Node)
			})
		}
		for range 2 {
			f.do(t, "Restore", f.Balancer.Restore, drained)
			f.wait(t, inService)
		}
	})

	t.Run("all at once", func(t *testing.T) {
		f := fresh(t)
		for _, p := range f.Points {
			f.do(t, "Drain", f.Balancer.Drain, p)
		}
		f.wait(t, func(_ rollcall.DrainPoint, s rollcall.ServiceState) bool { return s.Out })
		for _, p := range f.Points {
			f.do(t, "Restore", f.Balancer.Restore, p)
		}
		f.wait(t, inService)
	})

	t.Run("unknown node", func(t *testing.T) {
		f := fresh(t)
		for _, p := range f.Unknown {
			refused(t, "Drain", f.Balancer.Drain(t.Context(), p), rollcall.KindInvalid)
			refused(t, "Restore", f.Balancer.Restore(t.Context(), p), rollcall.KindInvalid)
			_, err := f.Balancer.Look(t.Context(), append(slices.Clone(f.Points), p))
			refused(t, "Look", err, rollcall.KindInvalid)
		}
		f.wait(t, inService)
	})

	t.Run("cut off", func(t *testing.T) {
		f := fresh(t)
		for _, p := range f.Cut {
			refused(t, "Drain", f.Balancer.Drain(t.Context(), p), rollcall.KindUnreachable)
			refused(t, "Restore", f.Balancer.Restore(t.Context(), p), rollcall.KindUnreachable)
			// A driver that asks each node looks at the others all the same.
			states, err := f.Balancer.Look(t.Context(), append(slices.Clone(f.Points), p))
			if err != nil {
				refused(t, "Look", err, rollcall.KindUnreachable)
			} else if last := states[len(states)-1]; last.InService() {
				t.Errorf("a node that can't be reached is in service: %+v", last)
			}
		}
		f.wait(t, inService)
	})

	t.Run("a context that ended", func(t *testing.T) {
		f := fresh(t)
		ended, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("the person had enough")
		cancel(cause)
		if err := f.Balancer.Drain(ended, f.Points[0]); !errors.Is(err, cause) {
			t.Errorf("Drain: %v", err)
		}
		if _, err := f.Balancer.Look(ended, f.Points); !errors.Is(err, cause) {
			t.Errorf("Look: %v", err)
		}
	})
}

func inService(_ rollcall.DrainPoint, s rollcall.ServiceState) bool { return s.InService() }

func (f Fixture) do(t *testing.T, what string, act func(context.Context, rollcall.DrainPoint) error, p rollcall.DrainPoint) {
	t.Helper()
	if err := act(t.Context(), p); err != nil {
		t.Fatalf("%s %s: %v (hint: %s)", what, p.Node, err, rollcall.HintOf(err))
	}
}

// wait looks until every node is as it should be.
func (f Fixture) wait(t *testing.T, want func(rollcall.DrainPoint, rollcall.ServiceState) bool) {
	t.Helper()
	Wait(t, f.Balancer, f.Points, want)
}

// Wait looks at nodes until each is as want says.
func Wait(t *testing.T, b rollcall.Balancer, points []rollcall.DrainPoint, want func(rollcall.DrainPoint, rollcall.ServiceState) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		states, err := b.Look(ctx, points)
		if err != nil {
			t.Fatalf("Look: %v (hint: %s)", err, rollcall.HintOf(err))
		}
		if len(states) != len(points) {
			t.Fatalf("%d states of %d nodes", len(states), len(points))
		}
		all := true
		for i, s := range states {
			all = all && want(points[i], s)
			if s.Sessions < -1 {
				t.Fatalf("%d sessions", s.Sessions)
			}
		}
		if all {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %v the nodes are %+v", patience, states)
		case <-tick.C:
		}
	}
}

// refused tells whether an error is what a person can do something with.
func refused(t *testing.T, what string, err error, kind rollcall.Kind) {
	t.Helper()
	if rollcall.KindOf(err) != kind || rollcall.HintOf(err) == "" {
		t.Errorf("%s: %v, of kind %s and not %s (hint: %q)", what, err, rollcall.KindOf(err), kind, rollcall.HintOf(err))
	}
}
