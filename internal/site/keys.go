package site

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

const notBuilt = "%q is not built yet in this version; take it out"

// keys is the table of what a mapping may hold, and the one place that says so:
// reading, suggestions and the JSON Schema follow it.
type keys[T any] struct {
	fields []field[T]
	later  []string // in the design, refused by this version
	oneOf  []string // of these there must be exactly one
	// finish fills defaults and asks the rules that concern several keys.
	finish func(r *reader, v value, into *T)
}

// field is one key of a mapping that fills a T.
type field[T any] struct {
	name     string
	doc      string
	required bool
	schema   schema
	read     func(r *reader, v value, into *T)
}

// key is a field whose value a kind reads into a place of T.
func key[T, V any](name, doc string, k kind[V], at func(*T) *V) field[T] {
	return field[T]{name: name, doc: doc, schema: k.schema, read: func(r *reader, v value, into *T) {
		if got, ok := k.read(r, v); ok {
			*at(into) = got
		}
	}}
}

func (f field[T]) must() field[T] {
	f.required = true
	return f
}

// kind is the mapping that the table describes.
func (k *keys[T]) kind() kind[T] {
	return kind[T]{k.schema(), k.read}
}

func (k *keys[T]) read(r *reader, v value) (T, bool) {
	var into T
	pairs, ok := r.pairs(v)
	if !ok {
		return into, false
	}
	seen := map[string]bool{}
	for _, p := range pairs {
		name := p.key.Value
		seen[name] = true
		if f := k.find(name); f != nil {
			f.read(r, value{subject: quote(name), owner: p.key, node: p.value}, &into)
		} else {
			r.mistake(p.key, "%s", k.refusal(name))
		}
	}
	for _, f := range k.fields {
		if f.required && !seen[f.name] {
			r.missing(v, f.name)
		}
	}
	k.readOneOf(r, v, pairs)
	if k.finish != nil {
		k.finish(r, v, &into)
	}
	return into, true
}

func (k *keys[T]) readOneOf(r *reader, v value, pairs []pair) {
	var given []*yaml.Node
	for _, p := range pairs {
		if slices.Contains(k.oneOf, p.key.Value) {
			given = append(given, p.key)
		}
	}
	switch {
	case len(k.oneOf) == 0 || len(given) == 1:
	case len(given) == 0:
		r.mistake(v.owner, "%s is missing under %s", strings.Join(quoteAll(k.oneOf), " or "), v.subject)
	default:
		r.mistake(given[1], "%s has %q already; take one out", v.subject, given[0].Value)
	}
}

func quoteAll(words []string) []string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = quote(word)
	}
	return quoted
}

// key is the key of a mapping that is called so, or nil.
func (v value) key(name string) *yaml.Node {
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		if k := follow(v.node.Content[i]); k.Value == name {
			return k
		}
	}
	return nil
}

func (r *reader) missing(v value, name string) {
	if v.subject == "" {
		r.mistake(v.owner, "%q is missing", name)
		return
	}
	r.mistake(v.owner, "%q is missing under %s", name, v.subject)
}

func (k *keys[T]) find(name string) *field[T] {
	for i := range k.fields {
		if k.fields[i].name == name {
			return &k.fields[i]
		}
	}
	return nil
}

func (k *keys[T]) refusal(name string) string {
	for _, later := range k.later {
		if later == name {
			return fmt.Sprintf(notBuilt, name)
		}
	}
	names := make([]string, len(k.fields))
	for i, f := range k.fields {
		names[i] = f.name
	}
	return unknown("key", name, names)
}

func (k *keys[T]) schema() schema {
	var properties schema
	var required []string
	for _, f := range k.fields {
		properties = append(properties, member{f.name, append(schema{{"description", f.doc}}, f.schema...)})
		if f.required {
			required = append(required, f.name)
		}
	}
	if len(required) > 0 {
		return schema{
			{"type", "object"},
			{"properties", properties},
			{"required", required},
			{"additionalProperties", false},
		}
	}
	if len(k.oneOf) > 0 {
		var choices []schema
		for _, name := range k.oneOf {
			choices = append(choices, schema{{"required", []string{name}}})
		}
		return schema{
			{"type", "object"},
			{"properties", properties},
			{"oneOf", choices},
			{"additionalProperties", false},
		}
	}
	return schema{
		{"type", []string{"object", "null"}},
		{"properties", properties},
		{"additionalProperties", false},
	}
}

// pair is one entry of a mapping; value is never an alias.
type pair struct{ key, value *yaml.Node }

// pairs takes a mapping apart. A key with nothing after it is an empty mapping.
func (r *reader) pairs(v value) ([]pair, bool) {
	if v.node.Kind == yaml.ScalarNode && v.node.Tag == "!!null" {
		return nil, true
	}
	if v.node.Kind != yaml.MappingNode {
		if v.subject == "" {
			r.mistake(v.node, "%s must hold a mapping, not %s", configFile, describe(v.node))
			return nil, false
		}
		r.wrong(v, "a mapping", nil)
		return nil, false
	}
	var pairs []pair
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k := follow(v.node.Content[i])
		name, ok := scalarText(k)
		switch earlier := first[name]; {
		case !ok:
			r.mistake(v.node.Content[i], "a key must be a word, not %s", describe(k))
		case k.Tag == "!!merge":
			r.mistake(k, "merge keys (<<) are not supported; write the keys out, or put an alias in the place of a whole value")
		case earlier != nil:
			r.mistake(k, "duplicate key %s, first at line %d", quote(name), earlier.Line)
		default:
			first[name] = k
			pairs = append(pairs, pair{k, follow(v.node.Content[i+1])})
		}
	}
	return pairs, true
}
