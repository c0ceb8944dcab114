// Package fleet holds sessions with nodes: the controller's side of the protocol that
// rollcall-node speaks, over any transport.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// replyLimit is how long a node may take for what is not a release or a command.
const replyLimit = 90 * time.Second

// receiveLimit is for how long a node may neither take nor say anything while a release
// is on its way: it may have to put a lot on a slow disk, but not one that hangs.
const receiveLimit = 5 * time.Minute

// Fleet opens sessions over a transport.
type Fleet struct{ transport rollcall.Transport }

var _ rollcall.Fleet = (*Fleet)(nil)

// New makes a Fleet.
func New(transport rollcall.Transport) *Fleet { return &Fleet{transport: transport} }

// Open connects to a node.
func (f *Fleet) Open(ctx context.Context, node rollcall.Node) (rollcall.Session, error) {
	conn, err := f.transport.Connect(ctx, node)
	if err != nil {
		return nil, err
	}
	return &session{node: node, conn: conn, wire: wire.NewConn(conn, conn)}, nil
}

// Close ends what the transport shares between connections.
func (f *Fleet) Close() error { return f.transport.Close() }

type session struct {
	node  rollcall.Node
	conn  rollcall.Conn
	wire  *wire.Conn
	token rollcall.Token
}

func (s *session) Close() error { return s.conn.Close() }

// closeWhen ends the connection when ctx does, which ends every read and write on it.
func (s *session) closeWhen(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { s.conn.Close() })
}

// lost is the error for a connection that ended in the middle.
func (s *session) lost(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	e := &rollcall.Error{Kind: rollcall.KindUnreachable, Node: s.node.Name, Op: "lost the node", Err: err}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		e.Err = errors.New("the connection ended")
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Err = errors.New("it does not answer")
	}
	e.Hint = "look whether it is up: ssh " + s.node.Address
	if said := strings.TrimSpace(s.conn.Stderr()); said != "" {
		e.Hint = "rollcall-node said there: " + rollcall.Printable(said)
	}
	return e
}

func (s *session) request(verb wire.Verb) wire.Request {
	return wire.Request{Verb: verb, Folder: s.node.Folder, Layout: s.node.Layout, Token: s.token}
}

// ask sends a request and waits for its reply.
func (s *session) ask(ctx context.Context, limit time.Duration, q wire.Request) (*wire.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer s.closeWhen(ctx)()
	if err := s.wire.Send(wire.KindRequest, q); err != nil {
		return nil, s.lost(ctx, err)
	}
	kind, body, err := s.wire.Next()
	if err != nil {
		return nil, s.lost(ctx, err)
	}
	return s.reply(kind, body)
}

func (s *session) reply(kind wire.Kind, body []byte) (*wire.Reply, error) {
	reply, err := wire.ParseReply(kind, body)
	if err != nil {
		return nil, &rollcall.Error{Kind: rollcall.KindBroken, Node: s.node.Name, Op: "talk to rollcall-node", Err: err}
	}
	if reply.Error != nil {
		return nil, reply.Error.Err(s.node.Name)
	}
	return reply, nil
}

// Claim sets the token of all that follows.
func (s *session) Claim(token rollcall.Token) { s.token = token }

// Hello asks what the node has.
func (s *session) Hello(ctx context.Context) (rollcall.NodeState, error) {
	return s.state(ctx, wire.VerbHello)
}

// Fence shuts out older tokens, and asks what the node has.
func (s *session) Fence(ctx context.Context) (rollcall.NodeState, error) {
	return s.state(ctx, wire.VerbFence)
}

func (s *session) state(ctx context.Context, verb wire.Verb) (rollcall.NodeState, error) {
	reply, err := s.ask(ctx, replyLimit, s.request(verb))
	if err != nil {
		return rollcall.NodeState{}, err
	}
	if reply.State == nil {
		return rollcall.NodeState{}, fmt.Errorf("%s: a hello without a state", s.node.Name)
	}
	// What a node says ends up in paths and look-ups here.
	ids := append(reply.State.Releases[:len(reply.State.Releases):len(reply.State.Releases)], reply.State.Current)
	if a := reply.State.Applying; a != nil {
		ids = append(ids, a.From, a.To)
	}
	for _, id := range ids {
		if id != "" && !id.Valid() {
			return rollcall.NodeState{}, &rollcall.Error{
				Kind: rollcall.KindBroken, Node: s.node.Name, Op: "read what it has", Err: fmt.Errorf("%q is no release", rollcall.Printable(string(id))),
			}
		}
	}
	return *reply.State, nil
}

// Manifest reads a manifest that the node holds.
func (s *session) Manifest(ctx context.Context, id rollcall.ReleaseID) (*rollcall.Manifest, error) {
	ctx, cancel := context.WithTimeout(ctx, replyLimit)
	defer cancel()
	defer s.closeWhen(ctx)()
	q := s.request(wire.VerbManifest)
	q.Release = id
	if err := s.wire.Send(wire.KindRequest, q); err != nil {
		return nil, s.lost(ctx, err)
	}
	var b []byte
	for {
		kind, body, err := s.wire.Next()
		if err != nil {
			return nil, s.lost(ctx, err)
		}
		switch kind {
		case wire.KindData:
			b = append(b, body...)
		case wire.KindEnd:
		default:
			if _, err := s.reply(kind, body); err != nil {
				return nil, err
			}
			return rollcall.ParseManifest(b)
		}
	}
}

