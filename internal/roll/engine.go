package roll

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	Probe    func(context.Context, rollcall.Probe) error // tries an HTTP or TCP probe once
	Code     *rollcall.Code
	Repo     rollcall.Repository
	By       string
	Parallel int
	Watch    func(rollcall.Event)
	// Stop is closed when the person wants the roll to end at the next safe point.
	Stop <-chan struct{}
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
}

// member is a node of the roll.
type member struct {
	rollcall.NodePlan
	keep     *rollcall.KeepOldFiles
	session  rollcall.Session
	has      rollcall.NodeState
	step     rollcall.Step
	err      error
	bytes    int64
	switched bool // in this roll
	reverted bool
}

// Run rolls a plan: what happens to a roll reads here from top to bottom. Where every
// node has and serves the release already, nothing is written down.
func (e *Engine) Run(ctx context.Context, plan *rollcall.Plan) (*rollcall.RollFinished, error) {
	r := &run{Engine: e, plan: plan, begun: time.Now(), journal: &journal{watch: e.Watch}}
	r.members = membersOf(plan)
	defer r.hangUp()

	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	if err := r.withinLimits(); err != nil {
		return r.unprepared(err)
	}
	if r.nothingToDo() {
		return r.unchanged()
	}
	ctx, err := r.start(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.prepare(ctx); err != nil {
		return r.finish(ctx, rollcall.OutcomeRefused, err)
	}
	if err := r.switchTiers(ctx); err != nil {
		if r.goesBack(ctx, err) {
			if back := r.revert(ctx, err); back != nil {
				return r.finish(ctx, rollcall.OutcomeStopped, back)
			}
			return r.finish(ctx, rollcall.OutcomeRolledBack, err)
		}
		return r.finish(ctx, rollcall.OutcomeStopped, err)
	}
	r.clean(ctx)
	if r.missed() > 0 {
		return r.finish(ctx, rollcall.OutcomeBehind, nil)
	}
	return r.finish(ctx, rollcall.OutcomeDone, nil)
}

// goesBack tells whether what was switched is to be taken back: not when the person
// stopped the roll, and not when somebody else has taken it over.
func (r *run) goesBack(ctx context.Context, err error) bool {
	return r.plan.OnFailure == rollcall.FailureRollback && r.plan.Kind == rollcall.KindRoll &&
		rollcall.KindOf(err) != rollcall.KindConflict && !errors.Is(err, errStopped) && ctx.Err() == nil
}

func membersOf(plan *rollcall.Plan) []*member {
	keep := map[string]*rollcall.KeepOldFiles{}
	for _, t := range plan.Tiers {
		keep[t.Name] = t.Keep
	}
	var members []*member
	for _, n := range plan.Nodes() {
		members = append(members, &member{NodePlan: *n, keep: keep[n.Tier], step: rollcall.StepWaiting})
	}
	return members
}

// connect opens a session with every node and asks what it has. A node that can't be
// reached is known before anything is begun.
func (r *run) connect(ctx context.Context) error {
	r.each(ctx, r.members, func(ctx context.Context, m *member) {
		r.tell(m, rollcall.StepConnecting)
		session, err := r.Fleet.Open(ctx, m.Node)
		if err == nil {
			m.session = session
			m.has, err = session.Hello(ctx)
		}
		if err == nil && m.has.Foreign != "" {
			err = (&rollcall.Error{
				Kind: rollcall.KindRefused, Node: m.Node.Name,
				Err: fmt.Errorf("%s holds something that Rollcall did not put there: %s", m.Node.Folder, rollcall.Printable(m.has.Foreign)),
			}).WithHint("roll into a folder that is empty or does not exist yet, or move away what is there")
		}
		if token := m.has.Token; err == nil && token.Record != "" && token.Record != r.Record.ID() {
			err = (&rollcall.Error{
				Kind: rollcall.KindRefused, Node: m.Node.Name,
				Err: fmt.Errorf("it belongs to another record (%s), and this one is %s", rollcall.Printable(token.Record), r.Record.ID()),
			}).WithHint("another controller rolls it; if that one is gone for good: rollcall adopt %s", r.plan.Environment)
		}
		if err != nil {
			r.drop(m, err)
		}
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, m := range r.members {
		// What the node's operator or another controller must settle is no fault that a
		// limit could allow for.
		if m.err != nil && rollcall.KindOf(m.err) == rollcall.KindRefused {
			return m.err
		}
	}
	return nil
}

// nothingToDo tells whether all nodes that can be reached stand where they should and the
// record says so.
func (r *run) nothingToDo() bool {
	live := r.plan.From
	for _, m := range r.members {
		if m.err == nil && m.has.Current != r.plan.Release {
			return false
		}
	}
	same := live.Release == r.plan.Release && live.Revision.ID == r.plan.Revision.ID
	return r.plan.Partial != "" && live.Release == r.plan.Release || same && !interrupted(r.plan)
}

func interrupted(plan *rollcall.Plan) bool {
	return slices.ContainsFunc(plan.Warnings, func(w rollcall.Warning) bool { return w.ID == "interrupted" })
}

// unprepared ends a roll before it has a number: there is nothing to remember of it.
func (r *run) unprepared(err error) (*rollcall.RollFinished, error) {
	for _, m := range r.members {
		if m.err == nil {
			m.step = rollcall.StepSkipped
			r.tell(m, m.step)
		}
	}
	f := r.result(rollcall.OutcomeRefused, err)
	return f, outcomeError(f, err)
}

// unchanged ends a roll that has nothing to do and is not written down.
func (r *run) unchanged() (*rollcall.RollFinished, error) {
	for _, m := range r.members {
		if m.err == nil {
			m.step = rollcall.StepOK
			r.tell(m, m.step)
		}
	}
	f := r.result(rollcall.OutcomeDone, nil)
	if r.missed() > 0 {
		f.Outcome = rollcall.OutcomeBehind
	}
	f.Unchanged, f.Roll = true, r.plan.From.Roll
	r.journal.tell(rollcall.NewEvent(rollcall.EventRollFinished, f))
	return f, outcomeError(f, nil)
}

// start takes the lease and writes the plan down.
func (r *run) start(ctx context.Context) (context.Context, error) {
	var event rollcall.Event
	ctx, lease, state, err := Take(ctx, r.Record, r.plan.Environment, r.By, string(r.plan.Kind)+" "+r.plan.Environment, func(state *State) ([]rollcall.Event, error) {
		if state.Live.Release != r.plan.From.Release || state.Live.Revision.ID != r.plan.From.Revision.ID {
			return nil, rollcall.Errorf(rollcall.KindConflict, "%s was rolled by somebody else since this plan was made", r.plan.Environment).
				WithHint("plan again")
		}
		r.number = state.Rolls + 1
		event = rollcall.NewEvent(rollcall.EventRollStarted, rollcall.RollStarted{
			Environment: r.plan.Environment, Roll: r.number, Kind: r.plan.Kind, By: r.By, Plan: r.plan.ID,
			From: r.plan.From.Release, To: r.plan.Release, Revision: r.plan.Revision, Partial: r.plan.Partial,
		})
		return []rollcall.Event{event}, nil
	})
	if err != nil {
		return ctx, err
	}
	r.lease, r.state = lease, state
	r.settled = state.Live.Release == r.plan.Release && state.Interrupted == nil
	event.Stream, event.Seq, event.At = rollcall.EnvironmentStream(r.plan.Environment), state.Seq, time.Now().UTC()
	r.journal.record, r.journal.stream = r.Record, rollcall.RollStream(r.plan.Environment, r.number)
	r.journal.tell(event)
	// The begin came first: it took the number, so that a roll that dies before its plan
	// is written leaves nothing that the next one could stumble over.
	if err := r.journal.add(ctx, rollcall.NewEvent(rollcall.EventRollPlanned, r.plan)); err != nil {
		lease.stop(nil)
		return ctx, err
	}
	for _, m := range r.members {
		if m.session != nil {
			m.session.Claim(lease.Token())
		}
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

// drop notes why a node is not taking part.
func (r *run) drop(m *member, err error) {
	m.err = err
	switch rollcall.KindOf(err) {
	case rollcall.KindUnreachable:
		m.step = rollcall.StepUnreachable
	case rollcall.KindFailed:
		m.step = rollcall.StepFailed
	default:
		m.step = rollcall.StepBroken
	}
	r.tell(m, m.step)
}

// stepEvent says where a node is.
func (r *run) stepEvent(m *member, step rollcall.Step) rollcall.Event {
	from := m.has.Current
	if m.session == nil {
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

// note writes a step down.
func (r *run) note(ctx context.Context, step rollcall.Step, members ...*member) error {
	events := make([]rollcall.Event, len(members))
	for i, m := range members {
		m.step = step
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

var errStopped = rollcall.Errorf(rollcall.KindStopped, "stopped by you")

func (r *run) stopped() bool {
	select {
	case <-r.Stop:
		return true
	default:
		return false
	}
}
