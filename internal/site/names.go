package site

import (
	"regexp"

	"go.yaml.in/yaml/v4"
)

// Names of codes, environments and tiers come into paths, branches and commands.
const namePattern = `^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`

var validName = regexp.MustCompile(namePattern)

const nameRule = `a name begins with a letter or digit and holds at most 64 of letters, digits, ".", "_" and "-"`

// named is an entry of a mapping whose keys are names that the site chooses.
type named[V any] struct {
	name  string
	node  *yaml.Node // the name's
	value V
}

// namesTo is a mapping from names to values, kept in the file's order. An entry whose
// value is wrong is kept, so that what refers to its name is not called wrong too.
func namesTo[V any](what string, of kind[V]) kind[[]named[V]] {
	read := func(r *reader, v value) ([]named[V], bool) {
		pairs, ok := r.pairs(v)
		if !ok {
			return nil, false
		}
		all := make([]named[V], 0, len(pairs))
		for _, p := range pairs {
			name := p.key.Value
			if !validName.MatchString(name) {
				r.mistake(p.key, "%s is no name for %s: %s", quote(name), what, nameRule)
			}
			got, _ := of.read(r, value{subject: quote(name), owner: p.key, node: p.value})
			all = append(all, named[V]{name, p.key, got})
		}
		return all, true
	}
	return kind[[]named[V]]{schema{
		{"type", []string{"object", "null"}},
		{"propertyNames", schema{{"pattern", namePattern}}},
		{"additionalProperties", of.schema},
	}, read}
}

// atLeastOne refuses a mapping without names.
func atLeastOne[V any](k kind[[]named[V]]) kind[[]named[V]] {
	read := func(r *reader, v value) ([]named[V], bool) {
		all, ok := k.read(r, v)
		if ok && len(all) == 0 {
			r.mistake(v.owner, "%s names nothing; at least one is needed", v.subject)
			return nil, false
		}
		return all, ok
	}
	return kind[[]named[V]]{append(schema{{"minProperties", 1}}, k.schema...), read}
}

func namesOf[V any](all []named[V]) []string {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = one.name
	}
	return names
}
