package check

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// report puts together what is known of every file.
func (r *run) report(ctx context.Context) *rollcall.CheckReport {
	report := &rollcall.CheckReport{Tree: r.Tree, Failures: []rollcall.CheckFailure{}}
	r.addReleasable(report)
	for _, g := range r.gates {
		g.result.Name, g.result.Files = g.Name, len(g.files)
		g.result.Whole = g.Takes(rollcall.CheckTree)
		g.result.Kept = len(g.files) - g.result.Ran
		var failures []rollcall.CheckFailure
		for _, f := range g.files {
			v := g.verdict[f.content]
			if g.skips(r, f) {
				v = verdict{text: r.bad[f.path]}
			}
			if v.passed {
				continue
			}
			path := cmp.Or(f.path, v.path)
			failures = append(failures, rollcall.CheckFailure{
				Check: g.Name, Path: path, Line: v.line, Text: strings.ReplaceAll(v.text, ownPath, rollcall.Printable(path)),
			})
		}
		g.result.Failed = len(failures)
		slices.SortStableFunc(failures, func(a, b rollcall.CheckFailure) int { return strings.Compare(a.Path, b.Path) })
		report.Failures = append(report.Failures, failures...)
		report.Checks = append(report.Checks, g.result)
	}
	for i, f := range report.Failures {
		_, differs := r.differ[f.Path]
		report.Failures[i].Before = r.Base != "" && f.Path != "" && !differs
	}
	r.name(ctx, report.Failures)
	return report
}

// name fills in who last changed what fails.
func (r *run) name(ctx context.Context, failures []rollcall.CheckFailure) {
	if r.Authors == nil {
		return
	}
	var paths []string
	for _, f := range failures {
		if f.Path != "" && !slices.Contains(paths, f.Path) {
			paths = append(paths, f.Path)
		}
	}
	if len(paths) == 0 {
		return
	}
	authors := r.Authors(ctx, paths)
	for i := range failures {
		failures[i].Author = rollcall.Printable(authors[failures[i].Path])
	}
}
