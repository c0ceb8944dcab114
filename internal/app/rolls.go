package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/fleet"
	"github.com/rollcall-dev/rollcall/internal/fleet/ssh"
	"github.com/rollcall-dev/rollcall/internal/gate"
	"github.com/rollcall-dev/rollcall/internal/proc"
	"github.com/rollcall-dev/rollcall/internal/release"
	"github.com/rollcall-dev/rollcall/internal/roll"
	"github.com/rollcall-dev/rollcall/internal/site"
)

// planning is a plan with what it was made from.
type planning struct {
	env      *rollcall.Environment
	repo     rollcall.Repository
	releases *release.Store
	state    *roll.State
	plan     *rollcall.Plan
	staging  string // an environment where candidates of the code are tried
}

// Plan decides what a roll would do.
func (a *App) Plan(ctx context.Context, request rollcall.RollRequest) (*rollcall.Plan, error) {
	p, err := a.plan(ctx, request)
	if err != nil {
		return nil, err
	}
	return p.plan, nil
}

func (a *App) plan(ctx context.Context, request rollcall.RollRequest) (*planning, error) {
	note := func(text string) {
		if request.Watch != nil {
			e := rollcall.NewEvent(rollcall.EventPreparing, rollcall.Note{Environment: request.Environment, Text: text})
			e.At = time.Now().UTC()
			request.Watch(e)
		}
	}
	env, err := a.environment(request.Environment)
	if err != nil {
		return nil, err
	}
	p := &planning{env: env, staging: "an environment that is from: candidate"}
	for _, name := range slices.Sorted(maps.Keys(a.site.Environments)) {
		if other := a.site.Environments[name]; other.Code == env.Code && other.From == rollcall.FromCandidate {
			p.staging = name
			break
		}
	}
	if p.state, err = roll.ReadState(ctx, a.record, env.Name); err != nil {
		return nil, err
	}
	if p.repo, err = a.repositoryFor(ctx, env, note); err != nil {
		return nil, err
	}
	if p.releases, err = a.store(ctx); err != nil {
		return nil, err
	}
	in := roll.Input{Kind: cmp.Or(request.Kind, rollcall.KindRoll), Environment: env, State: p.state, Selection: request.Selection}
	switch in.Kind {
	case rollcall.KindRollback:
		err = a.goBack(ctx, p, request, &in, note)
	case rollcall.KindCatchUp:
		err = a.stay(ctx, p, &in, note)
	default:
		err = a.goOn(ctx, p, request, &in, note)
	}
	if err != nil {
		return nil, err
	}
	if in.Revision.ID == "" || p.state.Live.Revision.ID == "" || rollcall.IsCandidate(in.Revision.ID) || rollcall.IsCandidate(p.state.Live.Revision.ID) {
		// What was taken over has no revision, and a candidate none that is committed:
		// nobody can list what lies between.
	} else if in.Coming, in.Going, err = p.repo.Changesets(ctx, p.state.Live.Revision.ID, in.Revision.ID); err != nil {
		// The branch was rewritten and the old revision collected: that is no reason
		// not to roll.
		in.Odd = append(in.Odd, "the changesets since "+rollcall.ShortRevision(p.state.Live.Revision.ID)+" can't be listed: "+err.Error())
	} else if err := whose(ctx, p.repo, env.Code, &in); err != nil {
		return nil, err
	}
	if in.Release != p.state.Live.Release {
		if in.New, err = p.releases.Manifest(in.Release); err != nil {
			return nil, err
		}
		if in.Old, err = p.releases.Manifest(p.state.Live.Release); err != nil {
			in.Old = &rollcall.Manifest{} // the state was lost: the nodes have it
		}
	}
	if in.Holds, err = a.nodeHolds(ctx, env); err != nil {
		return nil, err
	}
	if in.Known, err = a.known(ctx, env, p.state); err != nil {
		return nil, err
	}
	if p.plan, err = roll.Plan(in); err != nil {
		return nil, err
	}
	return p, a.askBalancers(ctx, env, p.plan)
}

