package roll

import (
	"context"
	"strconv"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

func hookKey(when string, index int) string { return when + "/" + strconv.Itoa(index) }

func (r *run) beforeHooks(ctx context.Context) error { return r.runHooks(ctx, "before", r.plan.Before) }

func (r *run) afterHooks(ctx context.Context) error { return r.runHooks(ctx, "after", r.plan.After) }

// runHooks runs what runs once a roll. One that has come to its end is not run again;
// one that was cut short is, and can see it by ROLLCALL_AGAIN.
func (r *run) runHooks(ctx context.Context, when string, hooks []rollcall.Hook) error {
	for i, hook := range hooks {
		if err := r.wanted(); err != nil {
			return err
		}
		key := hookKey(when, i)
		before := r.hooks[key]
		if before == rollcall.EventHookFinished {
			continue
		}
		h := rollcall.HookRun{Environment: r.plan.Environment, Roll: r.number, When: when, Index: i, On: hook.On, Command: hook.Run.String()}
		r.hooks[key] = rollcall.EventHookStarted
		if err := r.journal.add(ctx, rollcall.NewEvent(rollcall.EventHookStarted, h)); err != nil {
			return err
		}
		output, err := r.runHook(ctx, hook, before != "")
		if ctx.Err() != nil {
			return context.Cause(ctx) // nobody knows how it ended: it will be run again
		}
		h.Exit, h.Output = output.Exit, output.Text
		result := rollcall.EventHookFinished
		if err == nil && output.Exit != 0 {
			e := rollcall.Errorf(rollcall.KindFailed, "%s: %s on %s ended with %d", when, hook.Run, hook.On, output.Exit)
			if said := strings.TrimSpace(output.Text); said != "" {
				e.Hint = "it said: " + said
			}
			err = e
		}
		if err != nil {
			result = rollcall.EventHookFailed
		}
		r.hooks[key] = result
		if written := r.journal.add(ctx, rollcall.NewEvent(result, h)); written != nil {
			return written
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) runHook(ctx context.Context, hook rollcall.Hook, again bool) (rollcall.Output, error) {
	env := map[string]string{
		"ROLLCALL_ENVIRONMENT": r.plan.Environment, "ROLLCALL_ROLL": strconv.Itoa(r.number),
		"ROLLCALL_RELEASE": string(r.plan.Release), "ROLLCALL_REVISION": r.plan.Revision.ID,
	}
	if again {
		env["ROLLCALL_AGAIN"] = "1"
	}
	if hook.On == rollcall.OnController {
		return r.Here(ctx, hook.Run, env)
	}
	for _, m := range r.members {
		if m.Node.Name != hook.On {
			continue
		}
		if m.session == nil {
			if err := r.again(ctx, m); err != nil {
				return rollcall.Output{}, err
			}
		}
		env["ROLLCALL_NODE"], env["ROLLCALL_TIER"] = m.Node.Name, m.Tier
		// In the new release, which may not be live yet: that is where a migration comes from.
		return m.session.Run(ctx, r.plan.Release, hook.Run, env)
	}
	return rollcall.Output{}, rollcall.Errorf(rollcall.KindFailed, "%s, on which %s is to run, does not take part", hook.On, hook.Run)
}

// pastReturn tells whether something was begun that going back can't undo.
func (r *run) pastReturn() bool {
	for when, hooks := range map[string][]rollcall.Hook{"before": r.plan.Before, "after": r.plan.After} {
		for i, hook := range hooks {
			if hook.Irreversible && r.hooks[hookKey(when, i)] != "" {
				return true
			}
		}
	}
	return false
}

// checkHooks refuses hooks on nodes that do not roll.
func checkHooks(p *rollcall.Plan) error {
	for _, hook := range append(append([]rollcall.Hook{}, p.Before...), p.After...) {
		if hook.On == rollcall.OnController {
			continue
		}
		there := false
		for _, n := range p.Nodes() {
			there = there || n.Node.Name == hook.On
		}
		if !there {
			return rollcall.Errorf(rollcall.KindRefused, "%s is to run on %s, which does not roll now", hook.Run, hook.On).
				WithHint("see rollcall nodes %s: is it on hold?", p.Environment)
		}
	}
	return nil
}
