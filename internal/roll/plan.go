// Package roll decides what a roll does and does it. What decides (Plan) is pure and
// works on data; what acts (Engine) follows the plan, writes down each intent before
// its effect and each result after it.
package roll

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// Input is everything that a plan depends on.
type Input struct {
	Kind        rollcall.PlanKind
	Environment *rollcall.Environment
	State       *State
	Release     rollcall.ReleaseID
	Revision    rollcall.Revision
	Odd         []string           // about the release
	Unproven    []rollcall.Warning // what it has not passed and should
	Coming      []rollcall.Changeset
	Going       []rollcall.Changeset
	Old, New    *rollcall.Manifest // nil where both releases are the same
	Holds       map[string]*rollcall.Hold
	Known       map[string]rollcall.ReleaseID // what the record says is live on a node
	Selection   rollcall.Selection
}

// manyChangesets is from how many on a plan warns that they are a lot for one roll.
const manyChangesets = 9

// Plan decides the order, the batches and everything else of a roll.
func Plan(in Input) (*rollcall.Plan, error) {
	env := in.Environment
	p := &rollcall.Plan{
		Kind: in.Kind, Environment: env.Name, Code: env.Code.Name, From: in.State.Live,
		Release: in.Release, Revision: in.Revision, Coming: in.Coming, Going: in.Going,
		Keep: env.Keep, Link: env.Link, Permissions: env.Permissions, Limits: env.Limits, OnFailure: env.OnFailure,
		Partial: describe(in.Selection),
	}
	switch {
	case in.Kind == rollcall.KindCatchUp || in.Kind == rollcall.KindReview:
		p.Partial = strings.TrimSpace(string(in.Kind) + " " + p.Partial)
	case in.Kind == rollcall.KindRoll && p.Partial == "":
		p.Before, p.After = env.Before, env.After
	}
	if p.Coming == nil {
		p.Coming = []rollcall.Changeset{}
	}
	if p.Going == nil {
		p.Going = []rollcall.Changeset{}
	}
	if in.New != nil {
		p.Files = countFiles(in.Old, in.New)
		if err := checkLinks(env.Link, in.New); err != nil {
			return nil, err
		}
	}
	if err := addTiers(p, in); err != nil {
		return nil, err
	}
	if err := checkHooks(p); err != nil {
		return nil, err
	}
	if in.Kind == rollcall.KindRollback {
		slices.Reverse(p.Tiers)
		for i := range p.Tiers {
			slices.Reverse(p.Tiers[i].Batches)
		}
	}
	if in.Kind != rollcall.KindRoll {
		for i := range p.Tiers {
			p.Tiers[i].Soak = 0
		}
	}
	p.Warnings = warnings(p, in)
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	p.ID = hex.EncodeToString(sum[:8])
	return p, nil
}

func addTiers(p *rollcall.Plan, in Input) error {
	matched := map[string]bool{}
	for _, tier := range in.Environment.Tiers {
		t := rollcall.TierPlan{Name: tier.Name, Soak: tier.Soak, Keep: tier.KeepOldFiles}
		var nodes []rollcall.NodePlan
		for _, node := range tier.Nodes {
			if !selected(in.Selection, tier.Name, node, matched) {
				continue
			}
			if hold := in.Holds[node.Name]; hold != nil {
				p.Held = append(p.Held, rollcall.HeldNode{Name: node.Name, Tier: tier.Name, Hold: *hold})
				continue
			}
			n, err := planNode(tier, node)
			if err != nil {
				return err
			}
			n.From = in.Known[node.Name]
			nodes = append(nodes, n)
		}
		if len(nodes) == 0 {
			continue
		}
		if err := planService(&t, tier); err != nil {
			return err
		}
		t.Batches = batches(nodes, tier.Batch)
		p.Tiers = append(p.Tiers, t)
	}
	for _, pattern := range slices.Concat(in.Selection.Tier, in.Selection.Only) {
		if !matched[pattern] {
			return rollcall.Errorf(rollcall.KindInvalid, "no node of %s matches %q", in.Environment.Name, rollcall.Printable(pattern)).
				WithHint("see rollcall nodes %s", in.Environment.Name)
		}
	}
	if len(p.Tiers) == 0 {
		if len(p.Held) > 0 {
			return rollcall.Errorf(rollcall.KindRefused, "every node that would roll is on hold").WithHint("see rollcall nodes %s", in.Environment.Name)
		}
		return rollcall.Errorf(rollcall.KindInvalid, "no node of %s is in every part of the selection", in.Environment.Name)
	}
	return nil
}

