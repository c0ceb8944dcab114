package site

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-dev/rollcall"
)

// Far beyond any fleet; a range is easily written with a digit too many.
const (
	maxNodes = 10_000
	maxVars  = 1_000_000
)

// ParseInventory reads a nodes file. The Inventory holds what could be read, whatever
// the mistakes; file is how they name it.
//
// The form is that of Ansible's ini plugin, with two differences: a ; or # inside of a
// line begins a comment only behind a blank, in every section; and what Ansible would
// silently take the last of (a host twice in one section, two spellings of one setting)
// is a mistake.
func ParseInventory(file string, text []byte) (*Inventory, rollcall.Mistakes) {
	p := &inventoryParser{
		file:  file,
		state: inHosts,
		inv:   &Inventory{File: file, sections: map[string]*Section{}, hosts: map[string]*Host{}},
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if p.checkText(file, text) {
		for line := range strings.Lines(string(text)) {
			p.line++
			p.take(strings.TrimRight(line, " \t\r\n"))
		}
		p.resolve()
	}
	return p.inv, p.mistakes
}

// inventoryParser reads line by line; what sections say of each other is resolved at
// the end, because they may come in any order.
type inventoryParser struct {
	reader
	file     string
	inv      *Inventory
	line     int
	text     string // the line
	section  *Section
	state    lineState
	children []reference
	vars     []reference
	nodes    int // how many entries there are
	full     bool
	settings int // how many variables are set
}

// lineState is what a line of the current section is.
type lineState int

const (
	inHosts lineState = iota
	inChildren
	inVars
	inNothing // beneath a header that could not be read
)

// reference is where a section is named that must exist.
type reference struct {
	from, to     *Section
	line, column int
}

func (p *inventoryParser) take(line string) {
	p.text = line
	trimmed := strings.TrimLeft(line, " \t")
	begin := len(line) - len(trimmed)
	switch {
	case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
	case trimmed[0] == '[' && !bracketsIPv6(trimmed):
		p.header(trimmed, begin)
	case p.state == inHosts:
		p.hosts()
	case p.state == inChildren:
		p.child()
	case p.state == inVars:
		p.variable(trimmed, begin)
	}
}

// wrong notes a mistake at a byte of the current line.
func (p *inventoryParser) wrong(at int, format string, args ...any) {
	p.mistakeAt(p.file, p.line, p.column(at), format, args...)
}

func (p *inventoryParser) column(at int) int {
	return utf8.RuneCountInString(p.text[:at]) + 1
}

// named finds or makes the section of a name.
func (p *inventoryParser) named(name string) *Section {
	s := p.inv.sections[name]
	if s == nil {
		s = &Section{Name: name, Vars: map[string]*Var{}}
		p.inv.sections[name] = s
	}
	return s
}

// declare gives a section its place in the order.
func (p *inventoryParser) declare(s *Section, at int) {
	if !s.declared {
		s.declared, s.Line, s.Column = true, p.line, p.column(at)
		p.inv.Sections = append(p.inv.Sections, s)
	}
}
