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
		return hosts.DialSocket(ctx, a.host(s.Host, s.User), s.Path)
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

// host is how a host is reached that is no node of the environment: as the nodes files
// say, where one of them has it.
func (a *App) host(name, user string) rollcall.Node {
	host := rollcall.Node{Name: name, Address: name}
	for _, env := range a.site.Environments {
		for _, n := range env.Nodes() {
			if n.Name == name {
				host.Address, host.Port, host.User = n.Address, n.Port, n.User
			}
		}
	}
	if user != "" {
		host.User = user
	}
	return host
}
