package site

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// template is a text in which {name} stands for a variable of a node.
type template struct {
	text  string
	node  *yaml.Node
	want  string                      // what it must be once the variables are in
	check func(expanded string) error // nil: anything
}

// templateOf is a text whose rule is asked of what it becomes on every node, and at
// once where it holds no variables.
func templateOf(want string, check func(expanded string) error) kind[template] {
	base := text(want, func(text string) error {
		if strings.ContainsAny(text, "{}") {
			return nil
		}
		return check(text)
	})
	return kind[template]{base.schema, func(r *reader, v value) (template, bool) {
		got, ok := base.read(r, v)
		return template{got, v.node, want, check}, ok
	}}
}

// allows asks the rule of what the text became on a node.
func (t template) allows(expanded, node string) error {
	if t.check == nil {
		return nil
	}
	err := t.check(expanded)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errPassword):
		return fmt.Errorf("%s, on node %s: %w", quote(t.text), quote(node), err)
	case errors.Is(err, errSaysNothing):
		return fmt.Errorf("%s becomes %s on node %s, which is not %s", quote(t.text), quote(expanded), quote(node), t.want)
	}
	return fmt.Errorf("%s becomes %s on node %s, which is not %s: %w", quote(t.text), quote(expanded), quote(node), t.want, err)
}
