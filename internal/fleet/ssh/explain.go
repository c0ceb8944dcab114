package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/rollcall-dev/rollcall"
)

// explain makes of a failed connection an error that tells what to do.
func explain(node rollcall.Node, s *settings, err error) error {
	var known *rollcall.Error
	if errors.As(err, &known) {
		return nodeError(node, err)
	}
	e := &rollcall.Error{Kind: rollcall.KindUnreachable, Node: node.Name, Op: "connect to " + s.user + "@" + s.hostPort(), Err: err}
	var key *hostKeyError
	var lookup *net.DNSError
	switch {
	case errors.As(err, &key):
		e.Err, e.Hint = key, key.hint(s)
	case errors.As(err, &lookup):
		e.Err = fmt.Errorf("the name %s does not resolve", lookup.Name)
		e.Hint = "look for a slip in the nodes file, or give it an ansible_host=ADDRESS"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Err = errors.New("connection refused")
		e.Hint = fmt.Sprintf("look whether sshd runs there and listens on port %d", s.port)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		e.Hint = "look at the network between here and there"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		e.Err = fmt.Errorf("no answer within %v", connectLimit)
		e.Hint = "look whether it is up and lets ssh in; to go on without it, give limits: {unreachable: 1} or hold it"
	case strings.Contains(err.Error(), "unable to authenticate"):
		e.Err = fmt.Errorf("it does not let %s in with any of the keys offered (%s)", s.user, strings.Join(s.keyFiles, ", "))
		e.Hint = fmt.Sprintf("add the public key to ~%s/.ssh/authorized_keys there, or correct the user in the nodes file", s.user)
	case errors.Is(err, context.Canceled):
		return err
	}
	return e
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// startError is for what goes wrong once logged in.
func startError(node rollcall.Node, err error) error {
	var known *rollcall.Error
	if errors.As(err, &known) {
		return nodeError(node, err)
	}
	kind := rollcall.KindBroken
	if errors.Is(err, context.DeadlineExceeded) || connectionEnded(err) {
		kind = rollcall.KindUnreachable
	}
	return &rollcall.Error{
		Kind: kind, Node: node.Name, Op: "", Err: err,
		Hint: "look whether a command works there: ssh " + node.Address + " uname",
	}
}

// nodeError puts the node's name to an error that already tells the rest.
func nodeError(node rollcall.Node, err error) error {
	var known *rollcall.Error
	if !errors.As(err, &known) {
		return &rollcall.Error{Kind: rollcall.KindUnreachable, Node: node.Name, Err: err}
	}
	named := *known
	named.Node = node.Name
	return &named
}

// connectionEnded tells an end of the connection from the end of a command on it, which
// sshd tells the code of.
func connectionEnded(err error) bool {
	var missing *ssh.ExitMissingError
	return errors.As(err, &missing) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
