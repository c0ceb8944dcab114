package site

import "github.com/rollcall-dev/rollcall"

const defaultKeep = 5

// environment is an environment as it was read.
type environment struct {
	code, nodes placed[string]
	to          placed[template]
	layout      string
	link        []placed[string]
	keep        int
	tiers       placed[[]named[tier]]
	limits      rollcall.Limits
	onFailure   rollcall.OnFailure
	ssh         *ssh
}

var environmentKeys = keys[environment]{
	fields: []field[environment]{
		key("code", "Which code rolls here (may be left out where the site has only one).", place(nameText),
			func(e *environment) *placed[string] { return &e.code }),
		key("nodes", "The nodes file, from the site's folder (default: nodes/ and the environment's name).", place(nodesPath),
			func(e *environment) *placed[string] { return &e.nodes }),
		key("to", "The folder on the nodes that releases are kept beneath; {name} and other variables are expanded.",
			place(targetFolder), func(e *environment) *placed[template] { return &e.to }).must(),
		key("layout", "How a release lies in the folder (default: releases).", choice([]string{"releases"}, []string{"inplace"}),
			func(e *environment) *string { return &e.layout }),
		key("link", "Paths that are the node's own, linked from its shared/ folder, never sent.",
			listOf("a list of paths", linkPath), func(e *environment) *[]placed[string] { return &e.link }),
		key("keep", "How many releases stay on a node (default: 5).", integer("a whole number of at least 2", 2, 10_000),
			func(e *environment) *int { return &e.keep }),
		key("tiers", "Which sections of the nodes file roll, and by which rules; their order is the file's (default: every section).",
			place(namesTo("a tier", tierKeys.kind())), func(e *environment) *placed[[]named[tier]] { return &e.tiers }),
		key("limits", "How many nodes may be missed.", limitsKeys.kind(),
			func(e *environment) *rollcall.Limits { return &e.limits }),
		key("on_failure", "What happens when a node does not pass (default: rollback).",
			choice([]rollcall.OnFailure{rollcall.FailureRollback, rollcall.FailureStop}, []rollcall.OnFailure{"pause"}),
			func(e *environment) *rollcall.OnFailure { return &e.onFailure }),
		key("ssh", "How these nodes are reached; what is not said here is as for the site.", pointer(sshKind),
			func(e *environment) **ssh { return &e.ssh }),
	},
	later: []string{
		"from", "confirm", "before", "after", "announce", "require", "refresh", "mode", "group", "become",
	},
	finish: func(r *reader, _ value, e *environment) {
		if e.keep == 0 {
			e.keep = defaultKeep
		}
		if e.onFailure == "" {
			e.onFailure = rollcall.FailureRollback
		}
		r.checkLinks(e.link)
	},
}

var limitsKeys = keys[rollcall.Limits]{
	fields: []field[rollcall.Limits]{
		key("unreachable", "How many nodes may be out of reach (default: 0).", limit,
			func(l *rollcall.Limits) *rollcall.Quantity { return &l.Unreachable }),
		key("broken", "How many nodes may have a fault of their own (default: 0).", limit,
			func(l *rollcall.Limits) *rollcall.Quantity { return &l.Broken }),
	},
	later: []string{"failed"},
}

// nameText is a name that stands somewhere else as a key.
var nameText = text("a name", func(string) error { return nil })
