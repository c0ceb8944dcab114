package view

import (
	"fmt"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// maxFailures is how many failures of one check are listed before the rest is only
// counted, and maxSaid how many lines of what each said.
const (
	maxFailures = 50
	maxSaid     = 5
)

// CheckReport shows what checks said of a tree: a line a check, and then each failure.
func (p *Printer) CheckReport(report *rollcall.CheckReport) error {
	if p.JSON {
		for _, f := range report.Failures {
			if err := p.Object(f); err != nil {
				return err
			}
		}
		return p.Event(withTime(rollcall.NewEvent(rollcall.EventCheckFinished, struct {
			*rollcall.CheckReport
			Passed bool `json:"passed"`
		}{report, report.Passed()})))
	}
	t := table{columns: p.Columns}
	for _, c := range report.Checks {
		t.add(p.checkSign(c), c.Name, p.checkCounts(c))
	}
	t.print(p.Out)
	shown := map[string]int{}
	for _, f := range report.Failures {
		if shown[f.Check]++; shown[f.Check] <= maxFailures {
			p.checkFailure(f)
		}
	}
	for _, c := range report.Checks {
		if more := shown[c.Name] - maxFailures; more > 0 {
			p.Line("%s: and %d more; --json has them all", c.Name, more)
		}
	}
	return nil
}

func (p *Printer) checkSign(c rollcall.CheckResult) string {
	if c.Failed > 0 {
		return p.style.red("✗")
	}
	return p.style.green("✓")
}

func (p *Printer) checkCounts(c rollcall.CheckResult) string {
	failed := fmt.Sprintf("%d failed", c.Failed)
	if c.Failed > 0 {
		failed = p.style.red(failed)
	}
	files := rollcall.Plural(c.Files, "file", "files")
	if c.Whole {
		files = "the whole tree"
	}
	return fmt.Sprintf("%s, %d run, %d kept, %s", files, c.Ran, c.Kept, failed)
}

// checkFailure shows a failure as editors read it: path:line: text.
func (p *Printer) checkFailure(f rollcall.CheckFailure) {
	at := rollcall.Printable(f.Path)
	if f.Line > 0 && at != "" {
		at += fmt.Sprintf(":%d", f.Line)
	}
	lines := strings.Split(rollcall.PrintableLines(f.Text), "\n")
	first := strings.TrimLeft(strings.TrimPrefix(lines[0], at), ": ") // many tools begin with it themselves
	if at == "" {
		at = f.Check
	}
	var about []string
	if f.Author != "" {
		about = append(about, "last changed by "+rollcall.Printable(f.Author))
	}
	if f.Before {
		about = append(about, "and as it was before")
	}
	author := ""
	if len(about) > 0 {
		author = p.style.dim(" (" + strings.Join(about, ", ") + ")")
	}
	// Not cut: what is wrong, and whose it is, stand at its end.
	p.Line("%s: %s%s", p.style.bold(at), first, author)
	for i, line := range lines[1:] {
		if i == maxSaid {
			p.Line("  %s", p.style.dim(fmt.Sprintf("and %s; --json has all", rollcall.Plural(len(lines)-1-maxSaid, "line more", "lines more"))))
			break
		}
		p.Line("  %s", cut(p.style.dim(line), p.Columns-2))
	}
}
