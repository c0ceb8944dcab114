package site

import (
	"errors"
	"strconv"
	"strings"

	"github.com/rollcall-dev/rollcall"
	"go.yaml.in/yaml/v4"
)

const defaultKeep = 5

// environment is an environment as it was read.
type environment struct {
	code, nodes placed[string]
	to          placed[template]
	layout      placed[string]
	link        []placed[string]
	keep        int
	tiers       placed[[]named[tier]]
	limits      rollcall.Limits
	onFailure   placed[rollcall.OnFailure]
	ssh         *ssh
	before      []hook
	after       []hook
	announce    []placed[string]
	mode        placed[uint32]
	group       string
	become      placed[string]
	from, desk  placed[string]
	require     placed[[]placed[rollcall.Requirement]]
}

var environmentKeys = keys[environment]{
	fields: []field[environment]{
		key("code", "Which code rolls here (may be left out where the site has only one).", place(nameText),
			func(e *environment) *placed[string] { return &e.code }),
		key("from", "candidate: what rolls here is a desk's tree, to be tried before it is committed (default: the production branch).",
			place(choice([]string{rollcall.FromCandidate}, nil)), func(e *environment) *placed[string] { return &e.from }),
		key("desk", "Of which desk, where a code has several (default: main).", place(deskName),
			func(e *environment) *placed[string] { return &e.desk }),
		key("require", "What a tree must have passed before it rolls here: checks, staged (default: both for a code with a desk and an environment that is from: candidate, else none).",
			place(listOf("a list of checks and staged", place(choice([]rollcall.Requirement{rollcall.RequireChecks, rollcall.RequireStaged}, nil)))),
			func(e *environment) *placed[[]placed[rollcall.Requirement]] { return &e.require }),
		key("nodes", "The nodes file, from the site's folder (default: nodes/ and the environment's name).", place(nodesPath),
			func(e *environment) *placed[string] { return &e.nodes }),
		key("to", "The folder on the nodes that releases are kept beneath; {name} and other variables are expanded.",
			place(targetFolder), func(e *environment) *placed[template] { return &e.to }).must(),
		key("layout", "How a release lies in the folder (default: releases).", place(choice([]string{string(rollcall.LayoutReleases), string(rollcall.LayoutInplace)}, nil)),
			func(e *environment) *placed[string] { return &e.layout }),
		key("link", "Paths that are the node's own, linked from its shared/ folder, never sent.",
			listOf("a list of paths", linkPath), func(e *environment) *[]placed[string] { return &e.link }),
		key("keep", "How many releases stay on a node (default: 5).", integer("a whole number of at least 2", 2, 10_000),
			func(e *environment) *int { return &e.keep }),
		key("tiers", "Which sections of the nodes file roll, and by which rules; their order is the file's (default: every section).",
			place(namesTo("a tier", tierKeys.kind())), func(e *environment) *placed[[]named[tier]] { return &e.tiers }),
		key("limits", "How many nodes may be missed.", limitsKeys.kind(),
			func(e *environment) *rollcall.Limits { return &e.limits }),
		key("on_failure", "What happens when a node does not pass (default: rollback).",
			place(choice([]rollcall.OnFailure{rollcall.FailureRollback, rollcall.FailurePause, rollcall.FailureStop}, nil)),
			func(e *environment) *placed[rollcall.OnFailure] { return &e.onFailure }),
		key("before", "What runs once a roll, when all nodes are prepared and before the first switches.", oneOrMany(hookKeys.kind()),
			func(e *environment) *[]hook { return &e.before }),
		key("after", "What runs once a roll, when all nodes have switched.", oneOrMany(hookKeys.kind()),
			func(e *environment) *[]hook { return &e.after }),
		key("announce", "The channels that are told of rolls.", listOf("a list of channels", place(nameText)),
			func(e *environment) *[]placed[string] { return &e.announce }),
		key("mode", "The mode of files on the nodes, such as \"0640\"; executables and folders get x where r is (default: 0644).", place(fileMode),
			func(e *environment) *placed[uint32] { return &e.mode }),
		key("group", "The group of files on the nodes (default: the user's own).", userName,
			func(e *environment) *string { return &e.group }),
		key("become", "sudo: rollcall-node is started through sudo -n, where the folder is not the user's.", place(choice([]string{"sudo"}, nil)),
			func(e *environment) *placed[string] { return &e.become }),
		key("ssh", "How these nodes are reached; what is not said here is as for the site.", pointer(sshKind),
			func(e *environment) **ssh { return &e.ssh }),
	},
	later: []string{"confirm", "refresh"},
	finish: func(r *reader, _ value, e *environment) {
		if e.keep == 0 {
			e.keep = defaultKeep
		}
		for _, h := range append(append([]hook{}, e.before...), e.after...) {
			if h.irreversible.value && e.onFailure.node == nil {
				r.mistake(h.irreversible.node, `%q can't be taken back: say with "on_failure" what a failure after it is to do (rollback goes back only before it has begun, and pauses after)`, "irreversible")
			}
		}
		if e.onFailure.node == nil {
			e.onFailure = placed[rollcall.OnFailure]{value: rollcall.FailureRollback, ok: true}
		}
		if e.layout.value == string(rollcall.LayoutInplace) {
			for _, link := range e.link {
				r.mistake(link.node, `"link" goes with the layout %q only: in place, the node's own files simply stay`, rollcall.LayoutReleases)
			}
			for _, t := range e.tiers.value {
				if t.value.keepOldFiles != nil {
					r.mistake(t.node, `"keep_old_files" goes with the layout %q only`, rollcall.LayoutReleases)
				}
				if t.value.prove != nil {
					r.mistake(t.node, `"prove" goes with the layout %q only`, rollcall.LayoutReleases)
				}
			}
		}
		r.checkLinks(e.link)
		if e.desk.node != nil && !e.from.ok {
			r.mistake(e.desk.node, `"desk" goes with "from: %s" only`, rollcall.FromCandidate)
		}
		if e.require.node != nil && e.from.ok {
			r.mistake(e.require.node, `"require" does not go with "from: %s": that is where what is required is shown`, rollcall.FromCandidate)
		}
	},
}

