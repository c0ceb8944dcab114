package site

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rollcall-dev/rollcall"
	"go.yaml.in/yaml/v4"
)

// kind is a sort of value: how a V is read, and how editors are told of it. read
// notes what is wrong and then returns false.
type kind[V any] struct {
	schema schema
	read   func(r *reader, v value) (V, bool)
}

// scalar is a value written as one word or text. want completes "must be …"; parse's
// error says more of why a text is none.
func scalar[V any](want string, s schema, parse func(text string) (V, error)) kind[V] {
	return kind[V]{s, func(r *reader, v value) (V, bool) {
		var none V
		text, ok := scalarText(v.node)
		if !ok {
			r.wrong(v, want, nil)
			return none, false
		}
		out, err := parse(text)
		if err != nil {
			r.wrong(v, want, err)
			return none, false
		}
		return out, true
	}}
}

// text is a scalar that stays a text, with a rule.
func text(want string, check func(text string) error) kind[string] {
	return scalar(want, schema{{"type", "string"}}, func(text string) (string, error) {
		if text == "" {
			return "", errSaysNothing
		}
		if err := checkNoControl(text); err != nil {
			return "", err
		}
		return text, check(text)
	})
}

// checkNoControl also refuses what makes a text read otherwise than it is (CVE-2021-42574).
func checkNoControl(text string) error {
	if rollcall.Printable(text) != text {
		return fmt.Errorf("it has a control character")
	}
	return nil
}

var boolean = kind[bool]{schema{{"type", "boolean"}}, func(r *reader, v value) (bool, bool) {
	if v.node.Kind != yaml.ScalarNode || v.node.Tag != "!!bool" {
		r.wrong(v, "true or false", nil)
		return false, false
	}
	return strings.EqualFold(v.node.Value, "true"), true
}}

// integer is a whole number; a quoted one is a text.
func integer(want string, low, high int) kind[int] {
	return kind[int]{
		schema{{"type", "integer"}, {"minimum", low}, {"maximum", high}},
		func(r *reader, v value) (int, bool) {
			number, err := strconv.Atoi(v.node.Value)
			switch right := err == nil && v.node.Kind == yaml.ScalarNode && low <= number && number <= high; {
			case !right:
				r.wrong(v, want, nil)
			case v.node.Tag != "!!int":
				r.wrong(v, want, fmt.Errorf("take the quotes off"))
			default:
				return number, true
			}
			return 0, false
		},
	}
}

// choice is one of a few words; later are those of the design that this version has not.
func choice[V ~string](now, later []V) kind[V] {
	words := make([]string, len(now))
	for i, word := range now {
		words[i] = string(word)
	}
	read := func(r *reader, v value) (V, bool) {
		text, ok := scalarText(v.node)
		for _, word := range now {
			if ok && text == string(word) {
				return word, true
			}
		}
		for _, word := range later {
			if ok && text == string(word) {
				r.mistake(v.node, notBuilt, text)
				return "", false
			}
		}
		var err error
		if near := Nearest(text, words); near != "" {
			err = fmt.Errorf("did you mean %q?", near)
		}
		quoted := strings.Split(list(words), ", ")
		r.wrong(v, strings.Join(quoted, " or "), err)
		return "", false
	}
	return kind[V]{schema{{"enum", words}}, read}
}

// listOf is a list, which may be empty.
func listOf[V any](want string, of kind[V]) kind[[]V] {
	read := func(r *reader, v value) ([]V, bool) {
		if v.node.Kind != yaml.SequenceNode {
			r.wrong(v, want, nil)
			return nil, false
		}
		all, right := make([]V, 0, len(v.node.Content)), true
		for _, n := range v.node.Content {
			one, ok := of.read(r, v.item(n))
			right = right && ok
			all = append(all, one)
		}
		return all, right
	}
	return kind[[]V]{schema{{"type", "array"}, {"items", of.schema}}, read}
}

// notEmpty refuses a list without items.
func notEmpty[V any](k kind[[]V]) kind[[]V] {
	return kind[[]V]{append(schema{{"minItems", 1}}, k.schema...), func(r *reader, v value) ([]V, bool) {
		all, ok := k.read(r, v)
		if ok && len(all) == 0 {
			r.mistake(v.node, "%s is an empty list; take it out or put something in", v.subject)
			return nil, false
		}
		return all, ok
	}}
}

// oneOrMany is a value or a list of such values.
func oneOrMany[V any](one kind[V]) kind[[]V] {
	many := listOf("", one)
	read := func(r *reader, v value) ([]V, bool) {
		if v.node.Kind == yaml.SequenceNode {
			return many.read(r, v)
		}
		single, ok := one.read(r, v)
		return []V{single}, ok
	}
	return kind[[]V]{schema{{"anyOf", []schema{one.schema, many.schema}}}, read}
}

// convert makes another type of what a kind reads.
func convert[A, B any](k kind[A], to func(A) B) kind[B] {
	return kind[B]{k.schema, func(r *reader, v value) (B, bool) {
		a, ok := k.read(r, v)
		if !ok {
			var none B
			return none, false
		}
		return to(a), true
	}}
}

// pointer tells an absent value from an empty one.
func pointer[V any](k kind[V]) kind[*V] {
	return convert(k, func(v V) *V { return &v })
}

// define gives a kind a name in the JSON Schema, where it would stand many times.
func define[V any](name string, k kind[V]) kind[V] {
	return kind[V]{schema{{"$ref", definition{name, k.schema}}}, k.read}
}

// placed is a value with the node that it was read from, for the rules that are asked
// once everything has been read. With a node and ok unset it was there, but wrong.
type placed[V any] struct {
	value V
	node  *yaml.Node
	ok    bool
}

// wrong tells whether the value was given and has been complained of already.
func (p placed[V]) wrong() bool { return p.node != nil && !p.ok }

func place[V any](k kind[V]) kind[placed[V]] {
	return kind[placed[V]]{k.schema, func(r *reader, v value) (placed[V], bool) {
		got, ok := k.read(r, v)
		return placed[V]{got, v.node, ok}, true
	}}
}
