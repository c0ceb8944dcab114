package fleet

import (
	"context"
	"sync"

	"github.com/rollcall-dev/rollcall"
)

// Ahead opens sessions before they are asked for, while the plan is still being made:
// most of a short roll is waiting for handshakes. Sessions that nobody asks for are
// closed with it.
func Ahead(ctx context.Context, inner rollcall.Fleet, nodes []rollcall.Node, parallel int) rollcall.Fleet {
	a := &ahead{Fleet: inner, opened: make(map[string]*opening, len(nodes)), slots: make(chan struct{}, max(parallel, 1))}
	a.ctx, a.cancel = context.WithCancel(ctx)
	for _, n := range nodes {
		o := &opening{node: n, done: make(chan struct{})}
		a.opened[n.Name] = o
		a.wait.Go(func() { a.open(o) })
	}
	return a
}

type ahead struct {
	rollcall.Fleet
	ctx    context.Context // of the openings, which belong to no single Open
	cancel context.CancelFunc
	wait   sync.WaitGroup
	slots  chan struct{}

	mu     sync.Mutex
	opened map[string]*opening
}

type opening struct {
	node    rollcall.Node
	done    chan struct{}
	session rollcall.Session
	err     error
}

func (a *ahead) open(o *opening) {
	defer close(o.done)
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-a.ctx.Done():
		o.err = context.Cause(a.ctx)
		return
	}
	o.session, o.err = a.Fleet.Open(a.ctx, o.node)
}

// Open gives the session that was opened ahead, once; after that it opens a new one.
func (a *ahead) Open(ctx context.Context, node rollcall.Node) (rollcall.Session, error) {
	a.mu.Lock()
	o := a.opened[node.Name]
	delete(a.opened, node.Name)
	a.mu.Unlock()
	if o == nil || o.node.HostPort() != node.HostPort() || o.node.User != node.User || o.node.Folder != node.Folder ||
		o.node.Layout != node.Layout || o.node.Become != node.Become {
		return a.Fleet.Open(ctx, node)
	}
	select {
	case <-o.done:
		return o.session, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Close ends what was opened for nothing, and then the fleet below.
func (a *ahead) Close() error {
	a.cancel()
	a.wait.Wait()
	for _, o := range a.opened {
		if o.session != nil {
			o.session.Close()
		}
	}
	return a.Fleet.Close()
}