var limitsKeys = keys[rollcall.Limits]{
	fields: []field[rollcall.Limits]{
		key("unreachable", "How many nodes may be out of reach (default: 0).", limitKind,
			func(l *rollcall.Limits) *rollcall.Limit { return &l.Unreachable }),
		key("broken", "How many nodes may have a fault of their own (default: 0).", limitKind,
			func(l *rollcall.Limits) *rollcall.Limit { return &l.Broken }),
		key("failed", "On how many nodes the code may fail; they go back alone (default: 0).", limitKind,
			func(l *rollcall.Limits) *rollcall.Limit { return &l.Failed }),
	},
}

// limitKind is a limit over all nodes that roll, or over all and over each tier.
var limitKind = kind[rollcall.Limit]{
	schema{{"anyOf", []schema{limit.schema, limitKeys.kind().schema}}},
	func(r *reader, v value) (rollcall.Limit, bool) {
		if v.node.Kind == yaml.MappingNode {
			return limitKeys.read(r, v)
		}
		q, ok := limit.read(r, v)
		return rollcall.Limit{Quantity: q}, ok
	},
}

var limitKeys = keys[rollcall.Limit]{
	fields: []field[rollcall.Limit]{
		key("fleet", "How many of all nodes that roll.", limit,
			func(l *rollcall.Limit) *rollcall.Quantity { return &l.Quantity }).must(),
		key("tier", "How many of the nodes of each tier.", pointer(limit),
			func(l *rollcall.Limit) **rollcall.Quantity { return &l.Tier }),
	},
}

// fileMode is a mode in octal digits, as chmod takes it; nobody gets a set-id bit by it.
var fileMode = scalar(`a mode such as "0640": readable by its owner, without set-id bits`, schema{{"type", []string{"string", "integer"}}}, func(text string) (uint32, error) {
	mode, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 32)
	if err != nil || mode > 0o777 || mode&0o600 != 0o600 || mode&0o111 != 0 {
		return 0, errSaysNothing
	}
	return uint32(mode), nil
})

// nameText is a name that stands somewhere else as a key.
var nameText = text("a name", func(string) error { return nil })

// deskName is a desk's name; it comes into paths.
var deskName = text("a desk's name", func(text string) error {
	if !validName.MatchString(text) {
		return errors.New(nameRule)
	}
	return nil
})
