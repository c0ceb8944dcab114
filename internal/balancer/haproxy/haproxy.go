// Package haproxy takes nodes out of service and puts them back through HAProxy's
// runtime API: the text protocol of its stats socket, as in section 9.3 of HAProxy's
// management guide.
//
// A node is drained there, not put into maintenance: what is under way goes on and is
// counted, and its health check goes on too, so that Rollcall sees the new release
// pass before it lets requests in.
package haproxy

import (
	"context"
	"net"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-dev/rollcall"
)

// readersLimit is how many sockets are read at once.
const readersLimit = 8

// Balancer is a rollcall.Balancer. A node with several sockets and backends is drained
// in each backend at each socket.
type Balancer struct {
	dial  func(ctx context.Context, socket string) (net.Conn, error)
	limit time.Duration // of an exchange
}

var _ rollcall.Balancer = (*Balancer)(nil)

// New makes a Balancer. dial connects to a socket in one of the forms that ParseSocket
// reads; Dial does for those that need no ssh.
func New(dial func(ctx context.Context, socket string) (net.Conn, error)) *Balancer {
	return &Balancer{dial: dial, limit: exchangeLimit}
}

// Look reads each socket once, however many nodes it is asked about.
func (b *Balancer) Look(ctx context.Context, points []rollcall.DrainPoint) ([]rollcall.ServiceState, error) {
	var sockets []string
	for _, p := range points {
		if err := check(p); err != nil {
			return nil, err
		}
		sockets = append(sockets, p.Drain.HAProxy...)
	}
	seen, err := b.read(ctx, sockets)
	if err != nil {
		return nil, err
	}
	if err := seen.unknown(points); err != nil {
		return nil, err
	}
	states := make([]rollcall.ServiceState, len(points))
	for i, p := range points {
		states[i] = seen.state(p)
	}
	return states, nil
}

// Drain looks first, since `state drain` would turn somebody's maintenance into a
// drain: the server would be health-checked again, and its persistent sessions let in.
func (b *Balancer) Drain(ctx context.Context, point rollcall.DrainPoint) error {
	if err := check(point); err != nil {
		return err
	}
	_, err := b.set(ctx, point, "drain", func(s server) bool { return !s.forced() })
	return at(point, err)
}

// Restore also ends a maintenance: whoever must not do that asks Look before.
func (b *Balancer) Restore(ctx context.Context, point rollcall.DrainPoint) error {
	if err := check(point); err != nil {
		return err
	}
	changed, err := b.set(ctx, point, "ready", server.out)
	if err != nil || !changed {
		return at(point, err)
	}
	// HAProxy says yes to `state ready` also where the server stays out of service.
	seen, err := b.read(ctx, point.Drain.HAProxy)
	if err != nil {
		return at(point, err)
	}
	return at(point, seen.stillOut(point))
}

// set gives a state to those of a node's servers that need it, once all of them are
// known to be there: a slip in the last backend's name must not leave half a drain.
func (b *Balancer) set(ctx context.Context, point rollcall.DrainPoint, state string, needs func(server) bool) (changed bool, err error) {
	seen, err := b.read(ctx, point.Drain.HAProxy)
	if err != nil {
		return false, err
	}
	if err := seen.unknown([]rollcall.DrainPoint{point}); err != nil {
		return false, err
	}
	for _, id := range servers(point) {
		if !needs(seen.server(id)) {
			continue
		}
		if err := b.setServer(ctx, id, state); err != nil {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}

// read reads the sockets, each once.
func (b *Balancer) read(ctx context.Context, sockets []string) (snapshot, error) {
	sockets = slices.Clone(sockets)
	slices.Sort(sockets)
	sockets = slices.Compact(sockets)
	read := make([]backends, len(sockets))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(readersLimit)
	for i, socket := range sockets {
		group.Go(func() (err error) {
			read[i], err = b.readSocket(groupCtx, socket)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	seen := snapshot{}
	for i, socket := range sockets {
		seen[socket] = read[i]
	}
	return seen, nil
}
