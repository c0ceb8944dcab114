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
	var lost []rollcall.Event
	for _, m := range r.members {
		if m.err != nil && m.step != rollcall.StepReverted {
			lost = append(lost, r.stepEvent(m, m.step))
		}
	}
	if err := r.journal.add(ctx, lost...); err != nil {
		return err
	}
	waiting, done := r.untilWanted(ctx, true)
	defer done()
	working, cancel := context.WithCancelCause(waiting)
	defer cancel(nil)
	r.each(working, r.members, func(ctx context.Context, m *member) {
		if m.err != nil || m.passed || m.step == rollcall.StepReverted {
			return
		}
		err := r.prepareNode(ctx, m)
		switch {
		case err != nil && context.Cause(ctx) == nil:
			err = r.lose(ctx, m, err)
		case err == nil && !m.touched:
			err = r.note(ctx, rollcall.StepPrepared, m)
		}
		if err != nil {
			cancel(err)
		}
	})
	if err := context.Cause(working); err != nil {
		return err
	}
	return r.withinLimits()
}

// learnBases asks nodes for the manifests of what they have and this controller does
// not know: it has lost its state, or another one rolled them before.
func (r *run) learnBases(ctx context.Context) error {
	asked := map[rollcall.ReleaseID]bool{"": true}
	for _, m := range r.members {
		id := m.has.Current
		if m.err != nil || m.session == nil || asked[id] {
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
	d, err := r.Releases.Deliver(ctx, r.Code, r.Repo, r.base(m), r.plan.Release, r.say)
	if err != nil {
		return err
	}
	if m.has.Free < d.Bytes {
		return (&rollcall.Error{
			Kind: rollcall.KindBroken, Node: m.Node.Name,
			Err: fmt.Errorf("its disk has %d MB free, and the release takes %d MB", m.has.Free>>20, d.Bytes>>20),
		}).WithHint("free some space under %s there, or lower keep: in rollcall.yaml", m.Node.Folder)
	}
	d.Link, d.Permissions = r.plan.Link, r.plan.Permissions
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
		r.warn(fmt.Sprintf("%s: edited by hand and not carried over: %s", m.Node.Name, strings.Join(received.Edited, ", ")))
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
