package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-dev/rollcall"
)

const (
	exchangeLimit = 5 * time.Second  // for a line of commands and its reply
	connectLimit  = 40 * time.Second // for a dial over ssh, which has shorter ones of its own
	replyLimit    = 64 << 20
)

// exchange sends one line and reads the reply. HAProxy answers a line and closes.
func (b *Balancer) exchange(ctx context.Context, socket, line string) (string, error) {
	dialCtx, cancelDial := context.WithTimeout(ctx, connectLimit)
	defer cancelDial()
	conn, err := b.dial(dialCtx, socket)
	if err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", unreachable(socket, err)
	}
	defer conn.Close()
	limited, cancel := context.WithTimeout(ctx, b.limit)
	defer cancel()
	// Closed and not given a deadline: a channel over ssh knows none.
	defer context.AfterFunc(limited, func() { conn.Close() })()

	// A failed write is told by the reply where HAProxy still gave one.
	_, writeErr := io.WriteString(conn, line+"\n")
	reply, err := io.ReadAll(io.LimitReader(conn, replyLimit+1))
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case limited.Err() != nil:
		return "", b.late(socket, string(reply))
	case len(reply) > replyLimit:
		return "", rollcall.Errorf(rollcall.KindUnreachable, "haproxy at %s sent more than %d MiB", socket, replyLimit>>20)
	case err == nil && len(reply) == 0:
		err = errors.Join(writeErr, io.ErrUnexpectedEOF) // it also ends what it answers with nothing by a line end
	}
	if err != nil {
		return "", unreachable(socket, err)
	}
	return string(reply), nil
}

// setServer changes a server. HAProxy answers that with an empty line, or says what is wrong.
func (b *Balancer) setServer(ctx context.Context, id serverID, state string) error {
	reply, err := b.exchange(ctx, id.socket, fmt.Sprintf("set server %s/%s state %s", id.backend, id.server, state))
	if err != nil {
		return err
	}
	switch said := excerpt(reply); said {
	case "":
		return nil
	case "Permission denied":
		return denied(id.socket)
	default:
		// It was there a moment ago: HAProxy was reloaded with another configuration.
		kind := rollcall.KindUnreachable
		if strings.HasPrefix(said, "No such ") {
			kind = rollcall.KindInvalid
		}
		return rollcall.Errorf(kind, "haproxy at %s does not set %s/%s to %s: %s", id.socket, id.backend, id.server, state, said).
			WithHint("look whether its configuration was changed just now")
	}
}

func denied(socket string) error {
	return rollcall.Errorf(rollcall.KindRefused, "haproxy at %s lets nobody change servers: permission denied", socket).
		WithHint("let HAProxy's configuration say `stats socket … level admin` for that socket, and reload it")
}

func (b *Balancer) late(socket, said string) error {
	e := rollcall.Errorf(rollcall.KindUnreachable, "haproxy at %s gave no whole answer within %v", socket, b.limit)
	if said != "" {
		// The master's socket keeps the connection open.
		return e.WithHint("name the socket of `stats socket` in HAProxy's configuration, and not the master's (haproxy -S)")
	}
	return e.WithHint("look whether HAProxy hangs there, and whether that is its stats socket")
}

func unreachable(socket string, err error) error {
	var known *rollcall.Error
	if errors.As(err, &known) {
		return err // the dial over ssh tells all itself
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // it names the socket once more
	}
	e := rollcall.Errorf(rollcall.KindUnreachable, "can't talk to haproxy at %s: %w", socket, err)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return e.WithHint("look whether HAProxy runs there, and what path `stats socket` has in its configuration")
	case errors.Is(err, os.ErrPermission):
		return e.WithHint("let `stats socket` have a mode and a group that let your user in: … user root group haproxy mode 660 level admin")
	case errors.Is(err, syscall.ECONNREFUSED):
		return e.WithHint("HAProxy does not listen there: look whether it runs: systemctl status haproxy")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return e.WithHint("HAProxy ended the connection: look whether it was restarted just now, and try again")
	default:
		return e.WithHint("look whether HAProxy runs there, and at the network between here and there")
	}
}

// excerpt is the first line of what HAProxy said.
func excerpt(reply string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(reply), "\n")
	if runes := []rune(line); len(runes) > 160 {
		line = string(runes[:160]) + "…"
	}
	return strings.TrimSuffix(rollcall.Printable(line), ".")
}
