package site

import (
	"regexp"
	"strconv"
	"strings"
)

// The names by which Inventory knows how a host is reached.
const (
	addressVar = "address"
	portVar    = "port"
	userVar    = "user"
)

// ansibleNames are Ansible's, with those of its first versions.
var ansibleNames = map[string]string{
	"ansible_host":     addressVar,
	"ansible_ssh_host": addressVar,
	"ansible_port":     portVar,
	"ansible_ssh_port": portVar,
	"ansible_user":     userVar,
	"ansible_ssh_user": userVar,
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

func canonical(name string) string {
	if ours, ok := ansibleNames[name]; ok {
		return ours
	}
	return name
}

// set sets a variable. The last wins, as with Ansible, but two spellings that say
// different things may not have been meant as one: port=8080 ansible_port=22.
func (p *inventoryParser) set(vars map[string]*Var, name string, v *Var) {
	if before := vars[name]; before != nil && before.Key != v.Key && before.Value != v.Value {
		p.mistakeAt(p.file, v.Line, v.Column, "%s says %s, but %s said %s at line %d; take one out",
			v.Key, quote(v.Value), before.Key, quote(before.Value), before.Line)
		return
	}
	vars[name] = v
}

// variable takes a line of [name:vars].
func (p *inventoryParser) variable(line string, begin int) {
	name, text, ok := strings.Cut(line, "=")
	name = strings.TrimRight(name, " \t")
	switch {
	case !ok:
		p.wrong(begin, "expected key = value, not %s", quote(line))
	case !variableName.MatchString(name):
		p.wrong(begin, "%s is no name for a variable", quote(name))
	default:
		p.set(p.section.Vars, canonical(name), &Var{
			Key: name, Value: variableValue(text), Line: p.line, Column: p.column(begin),
		})
	}
}

// variableValue takes quotes only off a value that they hold as a whole: what stands
// here is often a list or a mapping of Python with quotes of its own.
func variableValue(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' || text[0] == ';' {
		return ""
	}
	if text[0] == '\'' || text[0] == '"' {
		if words, err := cut(text, true); err == nil && len(words) == 1 {
			return words[0].text
		}
	}
	for i := 1; i < len(text); i++ {
		if (text[i] == '#' || text[i] == ';') && strings.IndexByte(blank, text[i-1]) >= 0 {
			return strings.TrimSpace(text[:i])
		}
	}
	return text
}

// priorityVar orders sections of the same depth.
const priorityVar = "ansible_group_priority"

func (s *Section) priority() int {
	if v := s.Vars[priorityVar]; v != nil {
		if number, err := strconv.Atoi(v.Value); err == nil {
			return number
		}
	}
	return 1
}
