package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// askPatiently sends a request that takes as long as the node's disk wants. That the node
// goes on is told by its progress.
func (s *session) askPatiently(ctx context.Context, q wire.Request, progress func(done, total int64)) (*wire.Reply, error) {
	ctx, heard, done := s.patiently(ctx, replyLimit)
	defer done()
	defer s.closeWhen(ctx)()
	if err := s.wire.Send(wire.KindRequest, q); err != nil {
		return nil, s.lost(ctx, err)
	}
	for {
		kind, body, err := s.wire.Next()
		if err != nil {
			return nil, s.lost(ctx, err)
		}
		heard()
		if kind != wire.KindDone {
			return s.reply(kind, body)
		}
		done, err := wire.ParseDone(body)
		if err != nil {
			return nil, s.misspoke("talk to rollcall-node", err)
		}
		progress(done.Done, done.Total)
	}
}

// patiently ends a context when for so long nobody has said that the node goes on.
func (s *session) patiently(ctx context.Context, limit time.Duration) (patient context.Context, goesOn, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	silent := time.AfterFunc(limit, func() {
		cancel(&rollcall.Error{
			Kind: rollcall.KindUnreachable, Node: s.node.Name, Op: "lost the node", Err: errors.New("it does not answer"),
			Hint: "look whether it is up: ssh " + s.node.Address,
		})
	})
	goesOn = func() { silent.Reset(limit) }
	return ctx, goesOn, func() {
		silent.Stop()
		cancel(nil)
	}
}

// Audit compares the live release with its manifest.
func (s *session) Audit(ctx context.Context, request rollcall.AuditRequest, progress func(done, total int64)) (rollcall.Audit, error) {
	q := s.request(wire.VerbAudit)
	q.Audit = &wire.Audit{Link: request.Link, Permissions: request.Permissions}
	reply, err := s.askPatiently(ctx, q, progress)
	if err != nil {
		return rollcall.Audit{}, err
	}
	if reply.Audited == nil {
		return rollcall.Audit{}, s.misspoke("read its audit", errors.New("an audit without a result"))
	}
	audit := reply.Audited.Audit()
	if audit.Release != "" && !audit.Release.Valid() {
		return rollcall.Audit{}, s.misspoke("read its audit", errors.New("what it names is no release"))
	}
	return audit, nil
}

// TakeOver makes a release of what is not Rollcall's yet.
func (s *session) TakeOver(ctx context.Context) (rollcall.ReleaseID, error) {
	reply, err := s.askPatiently(ctx, s.request(wire.VerbTakeOver), func(int64, int64) {})
	if err != nil {
		return "", err
	}
	if reply.Release != "" && !reply.Release.Valid() {
		return "", s.misspoke("read what it took over", errors.New("what it names is no release"))
	}
	return reply.Release, nil
}

// misspoke is the error for a node that said what makes no sense.
func (s *session) misspoke(op string, err error) error {
	return &rollcall.Error{Kind: rollcall.KindBroken, Node: s.node.Name, Op: op, Err: err}
}
