package roll

import (
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// withinLimits tells, as an error, that too many nodes are lost to go on.
func (r *run) withinLimits() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var first *member
	var all []string
	for _, m := range r.members {
		if m.err == nil {
			continue
		}
		if first == nil {
			first = m
		}
		all = append(all, m.Node.Name)
	}
	if first == nil {
		return nil
	}
	if len(all) < len(r.members) {
		good := true
		for _, step := range []rollcall.Step{rollcall.StepUnreachable, rollcall.StepBroken, rollcall.StepFailed} {
			good = good && r.allows(step)
		}
		if good {
			return nil
		}
	} else if r.plan.Kind == rollcall.KindCatchUp {
		return nil // whoever could not be reached is simply still behind
	}
	if len(all) == 1 {
		return first.err
	}
	return rollcall.Errorf(rollcall.KindOf(first.err), "%d of %s could not be prepared: %s", len(all), rollcall.Plural(len(r.members), "node", "nodes"), list(all)).
		WithHint("each says above why; limits: {unreachable: %d} in rollcall.yaml lets a roll go on without some", max(len(all), 1))
}

// allows tells whether as many nodes as have ended so may. The caller holds mu.
func (r *run) allows(step rollcall.Step) bool {
	var limit rollcall.Limit
	switch step {
	case rollcall.StepUnreachable:
		limit = r.plan.Limits.Unreachable
	case rollcall.StepBroken:
		limit = r.plan.Limits.Broken
	case rollcall.StepFailed:
		limit = r.plan.Limits.Failed
	}
	switch r.plan.Kind {
	case rollcall.KindRollback: // is done with nodes down
		if step != rollcall.StepFailed {
			return true
		}
		limit = rollcall.Limit{}
	case rollcall.KindCatchUp:
		return true
	}
	total, lost := len(r.members), 0
	tiers, lostIn := map[string]int{}, map[string]int{}
	for _, m := range r.members {
		tiers[m.Tier]++
		if m.err != nil && stepOf(m.err) == step {
			lost++
			lostIn[m.Tier]++
		}
	}
	if lost > limit.Of(total, 0) {
		return false
	}
	for tier, n := range lostIn {
		if limit.Tier != nil && n > limit.Tier.Of(tiers[tier], 0) {
			return false
		}
	}
	return true
}

// tolerable tells whether a node that was just lost is within the limits.
func (r *run) tolerable(m *member) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.allows(stepOf(m.err))
}

func list(names []string) string {
	if len(names) > 6 {
		return strings.Join(names[:6], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
