// Package gate finds out whether what must hold on a node holds: an answer over HTTP,
// an open TCP port, a command on the controller.
package gate

import (
	"context"
	"net"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/proc"
)

const (
	tryLimit  = 5 * time.Second // of one request
	bodyLimit = 1 << 20
)

// Gate tries probes.
type Gate struct {
	Dir string // where commands run
}

// Check tries a probe once, after a switch to a release. It gives what is to be told
// although the probe passes. Commands that run on the node are not for it.
func (g *Gate) Check(ctx context.Context, p rollcall.Probe, release rollcall.ReleaseID, env map[string]string) (said string, err error) {
	if command := p.Command(); command != nil {
		out, err := proc.Run(ctx, g.Dir, *command, env)
		if err != nil {
			return "", err
		}
		return p.Judge(out)
	}
	if p.Proves > 0 {
		return "", prove(ctx, p, release)
	}
	return "", checkNetwork(ctx, p)
}

func checkNetwork(ctx context.Context, p rollcall.Probe) error {
	limit := tryLimit
	if p.Faster > 0 {
		limit = min(limit, p.Faster)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if p.TCP != "" {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", p.TCP)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	return checkHTTP(ctx, p)
}
