package site

import (
	"bytes"
	"encoding/json"
)

// schema is a JSON Schema whose members stay in the order in which they are written.
type schema []member

type member struct {
	name  string
	value any
}

// definition is a schema that stands once under $defs and is referred to.
type definition struct {
	name string
	of   schema
}

// Schema is the JSON Schema (draft 2020-12) of rollcall.yaml that editors use. It
// describes what this version accepts, not what the design has for later.
func Schema() []byte {
	root := schema{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "rollcall.yaml"},
		{"description", "What rolls, from which version control, to which nodes, by which rules."},
	}
	root = append(root, siteKind.schema...)
	defs := definitions{}
	defs.collect(root)
	root = append(root, member{"$defs", schema(defs)})

	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		panic(err) // the tables hold nothing that JSON lacks
	}
	return b.Bytes()
}

// definitions gathers what a schema refers to, each once, in the order of their first use.
type definitions schema

func (d *definitions) collect(value any) {
	switch value := value.(type) {
	case schema:
		for _, m := range value {
			d.collect(m.value)
		}
	case []schema:
		for _, s := range value {
			d.collect(s)
		}
	case definition:
		for _, m := range *d {
			if m.name == value.name {
				return
			}
		}
		*d = append(*d, member{value.name, value.of})
		d.collect(value.of)
	}
}

func (d definition) MarshalJSON() ([]byte, error) { return json.Marshal("#/$defs/" + d.name) }

func (s schema) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, m := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := e.Encode(m.name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := e.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
