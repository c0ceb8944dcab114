package haproxy

import (
	"fmt"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// The bits of srv_admin_state. 0x04 only remembers that the configuration said
// `disabled`, and stays when the server is ready; 0x20 and 0x40 are of a name that does
// not resolve, which nobody decided: such a server is down, not out.
const (
	adminMaint          = 0x01
	adminInheritedMaint = 0x02
	adminDrain          = 0x08
	adminInheritedDrain = 0x10
)

// The values of srv_op_state that get requests. A server without health check is running.
const (
	opStarting = 1 // slowstart
	opRunning  = 2
)

// server is what HAProxy says of one.
type server struct {
	op, admin, weight int
	sessions          int
	counted           bool // false: the statistics do not know it
}

// forced tells whether somebody took this very server out.
func (s server) forced() bool { return s.admin&(adminMaint|adminDrain) != 0 }

// inherited tells whether it is out with the server that it tracks.
func (s server) inherited() bool { return s.admin&(adminInheritedMaint|adminInheritedDrain) != 0 }

func (s server) out() bool { return s.forced() || s.inherited() || s.weight == 0 }

func (s server) up() bool { return s.op == opStarting || s.op == opRunning }

// snapshot is what was read, by socket.
type snapshot map[string]backends

func (s snapshot) server(id serverID) server { return s[id.socket][id.backend][id.server] }

// state is a node's: out if it is out anywhere, up if it is up everywhere.
func (s snapshot) state(p rollcall.DrainPoint) rollcall.ServiceState {
	state := rollcall.ServiceState{Up: true}
	counted := true
	for _, id := range servers(p) {
		one := s.server(id)
		state.Out = state.Out || one.out()
		state.Up = state.Up && one.up()
		state.Sessions += one.sessions
		counted = counted && one.counted
	}
	if !counted {
		state.Sessions = -1
	}
	return state
}

// unknown is the error for backends and servers that HAProxy does not have: of all
// nodes at once, for one socket and backend.
func (s snapshot) unknown(points []rollcall.DrainPoint) error {
	var in serverID // the first, whose socket and backend the message is about
	var node string
	var missing []string
	for _, p := range points {
		for _, id := range servers(p) {
			known, ok := s[id.socket][id.backend]
			if !ok {
				return at(p, rollcall.Errorf(rollcall.KindInvalid, "haproxy at %s has no backend %q", id.socket, id.backend).
					WithHint("%s", hintOf("backend", id.backend, s[id.socket])))
			}
			if _, ok := known[id.server]; ok {
				continue
			}
			if missing == nil {
				in, node = id, p.Node
			}
			if id.socket == in.socket && id.backend == in.backend {
				missing = append(missing, fmt.Sprintf("%q", id.server))
			}
		}
	}
	if missing == nil {
		return nil
	}
	what := "server "
	if len(missing) > 1 {
		what, node = "servers ", ""
	}
	e := rollcall.Errorf(rollcall.KindInvalid, "backend %s of haproxy at %s has no %s", in.backend, in.socket, what+strings.Join(missing, ", ")).
		WithHint("%s", hintOf("server", in.server, s[in.socket][in.backend]))
	e.Node = node
	return e
}

// stillOut tells of servers that `state ready` did not put back.
func (s snapshot) stillOut(p rollcall.DrainPoint) error {
	for _, id := range servers(p) {
		one := s.server(id)
		if !one.out() {
			continue
		}
		e := rollcall.Errorf(rollcall.KindRefused, "%s/%s of haproxy at %s is still out of service", id.backend, id.server, id.socket)
		switch {
		case one.inherited():
			return e.WithHint("it tracks another server, which is out: put that back first, or let drain name its backend too")
		case one.forced():
			return e.WithHint("somebody takes it out again: look at HAProxy's log, and for an agent check that says so")
		default:
			return e.WithHint("its weight is 0, which somebody or the configuration gave it: set weight %s/%s 100%%", id.backend, id.server)
		}
	}
	return nil
}
