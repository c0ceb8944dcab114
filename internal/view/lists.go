package view

import (
	"fmt"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// Log shows rolls, the newest first, each with what it brought.
func (p *Printer) Log(entries []rollcall.LogEntry) error {
	for i, e := range entries {
		if p.JSON {
			if err := p.Object(e); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			p.Line("")
		}
		p.Line("%s", cut(fmt.Sprintf("%s  %s  %s  by %s, %s → %s%s", p.style.bold(fmt.Sprintf("%s/%d", e.Environment, e.Roll)), when(e.At),
			p.outcomeOf(e), e.By, releaseName(e.From), e.To.Short(), sent(e)), p.Columns))
		if e.Partial != "" {
			p.Line("  only %s", e.Partial)
		}
		if len(e.Accepted) > 0 {
			p.Line("  %s", p.style.yellow("accepted: ")+rollcall.Printable(strings.Join(e.Accepted, ", ")))
		}
		if e.Why != "" && e.Outcome != rollcall.OutcomeDone {
			p.Line("  %s", cut(p.style.red("why: ")+rollcall.Printable(e.Why), p.Columns-2))
		}
		t := table{indent: "  ", columns: p.Columns}
		p.logged(&t, p.style.green("+"), e.Changesets)
		p.logged(&t, p.style.red("-"), e.Leaving)
		t.print(p.Out)
	}
	if len(entries) == 0 {
		p.Note("no such rolls")
	}
	return nil
}

// logged lists changesets, and counts those that are too many to read.
func (p *Printer) logged(t *table, sign string, list []rollcall.Changeset) {
	for i, c := range list {
		if i == maxShown && len(list) > maxShown+1 {
			t.add(sign, p.style.dim(fmt.Sprintf("and %d more; --json has them all", len(list)-maxShown)))
			return
		}
		t.add(sign, c.Short(), c.Writers(), ticketsOf(c), c.Subject)
	}
}

func sent(e rollcall.LogEntry) string {
	if e.Outcome == "" || e.Outcome == "interrupted" {
		return ""
	}
	return fmt.Sprintf(", %s, %s", secondsOf(e.Seconds), sizeOf(e.BytesSent))
}

func (p *Printer) outcomeOf(e rollcall.LogEntry) string {
	kind := "roll "
	if e.Kind != rollcall.KindRoll {
		kind = string(e.Kind) + " "
	}
	switch e.Outcome {
	case rollcall.OutcomeDone:
		return p.style.green(kind + "done")
	case rollcall.OutcomeBehind:
		return p.style.yellow(kind + "done, nodes left behind")
	case rollcall.OutcomeRolledBack:
		return p.style.red("failed, rolled back")
	case rollcall.OutcomeRefused:
		return p.style.red("nodes not prepared, nothing switched")
	case "":
		return p.style.bold(kind + "under way")
	default:
		return p.style.red(kind + string(e.Outcome))
	}
}

// Nodes shows nodes.
func (p *Printer) Nodes(nodes []rollcall.NodeStatus) {
	t := table{columns: p.Columns}
	t.add(p.style.dim("environment"), p.style.dim("tier"), p.style.dim("node"), p.style.dim("release"), p.style.dim("state"))
	for _, n := range nodes {
		t.add(n.Environment, n.Tier, n.Name, releaseName(n.Release), p.nodeState(n))
	}
	t.print(p.Out)
	for _, n := range nodes {
		if n.Problem != "" {
			p.Note("%s %s", p.errStyle().red("✗"), rollcall.PrintableLines(n.Problem))
			if n.Hint != "" {
				p.Note("  %s %s", p.errStyle().dim("hint:"), rollcall.PrintableLines(n.Hint))
			}
		}
	}
}

func (p *Printer) nodeState(n rollcall.NodeStatus) string {
	var parts []string
	if n.Problem != "" {
		parts = append(parts, p.style.red("not reached"))
	}
	if n.TakenOver {
		parts = append(parts, p.style.green("taken over"))
	}
	if !n.InService {
		parts = append(parts, p.style.yellow("out of service"+whyOut(n.Out)))
	}
	if n.Behind {
		parts = append(parts, p.style.yellow("behind"))
	}
	if n.Hold != nil {
		parts = append(parts, p.style.yellow("on hold by "+n.Hold.By+": "+n.Hold.Why))
	}
	if len(parts) == 0 {
		return p.style.green("ok")
	}
	return strings.Join(parts, ", ")
}

func whyOut(claims []rollcall.Claim) string {
	var words []string
	for _, c := range claims {
		word := c.By
		if c.Why != "" {
			word += ": " + rollcall.Printable(c.Why)
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return ""
	}
	return " by " + strings.Join(words, "; ")
}

// Status shows where environments stand.
func (p *Printer) Status(all []rollcall.EnvironmentStatus) error {
	for _, s := range all {
		if p.JSON {
			if err := p.Object(s); err != nil {
				return err
			}
			continue
		}
		live := "nothing is live"
		if s.Release != "" {
			live = fmt.Sprintf("%s (%s) since %s by %s, roll %d", s.Release.Short(), rollcall.ShortRevision(s.Revision), when(s.Since), s.By, s.Roll)
		}
		p.Line("%s", cut(fmt.Sprintf("%s  %s, %s", p.style.bold(s.Environment), live, rollcall.Plural(s.Nodes, "node", "nodes")), p.Columns))
		if s.Rolling != nil {
			p.Line("  rolling: %s/%d by %s on %s", s.Environment, *s.Rolling, s.Lease.By, s.Lease.Host)
		}
		if s.Interrupted != nil {
			what := "interrupted"
			if s.Why != "" {
				what = "waiting"
			}
			p.Line("  %s", p.style.red(fmt.Sprintf("%s: %s/%d; rollcall resume %[2]s goes on, rollcall abort %[2]s goes back", what, s.Environment, *s.Interrupted)))
			if s.Why != "" {
				p.Line("  %s", cut("since: "+rollcall.Printable(s.Why), p.Columns-2))
			}
		}
		if s.Hold != nil {
			p.Line("  %s", cut(p.style.yellow(fmt.Sprintf("on hold since %s by %s: %s", when(s.Hold.At), s.Hold.By, s.Hold.Why)), p.Columns-2))
		}
		if len(s.Behind) > 0 {
			p.Line("  %s", cut(p.style.yellow("behind: "+strings.Join(s.Behind, " ")), p.Columns-2))
		}
	}
	return nil
}

// Where shows on which desks a changeset lies, and where it is live.
func (p *Printer) Where(found *rollcall.Whereabouts) error {
	for _, d := range found.Desks {
		if p.JSON {
			if err := p.Object(d); err != nil {
				return err
			}
			continue
		}
		c, state := d.Changeset, "not committed"
		if !d.Merged {
			state = "not merged yet"
		}
		if d.Kind == rollcall.StepBackOut {
			state = "backed out there, " + state
		}
		p.Line("%s", cut(fmt.Sprintf("%s  %s %s, %s", p.style.bold("desk "+d.Desk+" of "+d.Code), c.Short(), c.Author, c.Subject), p.Columns))
		p.Line("  %s", cut(fmt.Sprintf("%s's since %s, for %s: %s", d.By, when(d.Since), d.Target, p.style.yellow(state)), p.Columns-2))
	}
	for _, w := range found.Places {
		if p.JSON {
			if err := p.Object(w); err != nil {
				return err
			}
			continue
		}
		c := w.Changeset
		state := p.style.yellow("not live")
		if w.Live {
			live := "live"
			if w.Candidate != "" {
				live = "live in a candidate"
			}
			state = fmt.Sprintf("%s since %s, roll %d by %s", p.style.green(live), when(w.Since), w.Roll, w.By)
		}
		p.Line("%s", cut(fmt.Sprintf("%s  %s %s, %s: %s", p.style.bold(w.Environment), c.Short(), c.Author, c.Subject, state), p.Columns))
		if len(w.Nodes) > 0 {
			p.Line("  on %s", strings.Join(w.Nodes, " "))
		}
		if len(w.Missing) > 0 {
			p.Line("  not on %s", strings.Join(w.Missing, " "))
		}
	}
	return nil
}
