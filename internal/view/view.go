// Package view shows readings of the record to people and scripts: live on a terminal,
// plain where there is none, as JSON lines where they are asked for. Results go to
// standard output, progress and hints to standard error.
package view

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/rollcall-dev/rollcall"
)

// Printer knows where to write and how.
type Printer struct {
	Out, Err io.Writer
	JSON     bool
	// Live tells that standard error is a terminal that can be redrawn.
	Live bool
	// Columns is the width to write for; 0: no limit.
	Columns int
	Rows    int
	style   style
}

// New finds out what the terminal can do. plain asks for no colour and no redraw.
func New(out, err *os.File, asJSON, plain bool) *Printer {
	p := &Printer{Out: out, Err: err, JSON: asJSON}
	plain = plain || asJSON || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"
	if term.IsTerminal(int(out.Fd())) {
		p.style.on = !plain
		p.Columns, p.Rows = size(out)
	}
	if term.IsTerminal(int(err.Fd())) {
		p.Live = !plain
		if p.Columns == 0 {
			p.Columns, p.Rows = size(err)
		}
	}
	return p
}

func size(f *os.File) (columns, rows int) {
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || columns < 20 {
		return 80, 24
	}
	return columns, rows
}

// Object prints one result as a line of JSON.
func (p *Printer) Object(v any) error {
	e := json.NewEncoder(p.Out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Event prints an event as a line of JSON: its type and time, and then its data.
func (p *Printer) Event(e rollcall.Event) error {
	head := fmt.Sprintf(`{"event":%q,"at":%q`, e.Type, e.At.UTC().Format(time.RFC3339Nano))
	if e.Seq > 0 {
		head += fmt.Sprintf(`,"stream":%q,"seq":%d`, e.Stream, e.Seq)
	}
	if len(e.Data) > 2 {
		head += "," + string(e.Data[1:])
	} else {
		head += "}"
	}
	_, err := fmt.Fprintln(p.Out, head)
	return err
}

// Line prints a line of result.
func (p *Printer) Line(format string, args ...any) {
	fmt.Fprintf(p.Out, format+"\n", args...)
}

// Note prints a line for the person, beside the results.
func (p *Printer) Note(format string, args ...any) {
	if !p.JSON {
		fmt.Fprintf(p.Err, format+"\n", args...)
	}
}

// Error prints an error and what to do about it.
func (p *Printer) Error(err error) {
	fmt.Fprintf(p.Err, "%s %s\n", p.errStyle().red("rollcall:"), rollcall.PrintableLines(err.Error()))
	if hint := rollcall.HintOf(err); hint != "" {
		fmt.Fprintf(p.Err, "%s %s\n", p.errStyle().dim("hint:"), rollcall.PrintableLines(hint))
	}
	if p.JSON {
		_ = p.Object(struct {
			Event string        `json:"event"`
			Kind  rollcall.Kind `json:"kind"`
			Error string        `json:"error"`
			Hint  string        `json:"hint,omitempty"`
			Exit  int           `json:"exit"`
		}{"error", rollcall.KindOf(err), err.Error(), rollcall.HintOf(err), rollcall.ExitCode(err)})
	}
}

func (p *Printer) errStyle() style { return style{on: p.Live} }