// whose names those who wrote what comes and goes, where others promoted it.
func whose(ctx context.Context, repo rollcall.Repository, code *rollcall.Code, in *roll.Input) (err error) {
	promoter, ok := repo.(rollcall.Promoter)
	if !ok || !code.Promotes() {
		return nil
	}
	if in.Coming, err = promoter.Brought(ctx, code.Trunk, code.Production, in.Coming); err == nil {
		in.Going, err = promoter.Brought(ctx, code.Trunk, code.Production, in.Going)
	}
	return err
}

// stay aims at what is live, for nodes that were missed.
func (a *App) stay(ctx context.Context, p *planning, in *roll.Input, note func(string)) error {
	if p.state.Live.Release == "" {
		return rollcall.Errorf(rollcall.KindConflict, "nothing was ever rolled to %s", p.env.Name)
	}
	in.Release, in.Revision = p.state.Live.Release, p.state.Live.Revision
	return a.remember(ctx, p, &p.state.Live, note)
}

// goOn aims at the production branch, or at a desk.
func (a *App) goOn(ctx context.Context, p *planning, request rollcall.RollRequest, in *roll.Input, note func(string)) error {
	if p.env.From == rollcall.FromCandidate {
		return a.candidate(ctx, p, request, in, note)
	}
	revision, err := p.repo.Tip(ctx, p.env.Code.Production)
	if err == nil && request.At != "" {
		revision, err = p.repo.At(ctx, p.env.Code.Production, request.At)
	}
	if err != nil {
		return err
	}
	made, err := p.releases.Build(ctx, p.env.Code, p.repo, revision, note)
	if err != nil {
		return err
	}
	if live := p.state.Live; live.Release != "" && live.Revision.ID == "" {
		// What was taken over keeps its times, wherever the contents are equal.
		if err := p.releases.Align(made.ID, live.Release); err != nil {
			return err
		}
	}
	in.Release, in.Revision, in.Odd = made.ID, revision, made.Odd
	return a.require(ctx, p, in, note)
}

// goBack aims at what was live before.
func (a *App) goBack(ctx context.Context, p *planning, request rollcall.RollRequest, in *roll.Input, note func(string)) error {
	if p.state.Live.Release == "" {
		return rollcall.Errorf(rollcall.KindConflict, "nothing was ever rolled to %s", p.env.Name)
	}
	target := backTo(p.state, request.To)
	if target == nil {
		e := rollcall.Errorf(rollcall.KindConflict, "there is no earlier release of %s to go back to", p.env.Name)
		if request.To != "" {
			e = rollcall.Errorf(rollcall.KindNotFound, "no earlier roll of %s has the number or the release %s", p.env.Name, rollcall.Printable(request.To))
		}
		return e.WithHint("see rollcall log %s", p.env.Name)
	}
	in.Release, in.Revision = target.Release, target.Revision
	return a.remember(ctx, p, target, note)
}

// backTo finds what to go back to: what was live before, or, where something is named,
// what a roll of that number brought, or a release by its id.
func backTo(state *roll.State, to string) *rollcall.Live {
	earlier := state.Before
	if to != "" {
		earlier = append(slices.Clone(state.Was), state.Before...) // the last of them may have been taken over, by no roll
	}
	for i := len(earlier) - 1; i >= 0; i-- {
		one := &earlier[i]
		switch {
		case one.Release == state.Live.Release: // going to the same files would change nothing
		case to == "", strconv.Itoa(one.Roll) == to,
			len(to) >= 6 && strings.HasPrefix(string(one.Release), to):
			return one
		}
	}
	return nil
}

