package rollcall

import (
	"regexp"
	"slices"
	"strings"
)

// Check is a command that every file which a pattern names, or the whole tree, must pass
// before it can roll. Its command names {file} or {tree}, never both; a text for the shell
// has the same as $ROLLCALL_FILE or $ROLLCALL_TREE.
type Check struct {
	Name  string
	Files []string // patterns; none: every file
	Run   Command
	// Version tells what else than the program's own content makes results old.
	Version *Command
	MaxSize int64 // bytes of a file; a larger one fails without a run. 0: no limit
}

// ConflictMarkers is the name of the check that every code has, whatever its site says.
const ConflictMarkers = "conflict markers"

// Markers says what ConflictMarkers passes over.
type Markers struct {
	Exclude []string // patterns of files that hold markers on purpose
}

// Releasable is the name of the check that what goes to production can be a release. It
// is told of only where it fails.
const Releasable = "can be a release"

// What a check's command may name in braces.
const (
	CheckFile = "file" // one file a run
	CheckTree = "tree" // one run for the whole tree
)

var checkVariables = map[string]*regexp.Regexp{
	CheckFile: regexp.MustCompile(`\bROLLCALL_FILE\b`),
	CheckTree: regexp.MustCompile(`\bROLLCALL_TREE\b`),
}

// Takes tells whether the command names CheckFile or CheckTree.
func (c *Check) Takes(name string) bool {
	if c.Run.Shell != "" {
		return checkVariables[name].MatchString(c.Run.Shell)
	}
	vars := map[string]string{CheckFile: "", CheckTree: ""}
	vars[name] = "\x00" // no word of a command has one
	return slices.ContainsFunc(c.Run.Args, func(arg string) bool {
		text, err := Expand(arg, vars)
		return err == nil && strings.Contains(text, "\x00")
	})
}

// CheckFailure is one file, or a whole tree, that does not pass a check.
type CheckFailure struct {
	Check  string `json:"check"`
	Path   string `json:"path"` // empty: the tree
	Line   int    `json:"line"` // from 1; 0: the check did not tell
	Text   string `json:"text"` // what the check said: printable, short, the telling line first
	Author string `json:"author"`
	// Before tells that the path is as it was in what the change starts from.
	Before bool `json:"before,omitempty"`
}

// CheckResult is how one check went.
type CheckResult struct {
	Name   string `json:"name"`
	Whole  bool   `json:"whole"`  // it looks at the tree; Files is 1
	Files  int    `json:"files"`  // that its patterns name
	Ran    int    `json:"ran"`    // looked at now
	Kept   int    `json:"kept"`   // known from before, or from an equal file
	Failed int    `json:"failed"` // of Files
	// Seconds is what its runs took together; several run at once.
	Seconds float64 `json:"seconds"`
}

// CheckReport is what all checks said of one frozen tree.
type CheckReport struct {
	Tree     string         `json:"tree"`
	Checks   []CheckResult  `json:"checks"`
	Failures []CheckFailure `json:"failures"` // by check, then by path
}

// Passed tells whether the tree may roll.
func (r *CheckReport) Passed() bool { return len(r.Failures) == 0 }

// EventCheckFinished is the last line of `check --json`.
const EventCheckFinished = "check.finished"
