package node

import (
	"context"
	"os"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/proc"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// run runs a command in a release, the live one where none is named.
func (s *Server) run(ctx context.Context, f *folder, q *wire.Request) (rollcall.Output, error) {
	if s.Permits != nil {
		if err := s.Permits(q.Run.Command); err != nil {
			return rollcall.Output{}, err
		}
	}
	// A superseded controller must not reload anything either. Where nothing of Rollcall's
	// is yet, there is none that could be superseded.
	if f.root != nil {
		if _, err := f.root.Lstat(private); err == nil {
			unlock, err := f.guard(q.Token)
			if err != nil {
				return rollcall.Output{}, err
			}
			unlock()
		}
	}
	dir := f.path(current)
	if f.target != nil {
		dir = f.target.dir
	}
	if q.Release != "" {
		dir = f.path(releases, string(q.Release))
	}
	if _, err := os.Stat(dir); err != nil {
		dir = "/"
	}
	return proc.Run(ctx, dir, q.Run.Command, q.Run.Env)
}
