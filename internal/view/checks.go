package view

import (
	"fmt"

	"github.com/rollcall-dev/rollcall"
)

// maxDrift is how many paths of one node are listed before the rest is only counted.
const maxDrift = 20

// Audit shows how one node compares with what was rolled there.
func (p *Printer) Audit(a rollcall.NodeAudit) error {
	if p.JSON {
		return p.Object(a)
	}
	s := p.style
	switch {
	case a.Problem != "":
		p.Line("%s %s", s.red("✗"), rollcall.PrintableLines(a.Problem))
		if a.Hint != "" {
			p.Line("  %s", s.dim("hint: "+rollcall.PrintableLines(a.Hint)))
		}
	case a.Release == "":
		p.Line("%s: nothing is live", a.Node)
	case len(a.Drift) == 0:
		p.Line("%s %s: %s, %s files, %s", s.green("✓"), a.Node, a.Release.Short(), fmt.Sprint(a.Files), sizeOf(a.Bytes))
		return nil
	}
	if len(a.Drift) == 0 {
		return nil
	}
	state := s.red("differs")
	if a.Repaired {
		state = s.yellow("differed, and is repaired")
	}
	p.Line("%s %s: %s", a.Node, state, rollcall.Plural(len(a.Drift)+a.More, "path", "paths"))
	for i, d := range a.Drift {
		if i == maxDrift {
			p.Line("  and %d more; --json has them all", len(a.Drift)-maxDrift+a.More)
			break
		}
		p.Line("  %-8s %s", d.Kind, cut(rollcall.Printable(d.Path), p.Columns-11))
	}
	return nil
}

// Finding shows one thing that doctor looked at.
func (p *Printer) Finding(f rollcall.Finding) error {
	if p.JSON {
		return p.Object(f)
	}
	sign := p.style.green("✓")
	switch f.Level {
	case rollcall.LevelWarning:
		sign = p.style.yellow("!")
	case rollcall.LevelProblem:
		sign = p.style.red("✗")
	}
	where := f.Environment
	if f.Node != "" {
		where += " " + f.Node
	}
	p.Line("%s", cut(fmt.Sprintf("%s %s  %s: %s", sign, where, f.Check, rollcall.Printable(f.Text)), p.Columns))
	if f.Hint != "" && f.Level != rollcall.LevelOK {
		p.Line("  %s", p.style.dim("hint: "+rollcall.PrintableLines(f.Hint)))
	}
	return nil
}