// Receive streams a pack and answers what the node asks meanwhile.
func (s *session) Receive(ctx context.Context, d rollcall.Delivery, progress func(string, int64)) (rollcall.Received, error) {
	ctx, goesOn, done := s.patiently(ctx, receiveLimit)
	defer done()
	defer s.closeWhen(ctx)()
	q := s.request(wire.VerbReceive)
	q.Release = d.Release
	q.Receive = &wire.Receive{Base: d.Base, Bytes: d.Bytes, Created: d.Created, Link: d.Link, Permissions: d.Permissions}
	for _, p := range d.Distrust {
		q.Receive.Distrust = append(q.Receive.Distrust, []byte(p))
	}
	content, err := d.Pack()
	if err != nil {
		return rollcall.Received{}, err
	}
	defer content.Close()

	r := &receiving{session: s, progress: progress, goesOn: goesOn, missing: make(chan []string, 1), done: make(chan struct{})}
	r.phase.Store("sending")
	if err := s.wire.Send(wire.KindRequest, q); err != nil {
		return rollcall.Received{}, s.lost(ctx, err)
	}
	go r.listen()
	source := &untilDone{r: content, done: r.done}
	err = s.wire.SendStream(source, r.sent)
	for err == nil {
		select {
		case paths := <-r.missing:
			err = r.fill(ctx, d, paths)
			continue
		case <-r.done:
		}
		break
	}
	if err != nil {
		// The connection can't be trusted any more; closing it ends listen.
		s.conn.Close()
		<-r.done
		if r.err != nil {
			var told *rollcall.Error
			if errors.As(r.err, &told) && told.Kind != rollcall.KindUnreachable {
				return rollcall.Received{}, r.err // the node said why before it went
			}
		}
		if source.err != nil {
			return rollcall.Received{}, source.err // not the node's fault
		}
		return rollcall.Received{}, s.lost(ctx, err)
	}
	if r.err != nil {
		if r.lost {
			return rollcall.Received{}, s.lost(ctx, r.err)
		}
		return rollcall.Received{}, r.err
	}
	return r.received, nil
}

// receiving is one Receive under way: the pack goes out while a goroutine listens.
type receiving struct {
	session  *session
	progress func(string, int64)
	goesOn   func()
	phase    atomic.Value // string
	bytes    atomic.Int64
	missing  chan []string
	done     chan struct{} // closed by listen when the reply is there

	// Set before done is closed.
	received rollcall.Received
	err      error
	lost     bool
}

func (r *receiving) sent(n int64) {
	r.goesOn()
	r.bytes.Store(n)
	r.progress(r.phase.Load().(string), n)
}

func (r *receiving) listen() {
	defer close(r.done)
	for {
		kind, body, err := r.session.wire.Next()
		if err != nil {
			r.err, r.lost = err, true
			return
		}
		r.goesOn()
		switch kind {
		case wire.KindPhase:
			r.phase.Store(rollcall.Printable(string(body)))
			r.progress(r.phase.Load().(string), r.bytes.Load())
		case wire.KindMissing:
			paths, err := wire.ParseMissing(body)
			if err != nil {
				r.err, r.lost = err, true
				return
			}
			r.missing <- paths
		default:
			reply, err := r.session.reply(kind, body)
			if err != nil {
				r.err = err
				return
			}
			if reply.Received != nil {
				r.received = *reply.Received
			}
			return
		}
	}
}

// fill sends what the node's old release turned out to lack.
func (r *receiving) fill(ctx context.Context, d rollcall.Delivery, paths []string) error {
	content, _, err := d.Missing(ctx, paths)
	if err != nil {
		return err
	}
	defer content.Close()
	return r.session.wire.SendStream(&untilDone{r: content, done: r.done}, func(int64) { r.goesOn() })
}

// untilDone ends a stream early when the node has answered already: it refused.
type untilDone struct {
	r    io.Reader
	done <-chan struct{}
	err  error // of the stream itself
}

func (u *untilDone) Read(b []byte) (int, error) {
	select {
	case <-u.done:
		return 0, io.EOF
	default:
	}
	n, err := u.r.Read(b)
	if err != nil && err != io.EOF {
		u.err = err
	}
	return n, err
}

// Switch makes a release live.
func (s *session) Switch(ctx context.Context, from, to rollcall.ReleaseID, keep *rollcall.KeepOldFiles) (time.Duration, error) {
	q := s.request(wire.VerbSwitch)
	q.Release = to
	q.Switch = &wire.Switch{From: from, Keep: keep}
	reply, err := s.ask(ctx, replyLimit, q)
	if err != nil {
		return 0, err
	}
	return reply.Took, nil
}

// Run runs a command on the node.
func (s *session) Run(ctx context.Context, in rollcall.ReleaseID, c rollcall.Command, env map[string]string) (rollcall.Output, error) {
	q := s.request(wire.VerbRun)
	q.Release = in
	q.Run = &wire.Run{Command: c, Env: env}
	// The node ends the command; this end is for a node that does not.
	reply, err := s.ask(ctx, c.Timeout+replyLimit, q)
	if err != nil {
		return rollcall.Output{}, err
	}
	if reply.Output == nil {
		return rollcall.Output{}, fmt.Errorf("%s: a run without an output", s.node.Name)
	}
	reply.Output.Text = rollcall.PrintableLines(reply.Output.Text)
	return *reply.Output, nil
}

// Clean removes old releases.
func (s *session) Clean(ctx context.Context, keep int, always []rollcall.ReleaseID) error {
	q := s.request(wire.VerbClean)
	q.Clean = &wire.Clean{Keep: keep, Always: always}
	_, err := s.ask(ctx, 10*time.Minute, q)
	return err
}

// Adopt makes the node follow this record.
func (s *session) Adopt(ctx context.Context) error {
	_, err := s.ask(ctx, replyLimit, s.request(wire.VerbAdopt))
	return err
}
