package roll

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// progressEvery bounds how often one node's progress is told.
const progressEvery = 80 * time.Millisecond

// prepare brings the release to every node's disk. Nothing is switched when more nodes
// than the limits allow could not be prepared.
func (r *run) prepare(ctx context.Context) error {
	if err := r.learnBases(ctx); err != nil {
		return err
	}
	var lost []*member
	for _, m := range r.members {
		if m.err != nil {
			lost = append(lost, m)
		}
	}
	if len(lost) > 0 {
		if err := r.noteLost(ctx, lost); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-r.Stop:
			cancel(errStopped)
		case <-ctx.Done():
		}
	}()
	var mu sync.Mutex
	var fatal error
	r.each(ctx, r.members, func(ctx context.Context, m *member) {
		if m.err != nil {
			return
		}
		err := r.prepareNode(ctx, m)
		if err == nil {
			err = r.note(ctx, rollcall.StepPrepared, m)
		} else if context.Cause(ctx) == nil {
			r.drop(m, err)
			err = r.noteLost(ctx, []*member{m})
		}
		if err != nil {
			mu.Lock()
			fatal = err
			mu.Unlock()
			cancel(err)
		}
	})
	if r.stopped() {
		return errStopped
	}
	if fatal != nil {
		return fatal
	}
	return r.withinLimits()
}

func (r *run) noteLost(ctx context.Context, members []*member) error {
	events := make([]rollcall.Event, len(members))
	for i, m := range members {
		events[i] = r.stepEvent(m, m.step)
	}
	return r.journal.add(ctx, events...)
}

// learnBases asks nodes for the manifests of what they have and this controller does
// not know: it has lost its state, or another one rolled them before.
func (r *run) learnBases(ctx context.Context) error {
	asked := map[rollcall.ReleaseID]bool{"": true}
	for _, m := range r.members {
		id := m.has.Current
		if m.err != nil || asked[id] {
			continue
		}
		asked[id] = true
		if _, err := r.Releases.Manifest(id); err == nil {
			continue
		}
		manifest, err := m.session.Manifest(ctx, id)
		if err != nil {
			r.drop(m, err)
			asked[id] = false // the next one may tell
			continue
		}
		if err := r.Releases.Adopt(id, manifest); err != nil {
			r.drop(m, err)
			continue
		}
		if err := r.Releases.Align(r.plan.Release, id); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) prepareNode(ctx context.Context, m *member) error {
	if m.has.Current == r.plan.Release {
		return nil
	}
	for _, id := range m.has.Releases {
		if id == r.plan.Release {
			return nil
		}
	}
	r.tell(m, rollcall.StepReceiving)
	d, err := r.Releases.Deliver(ctx, r.Code, r.Repo, r.base(m), r.plan.Release, func(text string) {
		r.journal.tell(rollcall.NewEvent(rollcall.EventPreparing, rollcall.Note{Environment: r.plan.Environment, Roll: r.number, Text: text}))
	})
	if err != nil {
		return err
	}
	if m.has.Free < d.Bytes {
		return (&rollcall.Error{
			Kind: rollcall.KindBroken, Node: m.Node.Name,
			Err: fmt.Errorf("its disk has %d MB free, and the release takes %d MB", m.has.Free>>20, d.Bytes>>20),
		}).WithHint("free some space under %s there, or lower keep: in rollcall.yaml", m.Node.Folder)
	}
	d.Link = r.plan.Link
	var last time.Time
	phase := ""
	var mu sync.Mutex
	received, err := m.session.Receive(ctx, d, func(now string, sent int64) {
		mu.Lock()
		defer mu.Unlock()
		if now == phase && sent < d.Size && time.Since(last) < progressEvery {
			return
		}
		phase, last = now, time.Now()
		r.journal.tell(rollcall.NewEvent(rollcall.EventProgress, rollcall.Progress{Node: m.Node.Name, Phase: now, Sent: sent, Total: d.Size}))
	})
	m.bytes = received.Bytes
	if len(received.Edited) > 0 {
		r.journal.tell(rollcall.NewEvent(rollcall.EventPreparing, rollcall.Note{
			Environment: r.plan.Environment, Roll: r.number,
			Text: fmt.Sprintf("%s: edited by hand and not carried over: %s", m.Node.Name, strings.Join(received.Edited, ", ")),
		}))
	}
	return err
}

// base is the release on the node from which the least is to be sent: what is live
// there, or else the newest that is known here.
func (r *run) base(m *member) rollcall.ReleaseID {
	if m.has.Current != "" {
		return m.has.Current
	}
	for _, id := range m.has.Releases {
		if _, err := r.Releases.Manifest(id); err == nil {
			return id
		}
	}
	return ""
}

// withinLimits tells, as an error, that too many nodes could not be prepared.
func (r *run) withinLimits() error {
	var unreachable, broken int
	var first *member
	var all []string
	for _, m := range r.members {
		if m.err == nil {
			continue
		}
		if m.step == rollcall.StepUnreachable {
			unreachable++
		} else {
			broken++
		}
		if first == nil {
			first = m
		}
		all = append(all, m.Node.Name)
	}
	if first == nil {
		return nil
	}
	total := len(r.members)
	if r.plan.Kind == rollcall.KindRollback {
		if unreachable+broken < total {
			return nil // going back is done with nodes down
		}
	} else if unreachable <= r.plan.Limits.Unreachable.Of(total, 0) && broken <= r.plan.Limits.Broken.Of(total, 0) && unreachable+broken < total {
		return nil
	}
	if len(all) == 1 {
		return first.err
	}
	return rollcall.Errorf(rollcall.KindOf(first.err), "%d of %d nodes could not be prepared: %s", len(all), total, list(all)).
		WithHint("each says above why; limits: {unreachable: %d} in rollcall.yaml lets a roll go on without some", max(unreachable, 1))
}

func list(names []string) string {
	if len(names) > 6 {
		return strings.Join(names[:6], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
