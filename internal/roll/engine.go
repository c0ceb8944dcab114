package roll

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// DefaultParallel is how many nodes are prepared at once. Preparing waits mostly for
// the nodes' disks, so it is far more than there are processors here.
const DefaultParallel = 128

// Engine rolls. What it acts through is given; it decides nothing that the plan does not say.
type Engine struct {
	Record   rollcall.Record
	Fleet    rollcall.Fleet
	Releases rollcall.Releases
	// Probe tries once what is tried from here: HTTP, TCP, commands on the controller. It
	// gives what is to be told although it passes.
	Probe func(context.Context, rollcall.Probe, rollcall.ReleaseID, map[string]string) (said string, err error)
	// Here runs a command on the controller.
	Here func(context.Context, rollcall.Command, map[string]string) (rollcall.Output, error)
	// Balancer is what takes nodes out of service in such a way.
	Balancer func(rollcall.Drain) rollcall.Balancer
	Code     *rollcall.Code
	Repo     rollcall.Repository
	By       string
	Parallel int
	Accepted []string // risks that the person takes, by their names
	Watch    func(rollcall.Event)
	// Stop is closed when the person wants the roll to pause at the next safe point,
	// Back when it is to go back.
	Stop, Back <-chan struct{}
}

// run is one roll under way.
type run struct {
	*Engine
	plan    *rollcall.Plan
	state   *State
	number  int
	journal *journal
	members []*member
	begun   time.Time
	settled bool // what is live is known to be active where it stands
	lease   *Lease
	asked   asked
	hooks   map[string]string // what became of each, by hookKey
	back    *rollcall.Note    // why it goes back, or nil
	service serviceRoom

	mu sync.Mutex // for what members say of each other
}

// member is a node of the roll.
type member struct {
	rollcall.NodePlan
	keep     *rollcall.KeepOldFiles
	session  rollcall.Session
	has      rollcall.NodeState
	before   rollcall.ReleaseID // what was live there when this roll met it
	met      bool               // before is known
	step     rollcall.Step
	err      error
	bytes    int64
	touched  bool // this roll has meant to switch it: it may stand at either release
	passed   bool // it came through: switched, verified and back in service
	passedAt time.Time
}

// Run rolls a plan. Where every node has and serves the release already, nothing is
// written down.
func (e *Engine) Run(ctx context.Context, plan *rollcall.Plan) (*rollcall.RollFinished, error) {
	r := e.newRun(plan)
	defer r.hangUp()
	meeting, done := UntilStopped(ctx, e.Stop)
	err := r.connect(meeting, rollcall.Session.Hello)
	done()
	if err != nil {
		return nil, err
	}
	if err := r.withinLimits(); err != nil {
		return r.unprepared(err)
	}
	if r.nothingToDo() {
		return r.unchanged()
	}
	if ctx, err = r.start(ctx); err != nil {
		return nil, err
	}
	return r.carryOn(ctx)
}

// carryOn takes a roll from wherever it stands to its end: what happens to a roll reads
// here from top to bottom. Each step first looks whether it was done already.
func (r *run) carryOn(ctx context.Context) (*rollcall.RollFinished, error) {
	stop := r.listen(ctx)
	defer stop()
	if r.back == nil {
		err := r.forward(ctx)
		if err == nil {
			return r.complete(ctx)
		}
		switch r.decide(ctx, err) {
		case isGone:
			r.lease.stop(nil) // somebody else writes on, or nobody can
			f := r.result(rollcall.OutcomeStopped, err)
			if rollcall.KindOf(err) == rollcall.KindConflict {
				return f, err
			}
			return f, outcomeError(f, err)
		case isUnprepared:
			return r.finish(ctx, rollcall.OutcomeRefused, err)
		case isPaused:
			return r.pause(ctx, err)
		case isStopped:
			return r.finish(ctx, rollcall.OutcomeStopped, err)
		}
		if err := r.turnBack(ctx, err); err != nil {
			r.lease.stop(nil)
			return nil, err
		}
	}
	return r.goBack(ctx)
}

func (r *run) forward(ctx context.Context) error {
	for _, phase := range []func(context.Context) error{
		r.prepare,
		r.beforeHooks,
		r.switchTiers,
		r.afterHooks,
		r.lookAgain,
	} {
		if err := phase(ctx); err != nil {
			return err
		}
	}
	return nil
}