func planNode(tier *rollcall.Tier, node rollcall.Node) (rollcall.NodePlan, error) {
	n := rollcall.NodePlan{Node: node, Tier: tier.Name}
	n.Node.Vars = nil // everything is expanded here
	vars := node.Variables()
	for _, c := range tier.Activate {
		expanded, err := c.Expand(vars)
		if err != nil {
			return n, rollcall.Errorf(rollcall.KindInvalid, "%s: activate: %w", node.Name, err)
		}
		n.Activate = append(n.Activate, expanded)
	}
	if tier.Drain != nil {
		expanded, err := tier.Drain.Expand(vars)
		if err != nil {
			return n, rollcall.Errorf(rollcall.KindInvalid, "%s: drain: %w", node.Name, err)
		}
		n.Drain = &expanded
	}
	verify := tier.Verify
	if tier.Prove != nil { // first: what answers must be the new release, before it is asked how it does
		verify = append([]rollcall.Probe{*tier.Prove}, verify...)
	}
	for _, v := range verify {
		expanded, err := v.Expand(vars)
		if err != nil {
			return n, rollcall.Errorf(rollcall.KindInvalid, "%s: verify: %w", node.Name, err)
		}
		n.Verify = append(n.Verify, expanded)
	}
	return n, nil
}

// planService says which nodes of a tier are to be in service while some of them roll.
func planService(t *rollcall.TierPlan, tier *rollcall.Tier) error {
	if tier.Drain == nil || tier.MinInService == (rollcall.Quantity{}) {
		return nil
	}
	for _, node := range tier.Nodes {
		drain, err := tier.Drain.Expand(node.Variables())
		if err != nil {
			return rollcall.Errorf(rollcall.KindInvalid, "%s: drain: %w", node.Name, err)
		}
		t.Service = append(t.Service, rollcall.Service{Node: node.Name, Drain: drain})
	}
	t.MinInService = tier.MinInService.AtLeast(len(tier.Nodes))
	return nil
}

// batches cuts a tier. A share is of the whole tier; the last size repeats.
func batches(nodes []rollcall.NodePlan, sizes []rollcall.Quantity) [][]rollcall.NodePlan {
	total := len(nodes)
	var cut [][]rollcall.NodePlan
	for i := 0; len(nodes) > 0; i++ {
		n := len(nodes)
		if len(sizes) > 0 {
			n = min(sizes[min(i, len(sizes)-1)].Of(total, 1), len(nodes))
		}
		cut = append(cut, nodes[:n])
		nodes = nodes[n:]
	}
	return cut
}

// Selected lists the nodes of an environment that a selection takes.
func Selected(env *rollcall.Environment, s rollcall.Selection) []rollcall.Node {
	var nodes []rollcall.Node
	for _, tier := range env.Tiers {
		for _, node := range tier.Nodes {
			if selected(s, tier.Name, node, map[string]bool{}) {
				nodes = append(nodes, node)
			}
		}
	}
	return nodes
}

func selected(s rollcall.Selection, tier string, node rollcall.Node, matched map[string]bool) bool {
	in := len(s.Tier) == 0
	for _, name := range s.Tier {
		if name == tier {
			in, matched[name] = true, true
		}
	}
	if len(s.Only) == 0 {
		return in
	}
	any := false
	for _, pattern := range s.Only {
		hit := false
		if key, value, ok := strings.Cut(pattern, "="); ok {
			hit = node.Vars[key] == value && value != ""
		} else {
			hit, _ = path.Match(pattern, node.Name)
		}
		if hit {
			any, matched[pattern] = true, true
		}
	}
	return in && any
}

