package site

import (
	"cmp"

	"github.com/rollcall-dev/rollcall"
)

// site makes the nouns of what was read, and asks the rules that concern several
// parts or files.
func (l *loader) site(d draft) *rollcall.Site {
	site := &rollcall.Site{
		Dir:          l.dir,
		Codes:        map[string]*rollcall.Code{},
		Environments: map[string]*rollcall.Environment{},
		SSH:          d.ssh.final(l.dir),
		Channels:     l.channels(d.channels),
	}
	l.checkSSHFiles(d.ssh)
	for _, c := range d.codes {
		code := c.value
		code.Name = c.name
		code.Password.File = within(l.dir, code.Password.File)
		site.Codes[c.name] = &code
	}
	if len(d.tickets) > 0 {
		site.Tickets = map[string]string{}
	}
	for _, t := range d.tickets {
		site.Tickets[t.name] = t.value
	}
	for _, e := range d.environments {
		site.Environments[e.name] = l.environment(e, d, site.Codes)
	}
	requireByDefault(d.environments, site)
	l.checkOneFolderEach(d.environments, site)
	return site
}

// requireByDefault says what a tree must have passed where the site says nothing: what is
// promoted on a desk is checked there, and tried where there is a place to.
func requireByDefault(environments []named[environment], site *rollcall.Site) {
	staging := map[*rollcall.Code]bool{}
	for _, env := range site.Environments {
		if env.From == rollcall.FromCandidate {
			staging[env.Code] = true
		}
	}
	for _, e := range environments {
		env := site.Environments[e.name]
		if env.Code != nil && e.value.require.node == nil && env.From == "" && env.Code.Promotes() && staging[env.Code] {
			env.Require = []rollcall.Requirement{rollcall.RequireChecks, rollcall.RequireStaged}
		}
	}
}

// environment goes from the nodes file to tiers, from tiers to nodes, and then looks
// at the nodes together.
func (l *loader) environment(e named[environment], d draft, codes map[string]*rollcall.Code) *rollcall.Environment {
	l.checkSSHFiles(e.value.ssh)
	env := &rollcall.Environment{
		Name:      e.name,
		Code:      codes[l.codeOf(e, namesOf(d.codes))],
		NodesFile: cmp.Or(e.value.nodes.value, "nodes/"+e.name),
		Keep:      e.value.keep,
		Limits:    e.value.limits,
		OnFailure: e.value.onFailure.value,
		Layout:    rollcall.Layout(e.value.layout.value),
		Announce:  l.announced(e.value.announce, d.channels),
	}
	env.Mode, env.Group = e.value.mode.value, e.value.group
	if e.value.from.ok {
		env.From, env.Desk = e.value.from.value, cmp.Or(e.value.desk.value, rollcall.DeskName)
	}
	for _, r := range e.value.require.value {
		env.Require = append(env.Require, r.value)
	}
	for _, link := range e.value.link {
		env.Link = append(env.Link, link.value)
	}
	ssh := e.value.ssh.under(d.ssh)
	if e.value.ssh != nil {
		env.SSH = ssh.final(l.dir)
	}
	inv := l.inventory(e, env.NodesFile)
	if inv.Inventory == nil || e.value.tiers.wrong() {
		return env
	}
	var found []placedNode
	for i, t := range l.rolling(e, inv) {
		nodes := l.nodes(inv.Inventory, t, i, ssh)
		l.checkVariables(nodes, t.rules.templates())
		l.checkService(t, len(nodes))
		env.Tiers = append(env.Tiers, t.rules.final(t.Name))
		found = append(found, nodes...)
	}
	l.checkFolders(e, inv.Inventory, found)
	env.Before, env.After = l.hooks(e.value.before, found), l.hooks(e.value.after, found)
	for _, n := range found {
		n.Layout, n.Become = env.Layout, e.value.become.ok
		tier := env.Tiers[n.tier]
		tier.Nodes = append(tier.Nodes, n.Node)
	}
	return env
}

// codeOf tells which code an environment is for.
func (l *loader) codeOf(e named[environment], codes []string) string {
	named := e.value.code
	switch {
	case named.wrong() || len(codes) == 0:
		return ""
	case named.node == nil && len(codes) == 1:
		return codes[0]
	case named.node == nil:
		l.mistake(e.node, `"code" is missing under %s: which of %s rolls here?`, quote(e.name), list(codes))
		return ""
	}
	for _, name := range codes {
		if name == named.value {
			return name
		}
	}
	l.mistake(named.node, "%s", unknown("code", named.value, codes))
	return ""
}
