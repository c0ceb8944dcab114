package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// Audit compares the live release with its manifest. How long that takes is the disk's
// affair; that the node goes on is told by its progress.
func (s *session) Audit(ctx context.Context, request rollcall.AuditRequest, progress func(done, total int64)) (rollcall.Audit, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer s.closeWhen(ctx)()
	silent := time.AfterFunc(replyLimit, func() {
		cancel(&rollcall.Error{
			Kind: rollcall.KindUnreachable, Node: s.node.Name, Op: "lost the node", Err: errors.New("it does not answer"),
			Hint: "look whether it is up: ssh " + s.node.Address,
		})
	})
	defer silent.Stop()
	q := s.request(wire.VerbAudit)
	q.Audit = &wire.Audit{Link: request.Link, Permissions: request.Permissions}
	if err := s.wire.Send(wire.KindRequest, q); err != nil {
		return rollcall.Audit{}, s.lost(ctx, err)
	}
	for {
		kind, body, err := s.wire.Next()
		if err != nil {
			return rollcall.Audit{}, s.lost(ctx, err)
		}
		silent.Reset(replyLimit)
		if kind == wire.KindDone {
			done, err := wire.ParseDone(body)
			if err != nil {
				return rollcall.Audit{}, s.misspoke("talk to rollcall-node", err)
			}
			progress(done.Done, done.Total)
			continue
		}
		reply, err := s.reply(kind, body)
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
}

// misspoke is the error for a node that said what makes no sense.
func (s *session) misspoke(op string, err error) error {
	return &rollcall.Error{Kind: rollcall.KindBroken, Node: s.node.Name, Op: op, Err: err}
}