func describe(s rollcall.Selection) string {
	var parts []string
	for _, tier := range s.Tier {
		parts = append(parts, "--tier "+tier)
	}
	for _, only := range s.Only {
		parts = append(parts, "--only "+only)
	}
	return strings.Join(parts, " ")
}

func countFiles(old, new *rollcall.Manifest) rollcall.FileCounts {
	counts := rollcall.FileCounts{Total: len(new.Entries)}
	for _, c := range rollcall.CompareManifests(old, new) {
		switch {
		case c.New == nil:
			counts.Removed++
		case c.Old == nil:
			counts.Added++
			counts.Bytes += c.New.Size
		case !c.Old.Same(c.New):
			counts.Changed++
			counts.Bytes += c.New.Size
		}
	}
	return counts
}

// checkLinks refuses a link to the node's own files where the release has something.
func checkLinks(links []string, m *rollcall.Manifest) error {
	for _, link := range links {
		name := path.Clean(link)
		for i := range m.Entries {
			p := m.Entries[i].Path
			if p == name || strings.HasPrefix(p, name+"/") || strings.HasPrefix(name, p+"/") {
				return rollcall.Errorf(rollcall.KindInvalid, "link: %s is the node's own, and the release has %s", link, p).
					WithHint("take one of the two away: a path is either in version control or the node's")
			}
		}
	}
	return nil
}

func warnings(p *rollcall.Plan, in Input) []rollcall.Warning {
	env := in.Environment
	var all []rollcall.Warning
	warn := func(id, format string, args ...any) {
		all = append(all, rollcall.Warning{ID: id, Text: fmt.Sprintf(format, args...)})
	}
	if hold := in.State.Hold; hold != nil {
		id := "held"
		if hold.Roll != 0 {
			id = "rolled-back"
		}
		warn(id, "%s is on hold by %s: %s", p.Environment, hold.By, hold.Why)
	}
	if r := cmp.Or(in.State.Running, in.State.Stopped, in.State.Interrupted); r != nil {
		warn("interrupted", "roll %s/%d by %s was not finished: some nodes may have %s already", p.Environment, r.Roll, r.By, r.To.Short())
	}
	if p.Partial != "" && in.Kind == rollcall.KindRoll && len(env.Before)+len(env.After) > 0 {
		warn("hooks", "before: and after: run only when the whole environment rolls")
	}
	if len(p.Going) > 0 && p.Kind == rollcall.KindRoll {
		to := rollcall.ShortRevision(p.Revision.ID)
		warn("going", "%s", rollcall.Plural(len(p.Going), "changeset that is live is not in "+to+" and stops being live",
			"changesets that are live are not in "+to+" and stop being live"))
	}
	if len(p.Coming) >= manyChangesets {
		warn("many", "%d changesets in one roll: the more there are, the harder it is to find the bad one", len(p.Coming))
	}
	if p.From.Release != "" && p.Kind == rollcall.KindRoll && p.Files.Removed > 20 && p.Files.Removed*2 > p.Files.Total {
		warn("removal", "%s removed and %d stay", rollcall.Plural(p.Files.Removed, "file is", "files are"), p.Files.Total)
	}
	all = append(all, in.Unproven...)
	for _, odd := range in.Odd {
		warn("case", "%s", odd)
	}
	others := map[rollcall.ReleaseID]int{}
	for _, n := range p.Nodes() {
		if n.From != p.From.Release {
			others[n.From]++
		}
	}
	delete(others, p.Release)
	if p.From.Release != "" {
		for _, id := range slices.Sorted(maps.Keys(others)) {
			if id == "" {
				warn("new-nodes", "%s no release yet", rollcall.Plural(others[id], "node has", "nodes have"))
			} else {
				warn("behind", "%s at %s and not at what is live", rollcall.Plural(others[id], "node stands", "nodes stand"), id.Short())
			}
		}
	}
	return all
}
