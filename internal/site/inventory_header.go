package site

import (
	"regexp"
	"strings"
)

var headerLine = regexp.MustCompile(`^\[([^\]]*)\][ \t]*([#;].*)?$`)

// header takes a line such as [name], [name:children] or [name:vars].
func (p *inventoryParser) header(line string, begin int) {
	p.state = inNothing
	m := headerLine.FindStringSubmatch(line)
	if m == nil {
		p.wrong(begin, "%s is no header of a section, expected [name], [name:children] or [name:vars]", quote(line))
		return
	}
	name, is, hasKind := strings.Cut(m[1], ":")
	if !validName.MatchString(name) {
		p.wrong(begin+1, "%s is no name for a section: %s", quote(name), nameRule)
		return
	}
	s := p.named(name)
	at := begin + 1
	switch {
	case !hasKind || is == "hosts":
		p.state = inHosts
		p.declare(s, at)
	case is == "children":
		p.state = inChildren
		p.declare(s, at)
	case is == "vars":
		p.state = inVars
		p.vars = append(p.vars, reference{to: s, line: p.line, column: p.column(at)})
	default:
		p.wrong(at+len(name)+1, "%s", unknown("kind of section", is, []string{"children", "vars"}))
		return
	}
	p.section = s
}

// bracketsIPv6 tells an address such as [2001:db8::1] from a header.
func bracketsIPv6(line string) bool {
	end := strings.IndexByte(line, ']')
	return end > 0 && isIPv6(line[1:end])
}

// child takes a line of [name:children].
func (p *inventoryParser) child() {
	words, err := cut(p.text, true)
	switch {
	case err != nil:
		p.cutFailed(err)
		return
	case len(words) > 1:
		p.wrong(words[1].begin, "expected one section a line, not %s too", quote(words[1].text))
		return
	}
	name, at := words[0].text, words[0].begin
	switch {
	case !validName.MatchString(name):
		p.wrong(at, "%s is no name for a section: %s", quote(name), nameRule)
	case name == allSection:
		p.wrong(at, "%q holds every host and stands beneath no section", allSection)
	default:
		p.children = append(p.children, reference{p.section, p.named(name), p.line, p.column(at)})
	}
}