// complete ends a roll that came through, with or without nodes that it missed.
func (r *run) complete(ctx context.Context) (*rollcall.RollFinished, error) {
	r.clean(ctx)
	if r.missed() > 0 {
		return r.finish(ctx, rollcall.OutcomeBehind, nil)
	}
	return r.finish(ctx, rollcall.OutcomeDone, nil)
}

// decision is what follows from an error.
type decision int

const (
	goesBack     decision = iota // what was switched is taken back
	isUnprepared                 // nothing was switched, and the roll is over
	isPaused                     // it waits, as it is, for resume or abort
	isStopped                    // it is over, part way
	isGone                       // somebody else has it, or this process must end now
)

// decide tells what follows from an error on the way forward.
func (r *run) decide(ctx context.Context, err error) decision {
	kind := rollcall.KindOf(err)
	switch {
	case ctx.Err() != nil, kind == rollcall.KindConflict:
		return isGone
	case errors.Is(err, errAborted):
		return goesBack
	case errors.Is(err, errPaused), kind == rollcall.KindInconclusive:
		return isPaused
	case kind == rollcall.KindInternal && r.begunSwitching():
		return isPaused // a fault of this machine: the nodes are fine, and can wait
	case !r.begunSwitching():
		if r.pastReturn() {
			return isPaused
		}
		return isUnprepared
	case r.plan.Kind == rollcall.KindRollback, r.plan.Kind == rollcall.KindCatchUp:
		return isPaused
	case r.plan.OnFailure == rollcall.FailurePause:
		return isPaused
	case r.plan.OnFailure == rollcall.FailureStop:
		return isStopped
	case r.pastReturn():
		return isPaused
	default:
		return goesBack
	}
}

// begunSwitching tells whether anything on a node or a balancer may be other than before.
func (r *run) begunSwitching() bool {
	for _, m := range r.members {
		if m.touched || m.step == rollcall.StepDraining {
			return true
		}
	}
	return false
}

func (e *Engine) newRun(plan *rollcall.Plan) *run {
	r := &run{Engine: e, plan: plan, begun: time.Now(), journal: &journal{watch: e.Watch}, hooks: map[string]string{}}
	keep := map[string]*rollcall.KeepOldFiles{}
	for _, t := range plan.Tiers {
		keep[t.Name] = t.Keep
	}
	for _, n := range plan.Nodes() {
		r.members = append(r.members, &member{NodePlan: *n, keep: keep[n.Tier], step: rollcall.StepWaiting})
	}
	return r
}

// start writes the plan down and takes the lease.
func (r *run) start(ctx context.Context) (context.Context, error) {
	// The plan comes first: a roll that has begun can then always be finished. One that
	// never begins leaves a plan that nobody reads.
	plan := rollcall.NewEvent(rollcall.EventRollPlanned, r.plan)
	if _, err := r.Record.Append(ctx, rollcall.PlanStream(r.plan.Environment, r.plan.ID), 0, plan); err != nil && !errors.Is(err, rollcall.ErrSequence) {
		return ctx, err
	}
	var event rollcall.Event
	ctx, lease, state, err := Take(ctx, r.Record, r.plan.Environment, r.By, string(r.plan.Kind)+" "+r.plan.Environment, func(state *State) ([]rollcall.Event, error) {
		if state.Live.Release != r.plan.From.Release || state.Live.Revision.ID != r.plan.From.Revision.ID {
			return nil, rollcall.Errorf(rollcall.KindConflict, "%s was rolled by somebody else since this plan was made", r.plan.Environment).
				WithHint("plan again")
		}
		var events []rollcall.Event
		if state.Running != nil { // the person knows: it was accepted
			events = append(events, rollcall.NewEvent(rollcall.EventRollInterrupted, state.Running))
			state.Interrupted, state.Running = state.Running, nil
		}
		r.number = state.Rolls + 1
		event = rollcall.NewEvent(rollcall.EventRollStarted, rollcall.RollStarted{
			Environment: r.plan.Environment, Roll: r.number, Kind: r.plan.Kind, By: r.By, Plan: r.plan.ID,
			From: r.plan.From.Release, To: r.plan.Release, Revision: r.plan.Revision, Partial: r.plan.Partial,
			Accepted: r.Accepted,
		})
		return append(events, event), nil
	})
	if err != nil {
		return ctx, err
	}
	r.lease, r.state = lease, state
	r.settled = state.Live.Release == r.plan.Release && state.Interrupted == nil && state.Stopped == nil
	event.Stream, event.Seq, event.At = rollcall.EnvironmentStream(r.plan.Environment), state.Seq, time.Now().UTC()
	r.journal.record, r.journal.stream = r.Record, rollcall.RollStream(r.plan.Environment, r.number)
	plan.At = event.At
	r.journal.tell(plan)
	r.journal.tell(event)
	for _, m := range r.members {
		if m.session != nil {
			m.session.Claim(lease.Token())
		}
	}
	if state.Interrupted != nil {
		r.fence(ctx)
	}
	return ctx, nil
}

