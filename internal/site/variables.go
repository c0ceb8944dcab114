package site

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
	"go.yaml.in/yaml/v4"
)

// checkVariables expands texts for every node, as will be done when it rolls.
func (l *loader) checkVariables(nodes []placedNode, texts []template) {
	lacking := map[lack]*lacks{}
	var order []lack
	for _, t := range texts {
		if !strings.ContainsAny(t.text, "{}") {
			continue
		}
		broken := false
		for _, n := range nodes {
			vars := n.Variables()
			expanded, unknown, err := expandAll(t.text, vars)
			for _, name := range unknown {
				at := lack{t.node, name}
				if lacking[at] == nil {
					lacking[at] = &lacks{variable: name, node: n.Name, of: map[string]bool{}}
					order = append(order, at)
				}
				lacking[at].add(n)
			}
			if err == nil && len(unknown) == 0 {
				err = t.allows(expanded, n.Name)
			}
			if err != nil && !broken {
				broken = true // once a text: the next node would say the same
				l.mistake(t.node, "%v", err)
			}
		}
	}
	for _, at := range order {
		l.mistake(at.text, "%s", lacking[at].message())
	}
}

// lack is a variable that a text names.
type lack struct {
	text     *yaml.Node
	variable string
}

// lacks are the nodes that lack it.
type lacks struct {
	variable   string
	node, near string          // the first node, and what was likely meant
	of         map[string]bool // all of them
}

// nearestNodes bounds how many nodes are asked for a variable with a similar name.
const nearestNodes = 100

// add counts a node, and looks among the variables that it has.
func (n *lacks) add(node placedNode) {
	n.of[node.Name] = true
	if n.near == "" && len(n.of) <= nearestNodes {
		n.near = Nearest(n.variable, slices.Sorted(maps.Keys(node.Variables())))
	}
}

func (n *lacks) message() string {
	message := "unknown variable " + quote("{"+n.variable+"}") + " for node " + quote(n.node)
	if more := len(n.of) - 1; more == 1 {
		message += " and 1 more"
	} else if more > 1 {
		message += fmt.Sprintf(" and %d more", more)
	}
	switch {
	case n.near != "":
		return message + ", did you mean " + quote("{"+n.near+"}") + "?"
	case !variableName.MatchString(n.variable):
		return message + "; a brace that stands for itself is written twice"
	}
	return message
}

// expandAll expands a text, and goes on where a variable is unknown to find all that are.
func expandAll(text string, vars map[string]string) (expanded string, unknown []string, err error) {
	for {
		expanded, err = rollcall.Expand(text, vars)
		var u *rollcall.UnknownVariable
		if !errors.As(err, &u) {
			return expanded, unknown, err
		}
		unknown = append(unknown, u.Name)
		vars = maps.Clone(vars)
		vars[u.Name] = ""
	}
}
