package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"

	"github.com/rollcall-dev/rollcall"
)

// DialSocket connects to a unix socket on a host, which it reaches as it would reach a
// node: for the runtime socket of a balancer there.
func (t *Transport) DialSocket(ctx context.Context, host rollcall.Node, socket string) (net.Conn, error) {
	for try := 0; ; try++ {
		client, err := t.hostClient(ctx, host)
		if err != nil {
			return nil, err
		}
		conn, err := client.DialContext(ctx, "unix", socket)
		if err == nil {
			return &pollable{Conn: conn}, nil
		}
		// The host's word is final; a connection that has died since is made anew, once.
		var refused *ssh.OpenChannelError
		if errors.As(err, &refused) || try > 0 || ctx.Err() != nil {
			return nil, fmt.Errorf("open %s on %s: %w", socket, host.Name, err)
		}
		t.hosts.drop(host.User+"@"+host.HostPort(), client)
	}
}

// hostClient gives the one connection to a host that all of its sockets share.
func (t *Transport) hostClient(ctx context.Context, node rollcall.Node) (*ssh.Client, error) {
	return t.hosts.get(node.User+"@"+node.HostPort(), func() (*ssh.Client, error) {
		settings, err := t.settings(ctx, node)
		if err != nil {
			return nil, nodeError(node, err)
		}
		client, err := t.dial(context.WithoutCancel(ctx), settings)
		if err != nil {
			return nil, explain(node, settings, err)
		}
		return client, nil
	})
}
