// Package fleettest runs sessions against a real rollcall-node within the test's own
// process, and holds the suite that every transport passes.
package fleettest

import (
	"bufio"
	"context"
	"io"
	"sync"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/node"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// Local is a transport to nodes in this process: only ssh is left out.
type Local struct {
	// Fail, where not nil, may refuse a connection.
	Fail func(rollcall.Node) error
	// State is where the state of environments in place lies.
	State string
}

// Connect starts a node.
func (l *Local) Connect(ctx context.Context, n rollcall.Node) (rollcall.Conn, error) {
	if l.Fail != nil {
		if err := l.Fail(n); err != nil {
			return nil, err
		}
	}
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := (&node.Server{Version: "test", State: l.State}).Serve(context.WithoutCancel(ctx), inR, outW)
		inR.CloseWithError(io.ErrClosedPipe)
		outW.CloseWithError(err)
	}()
	r := bufio.NewReader(outR)
	if _, err := wire.SkipGreeting(r); err != nil {
		return nil, err
	}
	return &localConn{Reader: r, out: outR, in: inW, done: done}, nil
}

// Close does nothing: connections end by themselves.
func (l *Local) Close() error { return nil }

type localConn struct {
	io.Reader
	out  *io.PipeReader
	in   *io.PipeWriter
	done chan struct{}
	once sync.Once
}

func (c *localConn) Write(b []byte) (int, error) { return c.in.Write(b) }
func (c *localConn) Stderr() string              { return "" }

func (c *localConn) Close() error {
	c.once.Do(func() {
		c.in.Close()
		c.out.CloseWithError(io.ErrClosedPipe)
		<-c.done
	})
	return nil
}
