package check

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/rollcall-dev/rollcall"
)

// Checker runs checks and keeps what came of them in a folder.
type Checker struct {
	dir  string // what is kept, and what is exported for a while
	site string // where commands run
	store

	repo sync.Mutex // one reader of a repository at a time
}

// Open opens a checker, and makes its folder where there is none. Commands run in the
// site's folder, as hooks on the controller do.
func Open(ctx context.Context, dir, site string) (*Checker, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the checks: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		// Tools tell where a file really is: then that is where it is given.
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("find the folder of the checks: %w", err)
	}
	c := &Checker{dir: dir, site: site}
	file := filepath.Join(dir, "results.db")
	if err := c.open(ctx, file); err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	return c, nil
}

// Request is what is to be checked.
type Request struct {
	Code *rollcall.Code
	Repo rollcall.Repository
	Tree string
	// Base is the tree that the change starts from: conflict markers are looked for in the
	// lines that it does not have. Without one, in every file.
	Base string
	// All looks for conflict markers in the files that are as in Base too.
	All bool
	// Release finds what keeps the tree from being a release too.
	Release bool
	// Again runs what is known too.
	Again bool
	// Note is told what is being done, Progress how many of the runs are over. Authors
	// tells who last changed each path, as people read it. Each may be nil.
	Note     func(string)
	Progress func(done, total int)
	Authors  func(ctx context.Context, paths []string) map[string]string
}

// Run checks a tree. A failed check is no error: the report tells of it. What is known
// when ctx ends is kept.
func (c *Checker) Run(ctx context.Context, request Request) (*rollcall.CheckReport, error) {
	r := &run{Checker: c, Request: request}
	for _, step := range []func(context.Context) error{
		r.list,       // what is there, and what differs from Base
		r.releasable, // what of it can't be part of a release
		r.rules,      // what each check and its tool are called in what is kept
		r.choose,     // which check looks at what
		r.recall,     // what is known of it
		r.look,       // what is not
	} {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return nil, err
		}
	}
	return r.report(ctx), nil
}

// run is one call of Run.
type run struct {
	*Checker
	Request
	entries map[string]*rollcall.TreeEntry // files and links that will roll
	paths   []string                       // theirs, in order
	// excluded will not roll, and is still committed: no conflict may stand in it.
	excluded []*rollcall.TreeEntry
	differ   map[string]string       // with a Base: path to its content there, "" where it has none
	bad      map[string]string       // path to why it can't be given to a check
	refused  []rollcall.CheckFailure // what can't be part of a release
	gates    []*gate
}

func (r *run) note(format string, args ...any) {
	if r.Note != nil {
		r.Note(fmt.Sprintf(format, args...))
	}
}

// gate is one check in one run.
type gate struct {
	*rollcall.Check
	program string // the path of what is run; empty: as the command says
	key     []byte // names check and tool in what is kept
	rule    int64  // the same, short
	files   []subject
	verdict map[content]verdict
	missing []subject // the first of each content without a verdict
	result  rollcall.CheckResult
}

// content is what a verdict is about, for one gate.
type content struct {
	kind string // what else counts, beside the bytes
	id   string // of the bytes, or of the tree
}

// subject is a path with its content. The tree's path is empty.
type subject struct {
	path string
	content
}

// verdict is what a check said of a content.
type verdict struct {
	passed bool
	line   int
	path   string // of the tree's file that is to blame, as far as the check told
	text   string // ownPath stands for the path that was looked at
	brief  bool   // true of this run only: not kept
}
