package site

import (
	"cmp"
	"slices"
	"strings"
)

// Names that Ansible gives a meaning of their own.
const (
	allSection = "all"       // every host, whether it stands there or not
	ungrouped  = "ungrouped" // the hosts of no other section
)

// Inventory is a nodes file: an Ansible inventory in its INI form, whose order counts.
type Inventory struct {
	File     string
	Sections []*Section // in the order of their first headers
	Hosts    []*Host    // in the order in which they are first named

	sections map[string]*Section // also those that are only referred to
	hosts    map[string]*Host
}

// Section is a part of a nodes file under one name.
type Section struct {
	Name     string
	Line     int
	Column   int
	Hosts    []Entry         // that stand in it itself
	Children []*Section      // from [name:children]
	Vars     map[string]*Var // from [name:vars]

	parents  []*Section
	declared bool // by [name] or [name:children], not only by being referred to
	depth    int  // how many sections lie above it
}

// Entry is a host where it stands in a section.
type Entry struct {
	Host   *Host
	Line   int
	Column int
}

// Host is a host of a nodes file. Several sections may name it.
type Host struct {
	Name string
	Vars map[string]*Var // from all lines that name it; the last wins

	sections []*Section
}

// Var is a variable where it was set. Key is as it is written, while the maps that hold
// a Var know ansible_host, ansible_port, ansible_user and their synonyms by the one name
// address, port or user.
type Var struct {
	Key    string
	Value  string
	Line   int
	Column int
}

// Section finds a section by name, or returns nil.
func (inv *Inventory) Section(name string) *Section {
	if s := inv.sections[name]; s != nil && s.declared {
		return s
	}
	return nil
}

// Entries lists the hosts of a section: its own, then those of its children in their
// order, each once.
func (inv *Inventory) Entries(s *Section) []Entry {
	if s.Name == allSection {
		return inv.everyEntry()
	}
	var all []Entry
	seen := map[*Host]bool{}
	visited := map[*Section]bool{}
	var walk func(s *Section)
	walk = func(s *Section) {
		if visited[s] {
			return
		}
		visited[s] = true
		for _, e := range s.Hosts {
			if !seen[e.Host] {
				seen[e.Host] = true
				all = append(all, e)
			}
		}
		for _, child := range s.Children {
			walk(child)
		}
	}
	walk(s)
	return all
}

func (inv *Inventory) everyEntry() []Entry {
	first := map[*Host]Entry{}
	for _, s := range inv.Sections {
		for _, e := range s.Hosts {
			if before, ok := first[e.Host]; !ok || e.Line < before.Line {
				first[e.Host] = e
			}
		}
	}
	all := make([]Entry, 0, len(inv.Hosts))
	for _, h := range inv.Hosts {
		all = append(all, first[h])
	}
	return all
}

// Rolling lists the sections that roll where an environment names no tiers, each with
// its hosts. A section made of others leaves its hosts to them; hosts of its own that
// none of them has stay with it, so that no host is ever left out.
func (inv *Inventory) Rolling() []RollingSection {
	var all []RollingSection
	for _, s := range inv.Sections {
		if s.Name == allSection {
			continue
		}
		entries := s.Hosts
		if len(s.Children) > 0 {
			below := map[*Host]bool{}
			for _, child := range s.Children {
				for _, e := range inv.Entries(child) {
					below[e.Host] = true
				}
			}
			entries = slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return below[e.Host] })
		}
		if len(entries) > 0 {
			all = append(all, RollingSection{s, entries})
		}
	}
	return all
}

// RollingSection is a section and those of its hosts that roll with it.
type RollingSection struct {
	*Section
	Entries []Entry
}

// Vars are the variables of a host by the precedence of Ansible: its own before those of
// its sections, deeper sections before those above them, [all:vars] last.
func (inv *Inventory) Vars(h *Host) map[string]*Var {
	var above []*Section
	seen := map[*Section]bool{}
	var climb func(s *Section)
	climb = func(s *Section) {
		if seen[s] || s.Name == allSection {
			return
		}
		seen[s] = true
		above = append(above, s)
		for _, parent := range s.parents {
			climb(parent)
		}
	}
	for _, s := range h.sections {
		climb(s)
	}
	slices.SortFunc(above, func(a, b *Section) int {
		return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(a.priority(), b.priority()), strings.Compare(a.Name, b.Name))
	})
	vars := map[string]*Var{}
	if s := inv.sections[allSection]; s != nil {
		above = slices.Insert(above, 0, s)
	}
	for _, s := range above {
		for name, v := range s.Vars {
			vars[name] = v
		}
	}
	for name, v := range h.Vars {
		vars[name] = v
	}
	delete(vars, priorityVar) // says something of sections, not of hosts
	return vars
}
