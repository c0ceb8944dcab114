package site

import (
	"time"

	"github.com/rollcall-dev/rollcall"
	"go.yaml.in/yaml/v4"
)

// hook is an entry of `before` or `after` as it was read.
type hook struct {
	on           placed[string]
	run          placed[[]template]
	sh           placed[string]
	irreversible placed[bool]
	command      command
}

var hookKeys = keys[hook]{
	fields: []field[hook]{
		key("on", "Where it runs: controller, or a node of the environment.", place(nameText),
			func(h *hook) *placed[string] { return &h.on }).must(),
		key("run", "The program and its arguments: a text that is split by its quotes alone, or a list.", place(commandWords),
			func(h *hook) *placed[[]template] { return &h.run }),
		key("sh", "A text for /bin/sh.", place(shellText), func(h *hook) *placed[string] { return &h.sh }),
		key("timeout", "How long it may take (default: 10m).", duration,
			func(h *hook) *time.Duration { return &h.command.timeout }),
		key("irreversible", "Whether the old release can't work any more once it has begun: a failure then pauses the roll.", place(boolean),
			func(h *hook) *placed[bool] { return &h.irreversible }),
	},
	finish: func(r *reader, v value, h *hook) {
		switch sh, run := h.sh.node != nil, h.run.node != nil; {
		case sh && run:
			r.mistake(v.owner, `%s has both "sh" and "run"; one is enough`, v.subject)
		case !sh && !run:
			r.mistake(v.owner, `%s has neither "sh" nor "run"`, v.subject)
		}
		h.command.words, h.command.shell = h.run.value, h.sh.value
	},
}

func (h hook) final() rollcall.Hook {
	return rollcall.Hook{On: h.on.value, Run: h.command.final(buildTimeout), Irreversible: h.irreversible.value}
}

// hooks asks the rules of an environment's hooks that concern its nodes.
func (l *loader) hooks(all []hook, nodes []placedNode) []rollcall.Hook {
	var done []rollcall.Hook
	names := []string{rollcall.OnController}
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	for _, h := range all {
		vars := map[string]string{}
		known := h.on.value == rollcall.OnController
		for _, n := range nodes {
			if n.Name == h.on.value {
				known, vars = true, n.Variables()
			}
		}
		if h.on.ok && !known && len(nodes) > 0 {
			l.mistake(h.on.node, "%s", unknown("place to run", h.on.value, names))
			continue
		}
		made := h.final()
		expanded, err := made.Run.Expand(vars)
		if err != nil && known {
			l.mistake(firstNode(h.run.node, h.on.node), "%v", err)
		}
		made.Run = expanded
		done = append(done, made)
	}
	return done
}

func firstNode(nodes ...*yaml.Node) *yaml.Node {
	for _, n := range nodes {
		if n != nil {
			return n
		}
	}
	return nil
}
