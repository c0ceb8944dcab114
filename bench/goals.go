package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// figure is what two rows are compared by.
type figure struct {
	name string
	of   func(*row) float64
}

var (
	wall       = figure{"wall", func(r *row) float64 { return r.wall().Seconds() }}
	controller = figure{"controller CPU", func(r *row) float64 { return r.controller().Seconds() }}
	bytesSent  = figure{"bytes", func(r *row) float64 { return float64(r.bytes()) }}
)

// goal is the most that Rollcall may take as a part of what another takes.
type goal struct {
	name   string // of the case
	figure figure
	than   string          // whom
	other  string          // case, where it is not the same
	most   map[int]float64 // by nodes; 0: any number of them
}

var goals = []goal{
	{"nothing changed", wall, "rsync -a", "", map[int]float64{1: 0.35, 8: 0.25, 32: 0.25}},
	{"nothing changed", controller, "rsync -a", "", map[int]float64{1: 0.35, 8: 0.10, 32: 0.06}},
	{"small", wall, "rsync -a", "", map[int]float64{1: 0.45, 8: 0.45, 32: 0.45}},
	{"small", controller, "rsync -a", "", map[int]float64{1: 0.35, 8: 0.10, 32: 0.06}},
	{"small", bytesSent, "rsync -a", "", map[int]float64{1: 0.10, 8: 0.10, 32: 0.10}},
	{"minor", wall, "rsync -a", "", map[int]float64{1: 0.55, 8: 0.50, 32: 0.50}},
	{"minor", bytesSent, "rsync -az", "", map[int]float64{1: 0.20, 8: 0.20, 32: 0.20}},
	{"major", wall, "rsync -a", "", map[int]float64{1: 0.75, 8: 0.65, 32: 0.65}},
	{"major", controller, "rsync -a", "", map[int]float64{1: 0.35, 8: 0.20, 32: 0.15}},
	{"cold", wall, "rsync -a", "", map[int]float64{1: 0.75, 8: 0.65, 32: 0.65}},
	{"cold", controller, "rsync -a", "", map[int]float64{1: 0.35, 8: 0.20, 32: 0.15}},
	{"rollback", wall, "ssh + symlink", "", map[int]float64{1: 0.60, 8: 0.40, 32: 0.35}},
	// Twice the files that did not change: nothing but what noise adds.
	{"nothing changed, twice the files", controller, "rollcall", "nothing changed", map[int]float64{0: 1.10}},
	{"nothing changed, twice the files", bytesSent, "rollcall", "nothing changed", map[int]float64{0: 1.10}},
	{"small, twice the files", controller, "rollcall", "small", map[int]float64{0: 1.10}},
	{"small, twice the files", bytesSent, "rollcall", "small", map[int]float64{0: 1.10}},
}

func (c *count) row(name, who string) *row {
	for _, r := range c.Rows {
		if r.Case == name && r.Who == who {
			return r
		}
	}
	return nil
}

// goals writes the last table and tells how many were missed. Node counts without a
// goal of their own are shown without a verdict.
func (r *report) goals(w io.Writer) int {
	fmt.Fprint(w, "\nRollcall as a part of what others take (from the medians)\n\n")
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "case\tfigure\tthan\tnodes\tis\tgoal\t")
	missed := 0
	for _, g := range goals {
		other := g.other
		if other == "" {
			other = g.name
		}
		for i := range r.Counts {
			c := &r.Counts[i]
			us, them := c.row(g.name, (rollcall{}).name()), c.row(other, g.than)
			if us == nil || them == nil {
				continue
			}
			is := g.figure.of(us) / g.figure.of(them)
			most, ok := g.most[c.Nodes]
			if !ok {
				most, ok = g.most[0]
			}
			verdict := ""
			switch {
			case ok && is <= most:
				verdict = "ok"
			case ok:
				verdict = "MISSED"
				missed++
			}
			than := g.than
			if g.other != "" {
				than = "without"
			}
			text := ""
			if ok {
				text = fmt.Sprintf("%.2f", most)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%.3f\t%s\t%s\n", g.name, g.figure.name, than, c.Nodes, is, text, verdict)
		}
	}
	t.Flush()
	return missed
}
