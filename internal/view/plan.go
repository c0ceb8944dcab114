package view

import (
	"fmt"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// maxShown is how many changesets or nodes a plan lists before it only counts the rest.
const maxShown = 15

// Plan shows what a roll will do.
func (p *Printer) Plan(plan *rollcall.Plan) error {
	if p.JSON {
		return p.Object(plan)
	}
	s := p.style
	verb := map[rollcall.PlanKind]string{
		rollcall.KindRoll: "roll", rollcall.KindRollback: "roll back", rollcall.KindCatchUp: "catch up in", rollcall.KindReview: "review in",
	}[plan.Kind]
	title := fmt.Sprintf("%s %s: %s → %s", verb, s.bold(plan.Environment), releaseName(plan.From.Release), s.bold(plan.Release.Short()))
	if plan.Partial != "" {
		title += " (" + plan.Partial + " only)"
	}
	p.Line("%s", cut(title, p.Columns))
	p.Line("%s", cut(fmt.Sprintf("  %s at %s %s", plan.Code, rollcall.ShortRevision(plan.Revision.ID), s.dim(plan.Revision.Subject)), p.Columns))
	f := plan.Files
	switch plan.From.Release {
	case plan.Release:
		p.Line("  the same files are live already")
	case "":
		p.Line("  %s, %s: the first release", rollcall.Plural(f.Total, "file", "files"), sizeOf(f.Bytes))
	default:
		p.Line("  %s changed, %d added, %d removed (%s of new content)", rollcall.Plural(f.Changed, "file", "files"), f.Added, f.Removed, sizeOf(f.Bytes))
	}
	p.changesets("comes live", "come live", plan.Coming)
	p.changesets("stops being live", "stop being live", plan.Going)
	p.order(plan)
	for _, w := range plan.Warnings {
		p.Line("%s", s.yellow("! ")+warning(plan, w)) // never cut: it is what one reads a plan for
	}
	p.Line("plan %s", plan.ID)
	return nil
}

// Warnings shows what is odd about a plan that nobody is shown.
func (p *Printer) Warnings(plan *rollcall.Plan) {
	for _, w := range plan.Warnings {
		p.Note("%s%s", p.errStyle().yellow("! "), warning(plan, w))
	}
}

// warning says with what the environment requires that it would be refused.
func warning(plan *rollcall.Plan, w rollcall.Warning) string {
	for _, risk := range rollcall.Risks {
		if w.ID == risk && plan.Kind == rollcall.KindRoll {
			return w.Text + ": it rolls only with --accept-risk=" + risk
		}
	}
	return w.Text
}

func (p *Printer) changesets(one, many string, list []rollcall.Changeset) {
	if len(list) == 0 {
		return
	}
	does := many
	if len(list) == 1 {
		does = one
	}
	p.Line("%s %s:", rollcall.Plural(len(list), "changeset", "changesets"), does)
	t := table{indent: "  ", columns: p.Columns}
	for i, c := range list {
		if i == maxShown {
			t.add(fmt.Sprintf("and %d more", len(list)-maxShown))
			break
		}
		t.add(c.Short(), c.Writers(), ticketsOf(c), c.Subject)
	}
	t.print(p.Out)
}

func ticketsOf(c rollcall.Changeset) string {
	names := make([]string, len(c.Tickets))
	for i, ticket := range c.Tickets {
		names[i] = ticket
		if strings.Trim(ticket, "0123456789") == "" {
			names[i] = "#" + ticket
		}
	}
	return strings.Join(names, " ")
}

func (p *Printer) order(plan *rollcall.Plan) {
	p.Line("in this order:")
	t := table{indent: "  ", columns: p.Columns}
	for _, tier := range plan.Tiers {
		for i, batch := range tier.Batches {
			if i == maxShown {
				t.add("", "and "+rollcall.Plural(len(tier.Batches)-maxShown, "more batch", "more batches"))
				break
			}
			name := tier.Name
			if i > 0 {
				name = ""
			}
			t.add(name, nodeNames(batch), p.style.dim(after(batch[0])))
		}
	}
	t.print(p.Out)
	p.hooks("before the first switch", plan.Before)
	p.hooks("after the last", plan.After)
	for _, held := range plan.Held {
		p.Line("  %s", cut(p.style.yellow(fmt.Sprintf("%s is on hold by %s: %s", held.Name, held.Hold.By, held.Hold.Why)), p.Columns-2))
	}
}

func (p *Printer) hooks(when string, hooks []rollcall.Hook) {
	for _, h := range hooks {
		line := fmt.Sprintf("%s: %s on %s", when, h.Run, h.On)
		if h.Irreversible {
			line += p.style.yellow(" (can't be taken back)")
		}
		p.Line("  %s", cut(line, p.Columns-2))
	}
}

func nodeNames(batch []rollcall.NodePlan) string {
	var names []string
	for i, n := range batch {
		if i == 8 {
			names = append(names, fmt.Sprintf("and %d more", len(batch)-8))
			break
		}
		names = append(names, n.Node.Name)
	}
	return strings.Join(names, " ")
}

// after tells what follows the switch of a node.
func after(n rollcall.NodePlan) string {
	parts := []string{}
	if len(n.Activate) > 0 {
		parts = append(parts, "activate")
	}
	if len(n.Verify) > 0 {
		parts = append(parts, "verify")
	}
	if n.Drain != nil {
		parts = append(append([]string{"drain", "switch"}, parts...), "restore")
		return strings.Join(parts, ", ")
	}
	if len(parts) == 0 {
		return ""
	}
	return "then " + strings.Join(parts, ", ")
}

// Diff shows what would change, file by file.
func (p *Printer) Diff(d *rollcall.Diff) error {
	for _, c := range d.Files {
		kind, letter := "changed", p.style.yellow("M")
		switch {
		case c.Old == nil:
			kind, letter = "added", p.style.green("A")
		case c.New == nil:
			kind, letter = "removed", p.style.red("D")
		case c.Old.SameContent(c.New):
			kind, letter = "mode", p.style.yellow("m")
		}
		if !p.JSON {
			p.Line("%s %s%s", letter, rollcall.Printable(c.Path), p.style.dim(sizes(c)))
			continue
		}
		var old, new int64
		if c.Old != nil {
			old = c.Old.Size
		}
		if c.New != nil {
			new = c.New.Size
		}
		err := p.Object(struct {
			Path    string `json:"path"`
			Change  string `json:"change"`
			OldSize int64  `json:"old_size"`
			NewSize int64  `json:"new_size"`
		}{c.Path, kind, old, new})
		if err != nil {
			return err
		}
	}
	if len(d.Files) == 0 {
		p.Note("nothing would change: %s has %s", d.Environment, d.To.Short())
	}
	return nil
}

func sizes(c rollcall.FileChange) string {
	if c.Old == nil || c.New == nil || c.Old.Size == c.New.Size {
		return ""
	}
	return fmt.Sprintf("  %s → %s", sizeOf(c.Old.Size), sizeOf(c.New.Size))
}
