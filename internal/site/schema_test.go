package site

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

// TestSchemaHasEveryKey walks a site that uses every key through the schema.
func TestSchemaHasEveryKey(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Load([]byte(fullConfig), &doc); err != nil {
		t.Fatal(err)
	}
	w := schemaWalk{t: t, root: root, used: map[string]bool{}}
	w.value("", []map[string]any{root}, doc.Content[0])

	// fullConfig has every key, or this test would not have seen all of the schema.
	var keys []string
	collectKeys(siteKind.schema, &keys)
	for _, name := range keys {
		if !w.used[name] {
			t.Errorf("fullConfig does not use %q", name)
		}
	}
}

type schemaWalk struct {
	t    *testing.T
	root map[string]any
	used map[string]bool
}

// forms are the schemas that a value may follow.
func (w schemaWalk) forms(s map[string]any) []map[string]any {
	if ref, ok := s["$ref"].(string); ok {
		defs := w.root["$defs"].(map[string]any)
		of, ok := defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		if !ok {
			w.t.Fatalf("no definition %s", ref)
		}
		return w.forms(of)
	}
	options, ok := s["anyOf"].([]any)
	if !ok {
		return []map[string]any{s}
	}
	var all []map[string]any
	for _, one := range options {
		all = append(all, w.forms(one.(map[string]any))...)
	}
	return all
}

func (w schemaWalk) value(path string, among []map[string]any, n *yaml.Node) {
	n = follow(n)
	var below []map[string]any
	for _, s := range among {
		below = append(below, w.forms(s)...)
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			var next []map[string]any
			for _, s := range below {
				properties, _ := s["properties"].(map[string]any)
				if p, ok := properties[name].(map[string]any); ok {
					w.used[name] = true
					if p["description"] == "" {
						w.t.Errorf("%s.%s has no description", path, name)
					}
					next = append(next, p)
				} else if p, ok := s["additionalProperties"].(map[string]any); ok {
					next = append(next, p)
				}
			}
			if len(next) == 0 {
				w.t.Errorf("the schema lacks %s.%s", path, name)
			}
			w.value(path+"."+name, next, n.Content[i+1])
		}
	case yaml.SequenceNode:
		var next []map[string]any
		for _, s := range below {
			if p, ok := s["items"].(map[string]any); ok {
				next = append(next, p)
			}
		}
		if len(next) == 0 {
			w.t.Errorf("the schema has no list at %s", path)
		}
		for _, item := range n.Content {
			w.value(path+"[]", next, item)
		}
	}
}

// collectKeys lists the keys of the tables behind a schema.
func collectKeys(value any, keys *[]string) {
	switch value := value.(type) {
	case schema:
		for _, m := range value {
			if m.name == "properties" {
				for _, p := range m.value.(schema) {
					*keys = append(*keys, p.name)
				}
			}
			collectKeys(m.value, keys)
		}
	case []schema:
		for _, s := range value {
			collectKeys(s, keys)
		}
	case definition:
		collectKeys(value.of, keys)
	}
}

func TestSchemaNamesNothingNotBuilt(t *testing.T) {
	var keys []string
	collectKeys(siteKind.schema, &keys)
	for _, later := range slices.Concat(siteKeys.later, codeKeys.later, environmentKeys.later, tierKeys.later, limitsKeys.later) {
		if slices.Contains(keys, later) {
			t.Errorf("%q is accepted and said not to be built", later)
		}
	}
}

func TestSchemaOrder(t *testing.T) {
	dec := json.NewDecoder(strings.NewReader(string(Schema())))
	var names []string
	for depth := 0; ; {
		token, err := dec.Token()
		if err != nil {
			break
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				depth++
			} else {
				depth--
			}
		case string:
			if depth == 1 {
				names = append(names, token)
			}
		}
	}
	want := []string{"$schema", "https://json-schema.org/draft/2020-12/schema", "title"}
	if len(names) < 3 || !cmp.Equal(names[:3], want) {
		t.Errorf("the schema begins with %q, want %q", names, want)
	}
}
