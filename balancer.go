package rollcall

import (
	"context"
	"time"
)

// Drain says how a node is taken out of service and put back. Exactly one of HAProxy,
// Flag and Out is set; in a plan every variable is expanded.
type Drain struct {
	// HAProxy are runtime sockets: a path here, host:port, or [user@]host:/path, which is
	// reached over ssh.
	HAProxy []string `json:"haproxy,omitempty"`
	Backend []string `json:"backend,omitempty"`
	Server  string   `json:"server,omitempty"` // the node's name there

	Flag string `json:"flag,omitempty"` // a file on the node: while it is there, the health check fails

	Out   *Command `json:"out,omitempty"`
	In    *Command `json:"in,omitempty"`
	State *Command `json:"state,omitempty"` // exit 0: in service; nil: as the record says
	// OnNode tells that the commands run on the node and not on the controller.
	OnNode bool `json:"on_node,omitempty"`

	Wait time.Duration `json:"wait"` // for sessions to end, and for the node to come up again
}

func (d Drain) String() string {
	switch {
	case len(d.HAProxy) > 0:
		return "haproxy"
	case d.Flag != "":
		return "flag " + d.Flag
	default:
		return d.Out.String()
	}
}

// DrainPoint is a node as a balancer knows it.
type DrainPoint struct {
	Node    string
	Drain   Drain
	Session Session // for what is done on the node; nil where it can't be reached
}

// ServiceState is how a balancer sees a node.
type ServiceState struct {
	Out      bool // somebody took it out: drained, or in maintenance
	Up       bool // its health check passes, where the balancer has one
	Sessions int  // under way; -1 where the balancer can't tell
}

// InService tells whether the node is given new requests.
func (s ServiceState) InService() bool { return !s.Out && s.Up }

// Balancer takes nodes out of service and puts them back. It can't be fenced as nodes
// are: whoever takes over a roll looks again at what was done there. Every
// implementation passes the suite in internal/balancer/balancertest.
type Balancer interface {
	// Look tells how nodes stand, in their order. KindInvalid where a node is unknown to
	// the balancer, KindUnreachable where the balancer can't be talked to.
	Look(ctx context.Context, points []DrainPoint) ([]ServiceState, error)
	// Drain keeps new requests away from a node and returns at once; what is under way
	// there goes on. A drained node is left as it is.
	Drain(ctx context.Context, point DrainPoint) error
	// Restore lets requests in again. A node in service is left as it is.
	Restore(ctx context.Context, point DrainPoint) error
}

// Claim is a reason for which a node is out of service. A node has as many as people
// and rolls want it out, and comes back when the last is gone.
type Claim struct {
	Node string `json:"node"`
	// Name tells claims apart: roll:production, behind:production, review:production, person:production.
	Name string `json:"name"`
	By   string `json:"by"`
	Why  string `json:"why,omitempty"`
	// Drain is how it was taken out for this claim: environments may have balancers of their own.
	Drain *Drain `json:"drain,omitempty"`
	// Found tells that the node was out there already when nobody here had a claim: somebody
	// did it at the balancer, and it stays out when the claims are gone.
	Found bool      `json:"found,omitempty"`
	At    time.Time `json:"at,omitzero"`
}

// The types of events about claims, in the stream of the node.
const (
	EventClaimed  = "drain.claimed"
	EventReleased = "drain.released"
)
