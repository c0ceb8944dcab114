package app

import (
	"context"
	"net"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/balancer/command"
	"github.com/rollcall-dev/rollcall/internal/balancer/flagfile"
	"github.com/rollcall-dev/rollcall/internal/balancer/haproxy"
	"github.com/rollcall-dev/rollcall/internal/fleet/ssh"
)

// balancer tells which driver takes nodes out of service. A socket on another host is
// reached as a node would be.
func (a *App) balancer(hosts *ssh.Transport) func(rollcall.Drain) rollcall.Balancer {
	dial := func(ctx context.Context, text string) (net.Conn, error) {
		s, err := haproxy.ParseSocket(text)
		if err != nil {
			return nil, err
		}
		if s.Host == "" {
			return haproxy.Dial(ctx, text)
		}
		host := s.Host
		if s.User != "" {
			host = s.User + "@" + host
		}
		return hosts.DialSocket(ctx, host, s.Path)
	}
	proxy, flag, commands := haproxy.New(dial), flagfile.New(), command.New(a.site.Dir)
	return func(d rollcall.Drain) rollcall.Balancer {
		switch {
		case len(d.HAProxy) > 0:
			return proxy
		case d.Flag != "":
			return flag
		default:
			return commands
		}
	}
}
