package site

import (
	"errors"
	"fmt"

	"github.com/rollcall-dev/rollcall"
	"go.yaml.in/yaml/v4"
)

// reader goes through a site's files and notes every mistake that it meets.
type reader struct {
	mistakes rollcall.Mistakes
}

// mistake notes what is wrong at a node of rollcall.yaml.
func (r *reader) mistake(n *yaml.Node, format string, args ...any) {
	r.mistakeAt(configFile, n.Line, n.Column, format, args...)
}

func (r *reader) mistakeAt(file string, line, column int, format string, args ...any) {
	r.mistakes = append(r.mistakes, rollcall.Mistake{
		File: file, Line: line, Column: column, Message: fmt.Sprintf(format, args...),
	})
}

// value is a node of rollcall.yaml and where it stands.
type value struct {
	subject string     // as messages name it: `"keep"`, `an item of "exclude"`
	owner   *yaml.Node // the key's node: where something missing is told
	node    *yaml.Node // never an alias
}

func (v value) item(n *yaml.Node) value {
	return value{subject: "an item of " + v.subject, owner: n, node: follow(n)}
}

// follow leads from an alias to what it stands for. What was read has no cycles and no
// more nodes behind aliases than checkAliases allows.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// errSaysNothing is for a value that is wrong in no more interesting way than not being what was wanted.
var errSaysNothing = errors.New("")

// errPassword is for a text that holds one: it is not shown again.
var errPassword = errors.New("a password stands in it; no secret belongs into " + configFile)

// wrong notes that a value is not what its key wants.
func (r *reader) wrong(v value, want string, err error) {
	if errors.Is(err, errPassword) {
		r.mistake(v.node, "%s is refused: %v", v.subject, err)
		return
	}
	message := fmt.Sprintf("%s must be %s, not %s", v.subject, want, describe(v.node))
	if err != nil && !errors.Is(err, errSaysNothing) {
		message += ": " + err.Error()
	}
	r.mistake(v.node, "%s", message)
}

// describe tells what a node is in the words of the person who wrote it.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp", "!!merge":
		return quote(n.Value)
	}
	return quote(n.Value) + " tagged " + rollcall.Printable(n.Tag)
}

// scalarText is the text of a scalar as it stands in the file: a version or a branch
// called 1.10 is meant as written, whatever type YAML would give it.
func scalarText(n *yaml.Node) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		return "", false
	}
	switch n.Tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp", "!!merge":
		return n.Value, true
	}
	return "", false
}
