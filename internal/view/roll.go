package view

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// Roll shows one roll as it happens. Watch takes its events; Finish ends it.
type Roll struct {
	p *Printer

	mu       sync.Mutex
	plan     *rollcall.Plan
	nodes    []*nodeLine
	byName   map[string]*nodeLine
	note     string
	phase    string
	begun    time.Time
	sending  time.Time // when the first bytes went out
	finished *rollcall.RollFinished
	warnings []string

	painter *painter
}

// nodeLine is what is known of a node.
type nodeLine struct {
	name, tier  string
	step        rollcall.Step
	phase       string
	sent, total int64
	message     string
	hint        string
	output      string
	from        rollcall.ReleaseID
}

// Roll begins the view of a roll.
func (p *Printer) Roll() *Roll {
	r := &Roll{p: p, byName: map[string]*nodeLine{}, begun: time.Now()}
	if p.Live {
		r.painter = newPainter(p.Err, r.frame)
	}
	return r
}

// Pause takes the live view away, so that something can be asked.
func (r *Roll) Pause() {
	if r.painter != nil {
		r.painter.stop()
		r.painter = nil
	}
}

// SetPlan tells which nodes there will be, and begins to draw.
func (r *Roll) SetPlan(plan *rollcall.Plan) {
	r.mu.Lock()
	r.plan, r.begun = plan, time.Now()
	for _, n := range plan.Nodes() {
		line := &nodeLine{name: n.Node.Name, tier: n.Tier, step: rollcall.StepWaiting, from: n.From}
		r.nodes = append(r.nodes, line)
		r.byName[line.name] = line
	}
	r.mu.Unlock()
	if r.p.Live && r.painter == nil {
		r.painter = newPainter(r.p.Err, r.frame)
	}
}

// Watch takes an event.
func (r *Roll) Watch(e rollcall.Event) {
	if r.p.JSON {
		if e.Type != rollcall.EventRollFinished { // that is the result, and comes last
			_ = r.p.Event(e) // a reader that went away does not end a roll
		}
	}
	r.mu.Lock()
	line := r.apply(e)
	r.mu.Unlock()
	if line != "" && !r.p.JSON && !r.p.Live {
		fmt.Fprintln(r.p.Err, line)
	}
}

// apply takes an event into the picture and gives the line that the plain view prints.
func (r *Roll) apply(e rollcall.Event) string {
	switch {
	case e.Type == rollcall.EventProgress:
		var g rollcall.Progress
		if e.Decode(&g) == nil {
			if n := r.byName[g.Node]; n != nil {
				n.phase, n.sent, n.total = g.Phase, g.Sent, g.Total
			}
			if r.sending.IsZero() && g.Sent > 0 {
				r.sending = time.Now()
			}
		}
	case strings.HasPrefix(e.Type, rollcall.EventNodePrefix):
		var s rollcall.NodeStep
		if e.Decode(&s) == nil {
			return r.applyStep(e, s)
		}
	case e.Type == rollcall.EventPreparing:
		var n rollcall.Note
		if e.Decode(&n) == nil {
			if n.Warning {
				r.warnings = append(r.warnings, n.Text)
			} else {
				r.note = n.Text
			}
			return n.Text
		}
	case e.Type == rollcall.EventRollStarted:
		var s rollcall.RollStarted
		if e.Decode(&s) == nil {
			r.note, r.phase = "", fmt.Sprintf("%s/%d", s.Environment, s.Roll)
			return fmt.Sprintf("%s/%d by %s: %s → %s", s.Environment, s.Roll, s.By, releaseName(s.From), s.To.Short())
		}
	case e.Type == rollcall.EventTierStarted:
		var t rollcall.TierStarted
		if e.Decode(&t) == nil {
			r.note = fmt.Sprintf("switching %s, batch %d of %d", t.Tier, t.Batch, t.Batches)
			return fmt.Sprintf("switching %s, batch %d of %d: %s", t.Tier, t.Batch, t.Batches, strings.Join(t.Nodes, " "))
		}
	case e.Type == rollcall.EventRollingBack:
		var n rollcall.Note
		if e.Decode(&n) == nil {
			r.note = "rolling back"
			return "rolling back: " + n.Text
		}
	case e.Type == rollcall.EventHookStarted, e.Type == rollcall.EventHookFinished, e.Type == rollcall.EventHookFailed:
		var h rollcall.HookRun
		if e.Decode(&h) == nil {
			return r.applyHook(e.Type, h)
		}
	case e.Type == rollcall.EventRollFinished:
		f := &rollcall.RollFinished{}
		if e.Decode(f) == nil {
			r.finished = f
		}
	}
	return ""
}

func (r *Roll) applyHook(eventType string, h rollcall.HookRun) string {
	line := fmt.Sprintf("%s: %s on %s", h.When, h.Command, h.On)
	switch eventType {
	case rollcall.EventHookFinished:
		r.note = ""
		return line + ": done"
	case rollcall.EventHookFailed:
		return line + ": failed"
	}
	r.note = line
	return line
}

func (r *Roll) applyStep(e rollcall.Event, s rollcall.NodeStep) string {
	n := r.byName[s.Node]
	if n == nil {
		return ""
	}
	n.step, n.from = s.Step, s.From
	if s.Bytes > 0 {
		n.sent, n.total = s.Bytes, s.Bytes
	}
	if s.Message != "" {
		n.message, n.hint, n.output = s.Message, s.Hint, s.Output
	}
	if e.Seq == 0 && s.Message == "" {
		return "" // passing: the plain view keeps to what is kept
	}
	line := fmt.Sprintf("%s: %s", s.Node, s.Step)
	if s.Step == rollcall.StepPrepared && s.Bytes > 0 {
		line += " (" + sizeOf(s.Bytes) + ")"
	}
	if s.Message != "" && s.Step != rollcall.StepReverting && s.Step != rollcall.StepReverted {
		if e.Seq > 0 && s.Roll > 0 {
			return "" // told already when it happened
		}
		line += ": " + s.Message
	}
	return line
}

// Finish ends the live view and prints the summary.
func (r *Roll) Finish(f *rollcall.RollFinished) error {
	if r.painter != nil {
		r.painter.stop()
	}
	if f == nil {
		return nil
	}
	if r.p.JSON {
		return r.p.Event(withTime(rollcall.NewEvent(rollcall.EventRollFinished, f)))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary(f)
	if r.p.Live { // the plain view has told them already
		for _, text := range r.warnings {
			r.p.Note("%s %s", r.p.errStyle().yellow("!"), rollcall.PrintableLines(text))
		}
	}
	return nil
}

func withTime(e rollcall.Event) rollcall.Event {
	e.At = time.Now().UTC()
	return e
}
