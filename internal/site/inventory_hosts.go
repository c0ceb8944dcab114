package site

import (
	"errors"
	"slices"
	"strings"
)

// hosts takes a line of hosts: a name, a range of names, and what is set for them.
func (p *inventoryParser) hosts() {
	words, err := cut(p.text, true)
	if err != nil {
		p.cutFailed(err)
		return
	}
	first := words[0]
	if p.section == nil {
		p.section = p.named(ungrouped)
		p.declare(p.section, first.begin)
	}
	names, port, err := expandHosts(first.text, maxNodes-p.nodes)
	switch {
	case errors.Is(err, errTooMany):
		if !p.full {
			p.wrong(first.begin, "more than %d nodes in one file", maxNodes)
		}
		p.full = true
		return
	case err != nil:
		p.wrong(first.begin, "%v", err)
		return
	}
	vars := p.settingsOf(words[1:])
	if port != "" {
		p.set(vars, portVar, &Var{Key: "host:port", Value: port, Line: p.line, Column: p.column(first.begin)})
	}
	p.nodes += len(names)
	if p.settings += len(names) * len(vars); p.settings > maxVars {
		p.wrong(first.begin, "more than %d variables in one file", maxVars)
		return
	}
	for _, name := range names {
		p.enter(name, first.begin, vars)
	}
}

// settingsOf takes the key=value words behind a host.
func (p *inventoryParser) settingsOf(words []word) map[string]*Var {
	vars := map[string]*Var{}
	for _, w := range words {
		name, text, ok := strings.Cut(w.text, "=")
		switch {
		case !ok || name == "":
			p.wrong(w.begin, "expected key=value without blanks around the =, not %s", quote(w.text))
		case !variableName.MatchString(name):
			p.wrong(w.begin, "%s is no name for a variable", quote(name))
		default:
			p.set(vars, canonical(name), &Var{Key: name, Value: text, Line: p.line, Column: p.column(w.begin)})
		}
	}
	return vars
}

// enter puts a host into the current section.
func (p *inventoryParser) enter(name string, at int, vars map[string]*Var) {
	h := p.inv.hosts[name]
	if h == nil {
		h = &Host{Name: name, Vars: map[string]*Var{}}
		p.inv.hosts[name] = h
		p.inv.Hosts = append(p.inv.Hosts, h)
	}
	for key, v := range vars {
		p.set(h.Vars, key, v)
	}
	if slices.Contains(h.sections, p.section) {
		i := slices.IndexFunc(p.section.Hosts, func(e Entry) bool { return e.Host == h })
		p.wrong(at, "node %s stands twice in [%s], first at line %d", quote(name), p.section.Name, p.section.Hosts[i].Line)
		return
	}
	h.sections = append(h.sections, p.section)
	p.section.Hosts = append(p.section.Hosts, Entry{h, p.line, p.column(at)})
}

func (p *inventoryParser) cutFailed(err error) {
	at := 0
	var fault *cutError
	if errors.As(err, &fault) {
		at = fault.offset
	}
	p.wrong(at, "%v", err)
}