// remember makes a manifest that is kept no more anew: the repository still has what it
// was made from.
func (a *App) remember(ctx context.Context, p *planning, live *rollcall.Live, note func(string)) error {
	if _, err := p.releases.Manifest(live.Release); rollcall.KindOf(err) != rollcall.KindNotFound {
		return err
	}
	made, err := p.releases.Build(ctx, p.env.Code, p.repo, live.Revision, note)
	if err != nil {
		return err
	}
	if made.ID != live.Release {
		return rollcall.Errorf(rollcall.KindNotFound, "the release %s is not known here any more, and %s makes another one now", live.Release.Short(), rollcall.ShortRevision(live.Revision.ID)).
			WithHint("roll a revision instead: rollcall roll %s --at REVISION", p.env.Name)
	}
	return nil
}

// Diff is what a roll would change, file by file.
func (a *App) Diff(ctx context.Context, request rollcall.RollRequest) (*rollcall.Diff, error) {
	p, err := a.plan(ctx, request)
	if err != nil {
		return nil, err
	}
	d := &rollcall.Diff{Environment: p.env.Name, From: p.plan.From.Release, To: p.plan.Release}
	from, err := p.releases.Manifest(d.From)
	if err != nil {
		return nil, err
	}
	to, err := p.releases.Manifest(d.To)
	if err != nil {
		return nil, err
	}
	d.Files = slices.DeleteFunc(rollcall.CompareManifests(from, to), func(c rollcall.FileChange) bool {
		return c.Old != nil && c.New != nil && c.Old.Same(c.New)
	})
	return d, nil
}

// Roll plans, asks, and rolls.
func (a *App) Roll(ctx context.Context, request rollcall.RollRequest) (*rollcall.RollFinished, error) {
	if err := knownRisks(request.AcceptRisk); err != nil {
		return nil, err
	}
	env, err := a.environment(request.Environment)
	if err != nil {
		return nil, err
	}
	state, err := roll.ReadState(ctx, a.record, env.Name)
	if err != nil {
		return nil, err
	}
	if state.Open() != nil && !a.rolling(ctx, state) {
		if request.Kind == rollcall.KindRollback && request.To == "" {
			return a.Abort(ctx, request)
		}
		if err := mayGoOver(state, request); err != nil {
			return nil, err
		}
	}
	way := a.fleet(env)
	var nodes rollcall.Fleet = way
	if !request.Asks {
		parallel := request.Parallel
		if parallel <= 0 {
			parallel = roll.DefaultParallel
		}
		nodes = fleet.Ahead(ctx, nodes, roll.Selected(env, request.Selection), parallel)
	}
	defer nodes.Close()
	planning, planned := roll.UntilStopped(ctx, request.Stop)
	p, err := a.plan(planning, request)
	if err != nil && planning.Err() != nil {
		err = context.Cause(planning)
	}
	planned()
	if err != nil {
		return nil, err
	}
	if err := allowed(p, request); err != nil {
		return nil, err
	}
	if request.Confirm != nil {
		if err := request.Confirm(p.plan); err != nil {
			return nil, err
		}
	}
	announced := a.announce(ctx, env, state.Seq, request.Watch)
	finished, err := a.engine(env, nodes, way.transport, p.releases, p.repo, request).Run(ctx, p.plan)
	announced()
	if err == nil && !finished.Unchanged {
		err = p.releases.Evict()
	}
	return finished, err
}

// knownRisks refuses to accept, and to record, what means nothing.
func knownRisks(risks []string) error {
	for _, risk := range risks {
		if slices.Contains(rollcall.AllRisks, risk) {
			continue
		}
		e := rollcall.Errorf(rollcall.KindInvalid, "there is no risk %q", rollcall.Printable(risk))
		if near := site.Nearest(risk, rollcall.AllRisks); near != "" {
			return e.WithHint("did you mean %s?", near)
		}
		return e.WithHint("there are %s", strings.Join(rollcall.AllRisks, ", "))
	}
	return nil
}

