package site

import (
	"slices"

	"github.com/rollcall-dev/rollcall"
)

// resolve joins what the lines said of each other.
func (p *inventoryParser) resolve() {
	p.checkReferences()
	p.joinChildren()
	p.addImplied()
	for _, s := range p.inv.Sections {
		s.measure()
	}
}

func (p *inventoryParser) checkReferences() {
	names := make([]string, len(p.inv.Sections))
	for i, s := range p.inv.Sections {
		names[i] = s.Name
	}
	for _, ref := range slices.Concat(p.children, p.vars) {
		if name := ref.to.Name; !ref.to.declared && name != allSection && name != ungrouped {
			p.mistakeAt(p.file, ref.line, ref.column, "%s", unknown("section", name, names))
		}
	}
}

// joinChildren links sections that stand above others, leaving out what would make a circle.
func (p *inventoryParser) joinChildren() {
	below := map[*Section][]reference{}
	for _, ref := range p.children {
		if ref.to.declared {
			below[ref.from] = append(below[ref.from], ref)
		}
	}
	const (
		entered = 1
		left    = 2
	)
	state := map[*Section]int{}
	var visit func(s *Section)
	visit = func(s *Section) {
		state[s] = entered
		for _, ref := range below[s] {
			if state[ref.to] == entered {
				p.mistakes = append(p.mistakes, rollcall.Mistake{
					File: p.file, Line: ref.line, Column: ref.column,
					Message: "section " + quote(ref.to.Name) + " would stand beneath itself",
				})
				continue
			}
			if !slices.Contains(ref.to.parents, s) {
				s.Children = append(s.Children, ref.to)
				ref.to.parents = append(ref.to.parents, s)
			}
			if state[ref.to] != left {
				visit(ref.to)
			}
		}
		state[s] = left
	}
	for _, s := range p.inv.Sections {
		if state[s] == 0 {
			visit(s)
		}
	}
}

// addImplied adds the two sections that every inventory has. It makes of the lines before the first header, and of hosts that only
// [all] names, what Ansible does: a host of any other section is not ungrouped.
func (p *inventoryParser) addImplied() {
	s := p.named(ungrouped)
	var entries []Entry
	known := map[*Host]bool{}
	for _, from := range p.inv.Sections {
		if from.Name != allSection && from != s {
			continue
		}
		for _, e := range from.Hosts {
			elsewhere := slices.ContainsFunc(e.Host.sections, func(o *Section) bool {
				return o.Name != allSection && o != s
			})
			if !elsewhere && !known[e.Host] {
				known[e.Host] = true
				entries = append(entries, e)
			}
		}
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Line - b.Line })
	for _, e := range s.Hosts {
		e.Host.sections = slices.DeleteFunc(e.Host.sections, func(o *Section) bool { return o == s })
	}
	s.Hosts = entries
	for _, e := range entries {
		e.Host.sections = append(e.Host.sections, s)
	}
	if !s.declared && len(entries) > 0 {
		s.declared, s.Line, s.Column = true, entries[0].Line, entries[0].Column
		p.inv.Sections = slices.Insert(p.inv.Sections, 0, s)
	}
	if all := p.named(allSection); !all.declared {
		all.declared, all.Line, all.Column = true, 1, 1
		p.inv.Sections = slices.Insert(p.inv.Sections, 0, all)
	}
}

// measure counts how many sections lie above one, by the longest way.
func (s *Section) measure() int {
	if s.Name == allSection {
		return 0
	}
	if s.depth == 0 {
		s.depth = 1
		for _, parent := range s.parents {
			s.depth = max(s.depth, parent.measure()+1)
		}
	}
	return s.depth
}
