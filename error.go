package rollcall

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what sort of thing went wrong. One table, ExitCode, maps kinds to
// what scripts see.
type Kind string

// The kinds of Error. The comment names the exit code.
const (
	KindInternal    Kind = "internal"    // 1: a bug, or a fault of this machine
	KindUnreachable Kind = "unreachable" // 1: a node that can't be talked to
	KindBroken      Kind = "broken"      // 1: a node's own fault: disk, permission
	KindFailed      Kind = "failed"      // 1: the code does not work there
	KindInvalid     Kind = "invalid"     // 2: usage or configuration
	KindNotFound    Kind = "not_found"   // 2: no such environment, revision, roll
	KindRefused     Kind = "refused"     // 3: policy, hold
	KindConflict    Kind = "conflict"    // 4: lease held, plan stale, nothing to resume
	KindBehind      Kind = "behind"      // 5: rolled, but nodes were left behind
	KindRolledBack  Kind = "rolledback"  // 6: failed and rolled back
	KindStopped     Kind = "stopped"     // 7: stopped part way
	// 7: nobody can tell whether it works: a probe said so, or too few nodes are in service.
	KindInconclusive Kind = "inconclusive"
)

// Error is the one typed error. Its text is for the person at the keyboard.
type Error struct {
	Kind Kind
	Op   string // what was tried: "read nodes/production"
	Node string // the node's name where one is concerned
	Hint string // what to do about it
	Err  error  // the cause
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Node != "" {
		b.WriteString(e.Node)
		b.WriteString(": ")
	}
	b.WriteString(e.Op)
	if e.Err != nil {
		if e.Op != "" {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a kind with a message. A %w in the format is kept as its cause.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// WithHint adds what to do about it.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// KindOf tells the kind of the first Error in err's chain, and KindInternal for any other error.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var list Mistakes
	if errors.As(err, &list) {
		return KindInvalid
	}
	return KindInternal
}

// HintOf returns the first hint in err's chain.
func HintOf(err error) string {
	var e *Error
	for errors.As(err, &e) {
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}

// ExitCode maps an error to the exit code that docs/exit-codes.md promises.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	switch KindOf(err) {
	case KindInvalid, KindNotFound:
		return 2
	case KindRefused:
		return 3
	case KindConflict:
		return 4
	case KindBehind:
		return 5
	case KindRolledBack:
		return 6
	case KindStopped, KindInconclusive:
		return 7
	default:
		return 1
	}
}

// Mistake is one thing wrong in a file of the site.
type Mistake struct {
	File    string // relative to the site's folder
	Line    int    // from 1; 0 where the whole file is meant
	Column  int    // from 1
	Message string // what is wrong, what was expected, the nearest valid name
}

func (m Mistake) String() string {
	if m.Line == 0 {
		return m.File + ": " + m.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Message)
}

// Mistakes are all things wrong in a site at once.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}
