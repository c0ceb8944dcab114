package site

import (
	"time"

	"github.com/rollcall-dev/rollcall"
)

// tier is the rules of a tier as they were read.
type tier struct {
	batch        []rollcall.Quantity
	activate     []command
	verify       []probe
	soak         time.Duration
	keepOldFiles *rollcall.KeepOldFiles
	drain        *drain
	minInService placed[rollcall.Quantity]
	prove        *probe
}

var tierKeys = keys[tier]{
	fields: []field[tier]{
		key("batch", "How many nodes switch together: 1, 25%, or a list of which the last entry repeats (default: 100%).",
			notEmpty(oneOrMany(quantity)), func(t *tier) *[]rollcall.Quantity { return &t.batch }),
		key("activate", "The command, or list of commands, that makes a node use what was switched.",
			oneOrMany(listedCommand), func(t *tier) *[]command { return &t.activate }),
		key("verify", "What must hold on a node after its switch.",
			listOf("a list of probes", probeKeys.kind()), func(t *tier) *[]probe { return &t.verify }),
		key("soak", "How long to wait and look after a batch (default: not at all).",
			pause, func(t *tier) *time.Duration { return &t.soak }),
		key("keep_old_files", "Files of earlier releases that stay in later ones for a while.",
			pointer(keepKeys.kind()), func(t *tier) **rollcall.KeepOldFiles { return &t.keepOldFiles }),
		key("drain", "How a node is taken out of service for its switch, and put back.",
			pointer(drainKeys.kind()), func(t *tier) **drain { return &t.drain }),
		key("min_in_service", "How many nodes of the tier must be in service at any moment: 3, 60%.",
			place(quantity), func(t *tier) *placed[rollcall.Quantity] { return &t.minInService }),
		key("prove", "An http: or https: address whose answer names the release: a node is verified only when every worker gives the new one.",
			pointer(proveKind), func(t *tier) **probe { return &t.prove }),
	},
	finish: func(r *reader, _ value, t *tier) {
		if t.minInService.ok && t.drain == nil {
			r.mistake(t.minInService.node, `"min_in_service" needs "drain": without it nobody knows which nodes are in service`)
		}
	},
}

var keepKeys = keys[rollcall.KeepOldFiles]{
	fields: []field[rollcall.KeepOldFiles]{
		key("files", "Patterns of the files, such as *.css.", notEmpty(patterns),
			func(k *rollcall.KeepOldFiles) *[]string { return &k.Files }).must(),
		key("for", "How long they stay, such as 24h.", duration,
			func(k *rollcall.KeepOldFiles) *time.Duration { return &k.For }).must(),
	},
}

// templates are the texts of a tier that {name} is expanded in.
func (t tier) templates() []template {
	var all []template
	for _, c := range t.activate {
		all = append(all, c.words...)
	}
	for _, p := range t.verify {
		all = append(all, p.templates()...)
	}
	if t.prove != nil {
		all = append(all, t.prove.templates()...)
	}
	if t.drain != nil {
		all = append(all, t.drain.templates()...)
	}
	return all
}

// final is the tier without its nodes, with defaults for what was not said.
func (t tier) final(name string) *rollcall.Tier {
	done := &rollcall.Tier{Name: name, Batch: t.batch, Soak: t.soak, KeepOldFiles: t.keepOldFiles}
	if len(done.Batch) == 0 {
		done.Batch = []rollcall.Quantity{{Percent: 100}}
	}
	for _, c := range t.activate {
		done.Activate = append(done.Activate, c.final(commandTimeout))
	}
	for _, p := range t.verify {
		done.Verify = append(done.Verify, p.final())
	}
	if t.prove != nil {
		prove := t.prove.final()
		done.Prove = &prove
	}
	if t.drain != nil {
		drain := t.drain.final()
		done.Drain = &drain
	}
	done.MinInService = t.minInService.value
	return done
}