// each does something with nodes at once, at most Parallel.
func (r *run) each(ctx context.Context, members []*member, do func(context.Context, *member)) {
	limit := r.Parallel
	if limit <= 0 {
		limit = DefaultParallel
	}
	var wait sync.WaitGroup
	slots := make(chan struct{}, limit)
	for _, m := range members {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			do(ctx, m)
		})
	}
	wait.Wait()
}

func (r *run) hangUp() {
	var wait sync.WaitGroup
	for _, m := range r.members {
		if m.session != nil {
			wait.Go(func() { m.session.Close() })
		}
	}
	wait.Wait()
}

// set says where a node is now.
func (r *run) set(m *member, step rollcall.Step, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.step, m.err = step, err
}

// stepOf is how a node ends by an error.
func stepOf(err error) rollcall.Step {
	switch rollcall.KindOf(err) {
	case rollcall.KindUnreachable:
		return rollcall.StepUnreachable
	case rollcall.KindFailed, rollcall.KindInconclusive:
		return rollcall.StepFailed
	default:
		return rollcall.StepBroken
	}
}

// drop notes why a node is not taking part any more.
func (r *run) drop(m *member, err error) {
	r.set(m, stepOf(err), err)
	r.tell(m, m.step)
}

// lose drops a node and writes it down.
func (r *run) lose(ctx context.Context, m *member, err error) error {
	r.drop(m, err)
	return r.journal.add(ctx, r.stepEvent(m, m.step))
}

// stepEvent says where a node is.
func (r *run) stepEvent(m *member, step rollcall.Step) rollcall.Event {
	from := m.before
	if !m.met {
		from = m.From // what the record knows: the node could not be asked
	}
	s := rollcall.NodeStep{
		Environment: r.plan.Environment, Roll: r.number, Node: m.Node.Name, Tier: m.Tier, Step: step,
		From: from, Release: r.plan.Release, Bytes: m.bytes,
	}
	switch step {
	case rollcall.StepFailed, rollcall.StepBroken, rollcall.StepUnreachable:
		text, hint := m.err.Error(), rollcall.HintOf(m.err)
		s.Message, s.Hint = strings.TrimPrefix(text, m.Node.Name+": "), hint
	}
	return rollcall.NewEvent(rollcall.EventNodePrefix+string(step), s)
}

// tell shows a step that is no history.
func (r *run) tell(m *member, step rollcall.Step) { r.journal.tell(r.stepEvent(m, step)) }

// say tells something that is no history and no step.
func (r *run) say(text string) {
	r.journal.tell(rollcall.NewEvent(rollcall.EventPreparing, rollcall.Note{Environment: r.plan.Environment, Roll: r.number, Text: text}))
}

// warn says what is still worth reading when the roll is over.
func (r *run) warn(text string) {
	r.journal.tell(rollcall.NewEvent(rollcall.EventPreparing, rollcall.Note{Environment: r.plan.Environment, Roll: r.number, Text: text, Warning: true}))
}

// note writes a step down.
func (r *run) note(ctx context.Context, step rollcall.Step, members ...*member) error {
	events := make([]rollcall.Event, len(members))
	for i, m := range members {
		r.set(m, step, m.err)
		events[i] = r.stepEvent(m, step)
	}
	return r.journal.add(ctx, events...)
}

// missed counts the nodes that this roll should have brought to the release and did not.
func (r *run) missed() int {
	n := len(r.plan.Held)
	for _, m := range r.members {
		if m.step != rollcall.StepOK {
			n++
		}
	}
	return n
}
