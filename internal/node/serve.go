// Package node is what happens on a node: it receives releases into a folder, makes
// one of them live, and runs commands there. cmd/rollcall-node is a shell around it.
//
// Beneath the folder:
//
//	current -> releases/3f9c…    switched by rename
//	releases/3f9c…/              a release, whole: it gets its name by a rename after the sync
//	shared/                      the node's own files
//	.rollcall/token              the highest token seen
//	.rollcall/lock               held while one thing is changed
//	.rollcall/manifests/3f9c…    what the release holds; its mtime tells when it was last live
//	.rollcall/kept/3f9c….json    what the release holds besides, and until when
//	.rollcall/incoming/…         a release on its way; locked while its process lives
//	.rollcall/spare/…            a release that was let go, to make the next one out of
//	.rollcall/adopted/3f9c…      the release was made of what stood there before us, and stays
//	.rollcall/takeover           there until that is done
//
// In place, all this lies in a state folder, and `current` says what the target folder
// holds. Besides:
//
//	.rollcall/applying           the switch that is under way in the target folder
//	.rollcall/standing           what stood there before us, and which of its folders we made
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// Server answers a controller.
type Server struct {
	Version string
	// Permits, where not nil, is asked before a command runs: a key that is pinned to
	// rollcall-node can run only what the node's operator listed.
	Permits func(rollcall.Command) error
	// State is where the state of environments in place lies. Empty: /var/lib/rollcall of
	// root, and ~/.local/state/rollcall of another user.
	State string
	// Abandoned, where not nil, is called when for so long nothing has come of a release on
	// its way that its controller must be gone, without a word: it ends this process. What
	// there is of the release would otherwise be kept until TCP finds out, after two hours.
	Abandoned func()

	conn   *wire.Conn
	stream *wire.Stream // that a receive reads
	inside atomic.Bool  // a receive
	sweeps sync.WaitGroup
}

// Serve answers requests until in ends.
//
// What is taken away is only renamed at once; its files go while nobody waits for them,
// and Serve returns when they are gone.
func (s *Server) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	defer s.sweeps.Wait()
	s.conn = wire.NewConn(&listening{in, s}, out)
	if err := s.conn.Greet(); err != nil {
		return err
	}
	for {
		kind, body, err := s.conn.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if kind != wire.KindRequest {
			return fmt.Errorf("a frame of kind %q where a request was due", kind)
		}
		if err := s.answer(ctx, body); err != nil {
			return err
		}
	}
}

func (s *Server) answer(ctx context.Context, body []byte) error {
	q, err := parseRequest(body)
	if err != nil {
		return err
	}
	if q.Verb == wire.VerbReceive {
		s.stream = s.conn.Stream()
		s.inside.Store(true)
		defer s.inside.Store(false)
	}
	var reply wire.Reply
	f, err := s.open(q)
	if err == nil {
		err = s.do(ctx, f, q, &reply)
		f.close()
	}
	if q.Verb == wire.VerbReceive {
		// Refused early or done: what was announced is read to its end, so that the
		// next frame is a request's.
		if err := s.stream.Drain(); err != nil {
			return err
		}
	}
	if err != nil {
		reply = wire.Reply{Error: wire.FromError(explain(err))}
	}
	return s.conn.Send(wire.KindReply, reply)
}

// abandonedAfter is longer than a controller waits for a node that takes nothing.
const abandonedAfter = 10 * time.Minute

// listening is what a controller sends.
type listening struct {
	io.Reader
	s *Server
}

func (l *listening) Read(b []byte) (int, error) {
	if l.s.Abandoned != nil && l.s.inside.Load() {
		defer time.AfterFunc(abandonedAfter, l.s.Abandoned).Stop()
	}
	return l.Reader.Read(b)
}

func (s *Server) do(ctx context.Context, f *folder, q *wire.Request, reply *wire.Reply) error {
	switch q.Verb {
	case wire.VerbHello, wire.VerbFence:
		if q.Verb == wire.VerbFence {
			if err := f.fence(q.Token); err != nil {
				return err
			}
		}
		state, err := f.state()
		if err != nil {
			return err
		}
		state.Version, state.Arch = s.Version, runtime.GOOS+"/"+runtime.GOARCH
		reply.State = &state
		return nil
	case wire.VerbManifest:
		return s.sendManifest(f, q.Release)
	case wire.VerbReceive:
		received, err := s.receive(f, q)
		reply.Received = &received
		return err
	case wire.VerbSwitch:
		begun := time.Now()
		err := f.switchTo(q.Token, q.Switch.From, q.Release, q.Switch.Keep)
		reply.Took = time.Since(begun)
		return err
	case wire.VerbRun:
		output, err := s.run(ctx, f, q)
		reply.Output = &output
		return err
	case wire.VerbClean:
		defer s.sweep(f.dir)
		return f.clean(q.Token, q.Clean.Keep, q.Clean.Always)
	case wire.VerbAudit:
		audit, err := s.audit(ctx, f, q)
		reply.Audited = wire.FromAudit(&audit)
		return err
	case wire.VerbTakeOver:
		var err error
		reply.Release, err = s.takeOver(ctx, f, q)
		return err
	case wire.VerbAdopt:
		return f.adopt(q.Token)
	}
	return rollcall.Errorf(rollcall.KindInvalid, "unknown verb %q", q.Verb).
		WithHint("the controller is newer than this rollcall-node; update it")
}

func (s *Server) sendManifest(f *folder, id rollcall.ReleaseID) error {
	m, err := os.Open(f.path(manifests, string(id)))
	if err != nil {
		return err
	}
	defer m.Close()
	return s.conn.SendStream(m, func(int64) {})
}