// engine makes what rolls.
func (a *App) engine(env *rollcall.Environment, nodes rollcall.Fleet, hosts *ssh.Transport, releases *release.Store, repo rollcall.Repository, request rollcall.RollRequest) *roll.Engine {
	return &roll.Engine{
		Record: a.record, Fleet: nodes, Releases: releases, Code: env.Code, Repo: repo,
		Probe: (&gate.Gate{Dir: a.site.Dir}).Check,
		Here: func(ctx context.Context, c rollcall.Command, vars map[string]string) (rollcall.Output, error) {
			return proc.Run(ctx, a.site.Dir, c, vars)
		},
		Balancer: a.balancer(hosts),
		By:       a.by, Parallel: request.Parallel, Accepted: request.AcceptRisk, Watch: request.Watch, Stop: request.Stop, Back: request.Back,
	}
}

// rolling tells whether the process that rolls is alive.
func (a *App) rolling(ctx context.Context, state *roll.State) bool {
	return state.Running != nil && state.Paused == nil && roll.Alive(ctx, a.record, state.Running.Environment, state.Lease)
}

// mayGoOver refuses to roll over a roll that is not finished: what it left behind must be
// decided on first. One that ended as stopped was decided on.
func mayGoOver(state *roll.State, request rollcall.RollRequest) error {
	open := state.Running
	if open == nil || slices.Contains(request.AcceptRisk, "interrupted") {
		return nil
	}
	name := fmt.Sprintf("%s/%d", open.Environment, open.Roll)
	what := "its controller died"
	if state.Paused != nil {
		what = "it is paused: " + state.Paused.Why
	}
	return rollcall.Errorf(rollcall.KindConflict, "roll %s by %s is not finished: %s", name, open.By, what).
		WithHint("rollcall resume %[1]s goes on, rollcall abort %[1]s goes back; to roll over it: --accept-risk=interrupted", open.Environment)
}

// allowed refuses what a hold forbids, and a plan that is not the one that was agreed to.
func allowed(p *planning, request rollcall.RollRequest) error {
	if request.Plan != "" && request.Plan != p.plan.ID {
		return rollcall.Errorf(rollcall.KindConflict, "the plan %s is stale: what it was made from has changed", rollcall.Printable(request.Plan)).
			WithHint("look at the new one: rollcall plan %s", p.env.Name)
	}
	if err := proven(p, request); err != nil {
		return err
	}
	hold := p.state.Hold
	if hold == nil || p.plan.Kind == rollcall.KindRollback || p.plan.Kind == rollcall.KindCatchUp && hold.Roll != 0 {
		return nil
	}
	risk := "held"
	if hold.Roll != 0 || hold.Release != "" {
		risk = "rolled-back"
	}
	if slices.Contains(request.AcceptRisk, risk) {
		return nil
	}
	return rollcall.Errorf(rollcall.KindRefused, "%s is on hold since %s by %s: %s", p.env.Name, hold.At.Local().Format("2006-01-02 15:04"), hold.By, hold.Why).
		WithHint("lift it with rollcall unhold %s, or roll all the same with --accept-risk=%s", p.env.Name, risk)
}

// proven refuses what has not passed what the environment requires. One node that is out
// of service may have it, for a look.
func proven(p *planning, request rollcall.RollRequest) error {
	if p.plan.Kind != rollcall.KindRoll {
		return nil
	}
	for _, r := range p.env.Require {
		i := slices.IndexFunc(p.plan.Warnings, func(w rollcall.Warning) bool { return w.ID == rollcall.Risks[r] })
		if i < 0 || slices.Contains(request.AcceptRisk, rollcall.Risks[r]) {
			continue
		}
		return rollcall.Errorf(rollcall.KindRefused, "%s may not roll to %s: %s", p.plan.Release.Short(), p.env.Name, p.plan.Warnings[i].Text).
			WithHint("%s; to roll all the same, which is recorded and announced: --accept-risk=%s", unprovenWay(p, r), rollcall.Risks[r])
	}
	return nil
}

func unprovenWay(p *planning, r rollcall.Requirement) string {
	if r == rollcall.RequireStaged {
		return fmt.Sprintf("rollcall roll %s, with nothing on the desk, rolls it where it can be tried", p.staging)
	}
	return "see rollcall check " + p.env.Code.Name
}
