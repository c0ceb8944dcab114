package view

import (
	"fmt"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// maxTable is up to how many nodes the summary lists each; above it, it counts by tier
// and lists only those that did not come through.
const maxTable = 40

func (r *Roll) summary(f *rollcall.RollFinished) {
	p, s := r.p, r.p.style
	if f.Unchanged && f.Outcome == rollcall.OutcomeDone {
		p.Line("%s", cut(fmt.Sprintf("%s: nothing to do, %s live on %s", s.bold(f.Environment), f.To.Short(), rollcall.Plural(f.Nodes.OK, "node", "nodes")), p.Columns))
		return
	}
	t := table{indent: "  ", columns: p.Columns}
	if len(r.nodes) <= maxTable {
		t.add(s.dim("node"), s.dim("tier"), s.dim("outcome"), s.dim("was"), s.dim("sent"))
		for _, n := range r.nodes {
			t.add(n.name, n.tier, r.coloured(n.step), releaseName(n.from), sizeOf(n.sent))
		}
	} else {
		t.add(s.dim("tier"), s.dim("nodes"), s.dim("ok"), s.dim("not ok"))
		var order []string
		all, ok := map[string]int{}, map[string]int{}
		for _, n := range r.nodes {
			if all[n.tier] == 0 {
				order = append(order, n.tier)
			}
			all[n.tier]++
			if n.step == rollcall.StepOK {
				ok[n.tier]++
			}
		}
		for _, tier := range order {
			t.add(tier, fmt.Sprint(all[tier]), fmt.Sprint(ok[tier]), fmt.Sprint(all[tier]-ok[tier]))
		}
	}
	t.print(p.Out)
	for _, n := range r.nodes {
		if n.message != "" && n.step != rollcall.StepOK {
			p.Line("%s %s: %s", s.red("✗"), n.name, n.message)
			if n.hint != "" {
				for i, line := range strings.Split(rollcall.PrintableLines(n.hint), "\n") {
					if i == 0 {
						line = "hint: " + line
					}
					p.Line("  %s", s.dim(line))
				}
			}
		}
	}
	name := f.Environment
	if f.Roll > 0 {
		name = fmt.Sprintf("%s/%d", f.Environment, f.Roll)
	}
	p.Line("%s", cut(fmt.Sprintf("%s %s in %s: %s → %s, %s, %s sent", name, r.outcome(f),
		secondsOf(f.Seconds), releaseName(f.From), f.To.Short(), rollcall.Plural(len(r.nodes), "node", "nodes"), sizeOf(f.BytesSent)), p.Columns))
}

func (r *Roll) coloured(step rollcall.Step) string {
	switch step {
	case rollcall.StepOK:
		return r.p.style.green(string(step))
	case rollcall.StepFailed, rollcall.StepBroken, rollcall.StepUnreachable:
		return r.p.style.red(string(step))
	case rollcall.StepReverted, rollcall.StepReverting:
		return r.p.style.yellow(string(step))
	default:
		return string(step)
	}
}

func (r *Roll) outcome(f *rollcall.RollFinished) string {
	s := r.p.style
	switch f.Outcome {
	case rollcall.OutcomeDone:
		return s.green("done")
	case rollcall.OutcomeBehind:
		return s.yellow("done, with nodes left behind,")
	case rollcall.OutcomeRolledBack:
		if f.Aborted != "" {
			return s.yellow("aborted and taken back")
		}
		return s.red("failed and was rolled back")
	case rollcall.OutcomeRefused:
		return s.red("ended before anything was switched")
	default:
		return s.red("stopped part way")
	}
}
