package rollcall

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Notice is what a channel is told.
type Notice struct {
	// Key names the notice: whoever gets two with one key has got one.
	Key         string      `json:"key"`
	What        string      `json:"what"` // started, done, behind, rolledback, stopped, paused, unprepared
	Environment string      `json:"environment"`
	Roll        int         `json:"roll"`
	Kind        PlanKind    `json:"kind"`
	By          string      `json:"by"`
	From        ReleaseID   `json:"from,omitempty"`
	To          ReleaseID   `json:"to"`
	Revision    Revision    `json:"revision"`
	Changesets  []Changeset `json:"changesets"` // that come live
	Leaving     []Changeset `json:"leaving"`    // that stop being live
	Nodes       NodeCounts  `json:"nodes"`
	Seconds     float64     `json:"seconds,omitempty"`
	Why         string      `json:"why,omitempty"`
	Partial     string      `json:"partial,omitempty"`
	Accepted    []string    `json:"accepted,omitempty"` // risks that whoever rolls takes
	At          time.Time   `json:"at"`
}

// Announcer tells one channel. Every implementation passes the suite in
// internal/announce/announcetest.
type Announcer interface {
	// Announce tells a notice, and returns when the other side has taken it. One that
	// was told before under the same key is not told again where the channel can know.
	Announce(ctx context.Context, n Notice) error
	Close() error
}

// maxNoticed is how many changesets a notice names before it only counts the rest.
const maxNoticed = 12

// Text is the notice as people read it in a chat: plain text, a line a changeset.
// What came from commits is made printable.
func (n Notice) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%d %s by %s: %s → %s", n.Environment, n.Roll, n.words(), n.By, shortOr(n.From, "nothing"), n.To.Short())
	if n.Partial != "" && n.Partial != string(n.Kind) {
		fmt.Fprintf(&b, " (%s only)", n.Partial)
	}
	if n.Seconds > 0 {
		fmt.Fprintf(&b, ", %s", time.Duration(n.Seconds*float64(time.Second)).Round(100*time.Millisecond))
	}
	if total := n.Nodes.OK + n.Nodes.Failed + n.Nodes.Broken + n.Nodes.Unreachable + n.Nodes.Skipped; total > 0 {
		fmt.Fprintf(&b, ", %d of %d nodes", n.Nodes.OK, total)
	}
	if len(n.Accepted) > 0 {
		b.WriteString("\naccepted: " + Printable(strings.Join(n.Accepted, ", ")))
	}
	if n.Why != "" {
		b.WriteString("\nwhy: " + Printable(n.Why))
	}
	noticed(&b, "+", n.Changesets)
	noticed(&b, "-", n.Leaving)
	return b.String()
}

func (n Notice) words() string {
	verb := string(n.Kind)
	switch n.What {
	case "behind":
		return verb + " done, with nodes left behind,"
	case "rolledback":
		return verb + " failed and was rolled back,"
	case "unprepared":
		return verb + " ended before anything was switched,"
	default:
		return verb + " " + n.What
	}
}

func shortOr(id ReleaseID, none string) string {
	if id == "" {
		return none
	}
	return id.Short()
}

func noticed(b *strings.Builder, sign string, list []Changeset) {
	for i, c := range list {
		if i == maxNoticed && len(list) > maxNoticed+1 {
			fmt.Fprintf(b, "\n%s and %d more", sign, len(list)-maxNoticed)
			return
		}
		fmt.Fprintf(b, "\n%s %s %s: %s", sign, c.Short(), Printable(c.Writers()), Printable(c.Subject))
		for _, ticket := range c.Tickets {
			if strings.Trim(ticket, "0123456789") == "" {
				ticket = "#" + ticket
			}
			if !strings.Contains(c.Subject, ticket) {
				b.WriteString(" " + Printable(ticket))
			}
		}
	}
}
