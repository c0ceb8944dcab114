package haproxy

import (
	"errors"
	"regexp"

	"github.com/rollcall-dev/rollcall"
)

// safeName is what HAProxy itself allows in the names of backends and servers. Nothing
// else may come near a command line of the socket, where a line end or a semicolon
// begins the next command, a slash parts backend from server and # means an id.
var safeName = regexp.MustCompile(`\A[A-Za-z0-9_.:-]{1,255}\z`)

// serverID is a server of a backend at a socket.
type serverID struct{ socket, backend, server string }

// servers are all that stand for a node, in the order of the site.
func servers(p rollcall.DrainPoint) []serverID {
	var all []serverID
	for _, socket := range p.Drain.HAProxy {
		for _, backend := range p.Drain.Backend {
			all = append(all, serverID{socket, backend, p.Drain.Server})
		}
	}
	return all
}

// check refuses what can't be asked of HAProxy, before anything is.
func check(p rollcall.DrainPoint) error {
	if len(p.Drain.HAProxy) == 0 || len(p.Drain.Backend) == 0 {
		return at(p, rollcall.Errorf(rollcall.KindInvalid, "its drain names no socket or no backend of HAProxy").
			WithHint("write drain: {haproxy: /run/haproxy/admin.sock, backend: www}"))
	}
	for _, socket := range p.Drain.HAProxy {
		if _, err := ParseSocket(socket); err != nil {
			return at(p, err)
		}
	}
	for _, backend := range p.Drain.Backend {
		if !safeName.MatchString(backend) {
			return at(p, badName("backend", backend))
		}
	}
	if !safeName.MatchString(p.Drain.Server) {
		return at(p, badName("server", p.Drain.Server))
	}
	return nil
}

func badName(what, name string) error {
	return rollcall.Errorf(rollcall.KindInvalid, "%q can't be the name of a %s in HAProxy", rollcall.Printable(name), what).
		WithHint("such names are letters, digits and _ . : - : look at %s: in drain, and at the node's variables in it", what)
}

// at puts the node's name to an error.
func at(p rollcall.DrainPoint, err error) error {
	var known *rollcall.Error
	if !errors.As(err, &known) {
		return err
	}
	named := *known
	named.Node = p.Node
	return &named
}
