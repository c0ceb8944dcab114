package site

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
)

// document reads the one document that rollcall.yaml may hold. It returns nil where
// the text is no YAML at all.
func (r *reader) document(text []byte) *yaml.Node {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !r.checkText(configFile, text) {
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		r.badYAML(text, err)
		return nil
	}
	var first, second yaml.Node
	switch err := loader.Load(&first); {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: 1, Column: 1}
	case err != nil:
		r.badYAML(text, err)
		return nil
	}
	switch err := loader.Load(&second); {
	case err == nil:
		r.mistake(&second, "a second document begins here; %s holds one", configFile)
		return nil
	case !errors.Is(err, io.EOF):
		r.badYAML(text, err)
		return nil
	}
	if !r.checkAliases(&first) {
		return nil
	}
	return follow(first.Content[0])
}

// badYAML tells of a fault in the syntax, at which the parser stops.
func (r *reader) badYAML(text []byte, err error) {
	var fault *yaml.LoadError
	if !errors.As(err, &fault) {
		r.mistakeAt(configFile, 1, 1, "bad YAML: %v", err)
		return
	}
	line, column := max(fault.Mark.Line, 1), max(fault.Mark.Column, 1)
	message := fault.Message
	switch c := runeAt(text, line, column); {
	case c == '{' && strings.HasPrefix(message, "did not find expected ',' or "):
		message = `a text that holds "{" needs quotes here`
	case !strings.HasPrefix(message, "found character that cannot start"):
	case c == '\t':
		message = "a tab cannot indent; use blanks"
	case c != 0:
		message = "a text cannot begin with " + quote(string(c)) + "; put it in quotes"
	}
	if start := fault.ContextMark; start.Line > 0 && start.Line != line {
		r.mistakeAt(configFile, line, column, "bad YAML: %s (%s that begins at line %d)", message, fault.ContextMsg, start.Line)
		return
	}
	r.mistakeAt(configFile, line, column, "bad YAML: %s", message)
}

func runeAt(text []byte, line, column int) rune {
	lines := strings.SplitAfterN(string(text), "\n", line+1)
	if line > len(lines) {
		return 0
	}
	letters := []rune(lines[line-1])
	if column > len(letters) {
		return 0
	}
	return letters[column-1]
}
