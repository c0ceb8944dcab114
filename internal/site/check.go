package site

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// checkEntry is an entry of `checks` as it was read.
type checkEntry struct {
	name    placed[string]
	files   placed[[]string]
	run     placed[[]template]
	sh      placed[string]
	version *command
	maxSize placed[int64]
	command command
}

var checkName = text("a name, such as php syntax", func(string) error { return nil })

var checkKeys = keys[checkEntry]{
	fields: []field[checkEntry]{
		key("name", "What reports call it; each check of a code has its own.", place(checkName),
			func(c *checkEntry) *placed[string] { return &c.name }).must(),
		key("files", "Patterns of the files that it looks at, as in .gitignore, without negation (default: all).", place(notEmpty(patterns)),
			func(c *checkEntry) *placed[[]string] { return &c.files }),
		key("run", "The program and its arguments: a text that is split by its quotes alone, or a list. {file} is one file, and it runs once a file; {tree} is the folder of the whole tree.", place(commandWords),
			func(c *checkEntry) *placed[[]template] { return &c.run }),
		key("sh", "A text for /bin/sh, with $ROLLCALL_FILE or $ROLLCALL_TREE.", place(shellText),
			func(c *checkEntry) *placed[string] { return &c.sh }),
		key("timeout", "How long one run may take (default: 1m for a file, 10m for the tree).", duration,
			func(c *checkEntry) *time.Duration { return &c.command.timeout }),
		key("version", "A command whose output is part of the tool's version (default: the program's content alone).", pointer(anyCommand),
			func(c *checkEntry) **command { return &c.version }),
		key("max_size", "A larger file is not given to it, and fails (default: no limit).", place(size),
			func(c *checkEntry) *placed[int64] { return &c.maxSize }),
	},
	finish: finishCheck,
}

var markersKeys = keys[rollcall.Markers]{
	fields: []field[rollcall.Markers]{
		key("exclude", "Patterns of files that hold conflict markers on purpose, as in .gitignore, without negation: test data, a manual.",
			notEmpty(patterns), func(m *rollcall.Markers) *[]string { return &m.Exclude }).must(),
	},
}

// finishCheck asks the rules of one check.
func finishCheck(r *reader, v value, c *checkEntry) {
	switch sh, run := c.sh.node != nil, c.run.node != nil; {
	case sh && run:
		r.mistake(v.owner, `%s has both "sh" and "run"; one is enough`, v.subject)
		return
	case !sh && !run:
		r.mistake(v.owner, `%s has neither "sh" nor "run"`, v.subject)
		return
	}
	if c.run.wrong() || c.sh.wrong() || !checkWords(r, c.run.value) {
		return
	}
	c.command.words, c.command.shell = c.run.value, c.sh.value
	of := c.final()
	file, tree := of.Takes(rollcall.CheckFile), of.Takes(rollcall.CheckTree)
	at := firstNode(c.run.node, c.sh.node)
	names := `"{file}" or "{tree}"`
	if c.command.shell != "" {
		names = `"$ROLLCALL_FILE" or "$ROLLCALL_TREE"`
	}
	switch {
	case file && tree:
		r.mistake(at, "a check looks at one file a run or once at the whole tree: leave one of %s out", names)
	case !file && !tree:
		r.mistake(at, "the command must say what it looks at: put %s into it", names)
	case tree && c.files.node != nil:
		r.mistake(c.files.node, `"files" is for checks of one file a run; this one is given the whole tree`)
	case tree && c.maxSize.node != nil:
		r.mistake(c.maxSize.node, `"max_size" is for checks of one file a run; this one is given the whole tree`)
	}
}

// shellSigns in the word that holds the path mean that something reads the word again.
const shellSigns = ";|&<>()`$'\"\\"

// checkWords looks at what stands in braces.
func checkWords(r *reader, words []template) bool {
	const path = "\x00" // no word has one
	vars := map[string]string{rollcall.CheckFile: path, rollcall.CheckTree: path}
	right := true
	for i, w := range words {
		expanded, unknown, err := expandAll(w.text, vars)
		for _, name := range unknown {
			right = false
			message := "unknown variable " + quote("{"+name+"}") + " in a check"
			if near := Nearest(name, slices.Sorted(maps.Keys(vars))); near != "" {
				message += ", did you mean " + quote("{"+near+"}") + "?"
			} else {
				message += `: there are "{file}" and "{tree}"; a brace that stands for itself is written twice`
			}
			r.mistake(w.node, "%s", message)
		}
		switch {
		case err != nil:
			right = false
			r.mistake(w.node, "%v", err)
		case i == 0 && expanded == path:
			// The file itself would be run, and anything of the same content believed.
			right = false
			r.mistake(w.node, "%s can't be the program of a check", quote(w.text))
		case strings.Contains(expanded, path) && strings.ContainsAny(expanded, blank+shellSigns):
			right = false
			r.mistake(w.node, "%s looks as if a shell would take it apart, and a file's name may hold anything: use `sh:` and $ROLLCALL_FILE or $ROLLCALL_TREE", quote(w.text))
		}
	}
	return right
}

func (c checkEntry) final() rollcall.Check {
	done := rollcall.Check{Name: c.name.value, Files: c.files.value, MaxSize: c.maxSize.value, Run: c.command.final(0)}
	if done.Run.Timeout == 0 {
		done.Run.Timeout = commandTimeout
		if done.Takes(rollcall.CheckTree) {
			done.Run.Timeout = buildTimeout
		}
	}
	if c.version != nil {
		version := c.version.final(commandTimeout)
		done.Version = &version
	}
	return done
}

// checks are the checks of a code, each with a name of its own.
var checks = func() kind[[]rollcall.Check] {
	entries := listOf("a list of checks", checkKeys.kind())
	return kind[[]rollcall.Check]{entries.schema, func(r *reader, v value) ([]rollcall.Check, bool) {
		all, ok := entries.read(r, v)
		lines := map[string]int{}
		var done []rollcall.Check
		for _, c := range all {
			done = append(done, c.final())
			if !c.name.ok {
				continue
			}
			switch name, line := c.name.value, c.name.node.Line; {
			case name == rollcall.ConflictMarkers, name == rollcall.Releasable:
				r.mistake(c.name.node, "%s is the check that every code has; give this one another name", quote(name))
			case lines[name] > 0:
				r.mistake(c.name.node, "duplicate check %s, first at line %d", quote(name), lines[name])
			default:
				lines[name] = cmp.Or(line, 1)
			}
		}
		return done, ok
	}}
}()
