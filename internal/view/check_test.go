package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-dev/rollcall"
)

func checkReport() *rollcall.CheckReport {
	return &rollcall.CheckReport{
		Tree: "4b825d",
		Checks: []rollcall.CheckResult{
			{Name: "conflict markers", Files: 12, Ran: 12},
			{Name: "php syntax", Files: 1500, Ran: 12, Kept: 1488, Failed: 2},
			{Name: "configtest", Whole: true, Files: 1, Kept: 1, Failed: 1},
		},
		Failures: []rollcall.CheckFailure{
			{Check: "php syntax", Path: "dir/a.php", Line: 3, Text: "PHP Parse error: x in dir/a.php on line 3\nErrors parsing dir/a.php", Author: "Ada in r1041 #88"},
			{Check: "php syntax", Path: "dir/\x1bb.php", Line: 7, Text: "dir/\ufffdb.php:7: odd"},
			{Check: "configtest", Text: "no such module"},
		},
	}
}

func TestCheckReport(t *testing.T) {
	var out bytes.Buffer
	p := &Printer{Out: &out, Err: &out}
	if err := p.CheckReport(checkReport()); err != nil {
		t.Fatal(err)
	}
	want := `✓  conflict markers  12 files, 12 run, 0 kept, 0 failed
✗  php syntax        1500 files, 12 run, 1488 kept, 2 failed
✗  configtest        the whole tree, 0 run, 1 kept, 1 failed
dir/a.php:3: PHP Parse error: x in dir/a.php on line 3 (last changed by Ada in r1041 #88)
  Errors parsing dir/a.php
dir/` + "\ufffd" + `b.php:7: odd
configtest: no such module
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCheckReportJSON(t *testing.T) {
	var out bytes.Buffer
	p := &Printer{Out: &out, Err: &out, JSON: true}
	if err := p.CheckReport(checkReport()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	if want := `{"check":"php syntax","path":"dir/a.php","line":3,"text":"PHP Parse error: x in dir/a.php on line 3\nErrors parsing dir/a.php","author":"Ada in r1041 #88"}`; lines[0] != want {
		t.Errorf("%s, want %s", lines[0], want)
	}
	var last struct {
		Event    string
		Passed   *bool
		Tree     string
		Checks   []rollcall.CheckResult
		Failures []rollcall.CheckFailure
	}
	if err := json.Unmarshal([]byte(lines[3]), &last); err != nil {
		t.Fatal(err)
	}
	if last.Event != "check.finished" || last.Passed == nil || *last.Passed || last.Tree != "4b825d" || len(last.Checks) != 3 || len(last.Failures) != 3 {
		t.Errorf("%s", lines[3])
	}
}

// Many failures are counted, and none of them is without its check's line.
func TestManyFailures(t *testing.T) {
	report := &rollcall.CheckReport{Checks: []rollcall.CheckResult{{Name: "lint", Files: 100, Failed: 100}}}
	for i := range 100 {
		report.Failures = append(report.Failures, rollcall.CheckFailure{Check: "lint", Path: fmt.Sprint(i), Text: strings.Repeat("x\n", 9)})
	}
	var out bytes.Buffer
	p := &Printer{Out: &out, Err: &out}
	if err := p.CheckReport(report); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "lint: and 50 more") || !strings.Contains(got, "and 3 lines more") || strings.Contains(got, "\n50: x") {
		t.Errorf("%s", got)
	}
}

func TestCheckProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &Printer{Out: &out, Err: &out}
		c := p.Checks()
		for i := range 25 {
			c.Progress(i, 25)
			time.Sleep(500 * time.Millisecond)
		}
		c.Stop()
		if got, want := out.String(), "checking: 2 of 25\nchecking: 22 of 25\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		out.Reset()
		p.Live, p.Columns = true, 60
		c = p.Checks()
		c.Note("exporting")
		time.Sleep(checksQuiet / 2)
		if got := c.frame(); got != nil {
			t.Errorf("%q", got)
		}
		time.Sleep(checksQuiet)
		if got := c.frame(); len(got) != 1 || got[0] != "  exporting…" {
			t.Errorf("%q", got)
		}
		c.Progress(5, 10)
		if got := c.frame(); len(got) != 1 || !strings.Contains(got[0], "5 of 10  1.5s") {
			t.Errorf("%q", got)
		}
		c.Stop()
	})
}
