package site

import (
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
	"go.yaml.in/yaml/v4"
)

// How long commands may take where the site does not say.
const (
	buildTimeout   = 10 * time.Minute
	commandTimeout = time.Minute
)

const (
	wantCommand = "a command: a text, a list of words, {sh: …} or {run: …}"
	wantOne     = "a command: a text, {sh: …} or {run: …}"
	wantWords   = "a text or a list of words"
)

// command is a command as it was read. Its words are templates, because they know
// where they stand; a shell's text is none, since variables reach a shell otherwise.
type command struct {
	words   []template
	shell   string
	timeout time.Duration
}

func (c command) final(timeout time.Duration) rollcall.Command {
	done := rollcall.Command{Shell: c.shell, Timeout: c.timeout}
	for _, w := range c.words {
		done.Args = append(done.Args, w.text)
	}
	if done.Timeout == 0 {
		done.Timeout = timeout
	}
	return done
}

// commandForm is the mapping form of a command.
type commandForm struct {
	sh      placed[string]
	run     placed[[]template]
	timeout time.Duration
}

var commandKeys = keys[commandForm]{
	fields: []field[commandForm]{
		key("sh", "A text for /bin/sh. Variables of the node are in its environment.", place(shellText),
			func(c *commandForm) *placed[string] { return &c.sh }),
		key("run", "The program and its arguments: a text that is split by its quotes alone, or a list.", place(commandWords),
			func(c *commandForm) *placed[[]template] { return &c.run }),
		key("timeout", "How long it may take (default: 10m for a build, 1m for others).", duration,
			func(c *commandForm) *time.Duration { return &c.timeout }),
	},
	finish: func(r *reader, v value, c *commandForm) {
		switch sh, run := c.sh.node != nil, c.run.node != nil; {
		case sh && run:
			r.mistake(v.owner, `%s has both "sh" and "run"; one is enough`, v.subject)
		case !sh && !run:
			r.mistake(v.owner, `%s has neither "sh" nor "run"`, v.subject)
		}
	},
}

var shellText = scalar("a text for /bin/sh", schema{{"type", "string"}}, func(text string) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "", errSaysNothing
	}
	return text, checkNoZero(text)
})

func checkNoZero(text string) error {
	if strings.IndexByte(text, 0) >= 0 {
		return fmt.Errorf("it holds a zero byte")
	}
	return nil
}

// commandLine is a text that is split into words.
var commandLine = kind[[]template]{schema{{"type", "string"}}, func(r *reader, v value) ([]template, bool) {
	text, ok := scalarText(v.node)
	if !ok {
		r.wrong(v, wantWords, nil)
		return nil, false
	}
	words, err := SplitWords(text)
	if err != nil {
		r.wrong(v, "a command", err)
		return nil, false
	}
	if len(words) == 0 || words[0] == "" {
		r.wrong(v, "a command", fmt.Errorf("it names no program"))
		return nil, false
	}
	all := make([]template, len(words))
	for i, w := range words {
		all[i] = template{text: w, node: v.node}
	}
	return all, true
}}

// commandList is a list of words; one may be empty, except for the first.
var commandList = notEmpty(listOf(wantWords, kind[template]{
	schema{{"type", []string{"string", "number", "boolean"}}},
	func(r *reader, v value) (template, bool) {
		text, ok := scalarText(v.node)
		err := checkNoZero(text)
		if !ok || err != nil {
			r.wrong(v, "a word", err)
		}
		return template{text: text, node: v.node}, ok && err == nil
	},
}))

// commandWords is either form.
var commandWords = kind[[]template]{
	schema{{"anyOf", []schema{commandLine.schema, commandList.schema}}},
	func(r *reader, v value) ([]template, bool) {
		if v.node.Kind != yaml.SequenceNode {
			return commandLine.read(r, v)
		}
		words, ok := commandList.read(r, v)
		if ok && words[0].text == "" {
			r.wrong(v, "a command", fmt.Errorf("it names no program"))
			return nil, false
		}
		return words, ok
	},
}

var (
	// anyCommand is a command where one is wanted.
	anyCommand = define("command", commandOf(wantCommand, commandWords))
	// listedCommand is a command where several may stand in a list: there a list of
	// words would be taken for a list of commands.
	listedCommand = define("listedCommand", commandOf(wantOne, commandLine))
)

// commandOf reads a command whose short form is given, or the mapping.
func commandOf(want string, short kind[[]template]) kind[command] {
	read := func(r *reader, v value) (command, bool) {
		switch {
		case v.node.Kind == yaml.MappingNode:
			form, ok := commandKeys.read(r, v)
			ok = ok && form.sh.ok != form.run.ok
			return command{form.run.value, form.sh.value, form.timeout}, ok
		case v.node.Kind == yaml.SequenceNode && want == wantOne:
			r.wrong(v, want, fmt.Errorf("write {run: [program, argument]} for a list of words"))
			return command{}, false
		case v.node.Kind == yaml.ScalarNode && v.node.Tag == "!!null":
			r.wrong(v, want, nil)
			return command{}, false
		}
		words, ok := short.read(r, v)
		return command{words: words}, ok
	}
	return kind[command]{schema{{"anyOf", []schema{short.schema, commandKeys.kind().schema}}}, read}
}
