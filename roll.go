package rollcall

import (
	"context"
	"strconv"
	"time"
)

// Live is what an environment stands at.
type Live struct {
	Release  ReleaseID `json:"release"`
	Revision Revision  `json:"revision"`
	Roll     int       `json:"roll"` // that brought it
	At       time.Time `json:"at"`
	By       string    `json:"by"`
}

// PlanKind says in which direction a plan goes.
type PlanKind string

// The kinds of plans.
const (
	KindRoll     PlanKind = "roll"
	KindRollback PlanKind = "rollback"
	KindCatchUp  PlanKind = "catch-up" // brings nodes that were missed to what is live
	KindReview   PlanKind = "review"   // rolls one node and keeps it out of service
)

// Plan is everything that a roll will do, decided before anything is touched. It is
// stored with the roll, so that the roll can be finished when the site has changed.
type Plan struct {
	ID          string      `json:"id"` // a hash of all that follows
	Kind        PlanKind    `json:"kind"`
	Environment string      `json:"environment"`
	Code        string      `json:"code"`
	From        Live        `json:"from"` // zero where nothing is live
	Release     ReleaseID   `json:"release"`
	Revision    Revision    `json:"revision"`
	Coming      []Changeset `json:"changesets"` // newest first
	Going       []Changeset `json:"leaving"`    // that stop being live
	Files       FileCounts  `json:"files"`
	Tiers       []TierPlan  `json:"tiers"`
	Held        []HeldNode  `json:"held,omitempty"`
	Warnings    []Warning   `json:"warnings,omitempty"`
	Partial     string      `json:"partial,omitempty"` // the selection, where it is not the whole environment
	Keep        int         `json:"keep"`
	Link        []string    `json:"link,omitempty"`
	Permissions
	Limits    Limits    `json:"limits"`
	OnFailure OnFailure `json:"on_failure"`
	Before    []Hook    `json:"before,omitempty"`
	After     []Hook    `json:"after,omitempty"`
}

// Nodes are the plan's nodes in their order.
func (p *Plan) Nodes() []*NodePlan {
	var all []*NodePlan
	for t := range p.Tiers {
		for b := range p.Tiers[t].Batches {
			batch := p.Tiers[t].Batches[b]
			for n := range batch {
				all = append(all, &batch[n])
			}
		}
	}
	return all
}

// TierPlan is one tier's part of a plan.
type TierPlan struct {
	Name    string        `json:"name"`
	Batches [][]NodePlan  `json:"batches"`
	Soak    time.Duration `json:"soak,omitempty"` // nanoseconds
	Keep    *KeepOldFiles `json:"keep_old_files,omitempty"`
	// MinInService is how many of Service must be given requests at any moment.
	MinInService int       `json:"min_in_service,omitempty"`
	Service      []Service `json:"service,omitempty"` // every node of the tier, also those that do not roll
}

// Service is how one node of a tier is taken out of service.
type Service struct {
	Node  string `json:"node"`
	Drain Drain  `json:"drain"`
}

// NodePlan is what happens on one node, every variable expanded.
type NodePlan struct {
	Node     Node      `json:"node"`
	Tier     string    `json:"tier"`
	From     ReleaseID `json:"from,omitempty"` // as the record knows it
	Drain    *Drain    `json:"drain,omitempty"`
	Activate []Command `json:"activate,omitempty"`
	Verify   []Probe   `json:"verify,omitempty"`
}

// HeldNode is a node that a hold keeps out of the roll.
type HeldNode struct {
	Name string `json:"name"`
	Tier string `json:"tier"`
	Hold Hold   `json:"hold"`
}

// FileCounts says how much differs between two releases.
type FileCounts struct {
	Added   int   `json:"added"`
	Changed int   `json:"changed"`
	Removed int   `json:"removed"`
	Total   int   `json:"total"` // in the new one
	Bytes   int64 `json:"bytes"` // of the added and changed files
}

// Warning is something odd about a plan, with the name by which its risk is accepted.
type Warning struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// Step is where a node is within a roll. Steps has the allowed moves.
type Step string

// The steps of a node.
const (
	StepWaiting     Step = "waiting"
	StepConnecting  Step = "connecting"
	StepReceiving   Step = "receiving"
	StepPrepared    Step = "prepared"
	StepDraining    Step = "draining"
	StepSwitching   Step = "switching"
	StepSwitched    Step = "switched"
	StepVerifying   Step = "verifying"
	StepRestoring   Step = "restoring"
	StepOK          Step = "ok"
	StepFailed      Step = "failed"
	StepBroken      Step = "broken"
	StepUnreachable Step = "unreachable"
	StepSkipped     Step = "skipped"
	StepReverting   Step = "reverting"
	StepReverted    Step = "reverted"
)

// Steps lists every allowed move of a node within a roll. docs/states.md shows it, and
// a test holds the two against each other.
var Steps = map[Step][]Step{
	StepWaiting:     {StepConnecting, StepSkipped},
	StepConnecting:  {StepReceiving, StepPrepared, StepDraining, StepSwitching, StepOK, StepUnreachable, StepBroken, StepSkipped, StepReverting},
	StepReceiving:   {StepPrepared, StepUnreachable, StepBroken, StepSkipped},
	StepPrepared:    {StepDraining, StepSwitching, StepOK, StepSkipped, StepUnreachable},
	StepDraining:    {StepSwitching, StepUnreachable, StepBroken, StepFailed, StepSkipped, StepReverting},
	StepSwitching:   {StepSwitched, StepOK, StepUnreachable, StepBroken, StepFailed, StepSkipped, StepReverting},
	StepSwitched:    {StepVerifying, StepRestoring, StepOK, StepFailed, StepBroken, StepUnreachable, StepReverting},
	StepVerifying:   {StepRestoring, StepOK, StepFailed, StepBroken, StepUnreachable, StepReverting},
	StepRestoring:   {StepOK, StepFailed, StepBroken, StepUnreachable, StepReverting},
	StepOK:          {StepReverting, StepFailed, StepBroken, StepUnreachable},
	StepFailed:      {StepReverting, StepConnecting},
	StepReverting:   {StepReverted, StepUnreachable, StepBroken, StepFailed},
	StepUnreachable: {StepReverting, StepConnecting},
	StepBroken:      {StepReverting, StepConnecting},
	StepReverted:    {},
	StepSkipped:     {},
}

// Outcome is how a roll ended.
type Outcome string

// The outcomes of a roll.
const (
	OutcomeDone       Outcome = "done"
	OutcomeBehind     Outcome = "behind"     // rolled, but nodes were left behind
	OutcomeRolledBack Outcome = "rolledback" // failed, and the fleet is where it was
	OutcomeStopped    Outcome = "stopped"    // part way: resume, abort or rollback decides
	OutcomeRefused    Outcome = "unprepared" // nothing was switched: nodes could not be prepared
)

// The types of events, by the stream that they are in.
const (
	EventLeaseTaken      = "lease.taken" // env/ENVIRONMENT
	EventLeaseReleased   = "lease.released"
	EventRollStarted     = "roll.started"
	EventRollPaused      = "roll.paused"      // it waits for resume or abort
	EventRollResumed     = "roll.resumed"     // by whoever took it over
	EventRollInterrupted = "roll.interrupted" // given up: another roll went over it
	EventRollFinished    = "roll.finished"
	EventPauseAsked      = "pause.asked"
	EventAbortAsked      = "abort.asked"
	EventAdopted         = "adopted"
	EventHoldSet         = "hold.set" // also node/NODE
	EventHoldLifted      = "hold.lifted"

	EventRollPlanned  = "roll.planned" // plan/ENVIRONMENT/ID; of version 1: roll/ENVIRONMENT/NUMBER
	EventTakenUp      = "roll.takenup" // roll/ENVIRONMENT/NUMBER
	EventTierStarted  = "tier.started"
	EventRollingBack  = "roll.rollingback"
	EventHookStarted  = "hook.started"
	EventHookFinished = "hook.finished"
	EventHookFailed   = "hook.failed"
	EventNodePrefix   = "node." // followed by a Step
	EventProgress     = "progress"
	EventPreparing    = "preparing" // not kept: what the controller does beside the steps
)

// Lease says who may roll an environment. Its event's sequence is the fencing token.
type Lease struct {
	By      string    `json:"by"`
	Host    string    `json:"host"`
	Boot    string    `json:"boot"` // the host's boot id, so that a process id means something
	Process int       `json:"process"`
	Started string    `json:"started"` // the process's start, in the kernel's clock ticks
	For     string    `json:"for"`     // "roll production/42"
	Seq     int64     `json:"seq,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// RollStarted is the data of EventRollStarted.
type RollStarted struct {
	Environment string    `json:"environment"`
	Roll        int       `json:"roll"`
	Kind        PlanKind  `json:"kind"`
	By          string    `json:"by"`
	Plan        string    `json:"plan"`
	From        ReleaseID `json:"from,omitempty"`
	To          ReleaseID `json:"to"`
	Revision    Revision  `json:"revision"`
	Partial     string    `json:"partial,omitempty"`
	Accepted    []string  `json:"accepted,omitempty"` // risks, by their names
	At          time.Time `json:"at,omitzero"`
}

// RollFinished is the data of EventRollFinished, and the last line that --json prints.
type RollFinished struct {
	Outcome     Outcome    `json:"outcome"`
	Environment string     `json:"environment"`
	Roll        int        `json:"roll"`
	Kind        PlanKind   `json:"kind"`
	By          string     `json:"by"`
	From        ReleaseID  `json:"from,omitempty"`
	To          ReleaseID  `json:"to"`
	Revision    Revision   `json:"revision"`
	Nodes       NodeCounts `json:"nodes"`
	BytesSent   int64      `json:"bytes_sent"`
	Seconds     float64    `json:"seconds"`
	Why         string     `json:"why,omitempty"`
	Hint        string     `json:"hint,omitempty"`
	Partial     string     `json:"partial,omitempty"`
	Unchanged   bool       `json:"unchanged,omitempty"` // nothing was to do, and nothing is recorded
	Aborted     string     `json:"aborted,omitempty"`   // by whom
	Held        bool       `json:"held,omitempty"`      // the environment is on hold by it
}

// Adopted is the data of EventAdopted: what stood on nodes that were taken over.
type Adopted struct {
	By    string               `json:"by"`
	Live  ReleaseID            `json:"live,omitempty"` // what is live from now on, where nothing was known to be
	Nodes map[string]ReleaseID `json:"nodes"`
}

// Asked is the data of EventPauseAsked and EventAbortAsked, and of EventRollResumed.
type Asked struct {
	By   string `json:"by"`
	Roll int    `json:"roll"`
}

// HookRun is the data of EventHookStarted, EventHookFinished and EventHookFailed.
type HookRun struct {
	Environment string `json:"environment"`
	Roll        int    `json:"roll"`
	When        string `json:"when"` // before, after
	Index       int    `json:"index"`
	On          string `json:"on"`
	Command     string `json:"command"`
	Exit        int    `json:"exit"`
	Output      string `json:"output,omitempty"`
}

// NodeCounts counts nodes by how they ended. Reverted nodes count under what made
// them go back: a node that was fine is skipped.
type NodeCounts struct {
	OK          int `json:"ok"`
	Failed      int `json:"failed"`
	Broken      int `json:"broken"`
	Unreachable int `json:"unreachable"`
	Skipped     int `json:"skipped"`
}

// NodeStep is the data of an EventNodePrefix event.
type NodeStep struct {
	Environment string    `json:"environment"`
	Roll        int       `json:"roll"`
	Node        string    `json:"node"`
	Tier        string    `json:"tier"`
	Step        Step      `json:"step"`
	From        ReleaseID `json:"from,omitempty"` // what was live there before
	Release     ReleaseID `json:"release,omitempty"`
	Bytes       int64     `json:"bytes,omitempty"`
	Seconds     float64   `json:"seconds,omitempty"`
	Message     string    `json:"message,omitempty"`
	Hint        string    `json:"hint,omitempty"`
	Output      string    `json:"output,omitempty"`
	Edited      []string  `json:"edited,omitempty"` // files that somebody changed by hand in the old release
}

// Progress is the data of an EventProgress event.
type Progress struct {
	Node  string `json:"node"`
	Phase string `json:"phase"`
	Sent  int64  `json:"sent"`
	Total int64  `json:"total"`
}

// TierStarted is the data of EventTierStarted.
type TierStarted struct {
	Environment string   `json:"environment"`
	Roll        int      `json:"roll"`
	Tier        string   `json:"tier"`
	Batch       int      `json:"batch"` // from 1
	Batches     int      `json:"batches"`
	Nodes       []string `json:"nodes"`
}

// Note is the data of EventPreparing and EventRollingBack.
type Note struct {
	Environment string `json:"environment,omitempty"`
	Roll        int    `json:"roll,omitempty"`
	Text        string `json:"text"`
	Hint        string `json:"hint,omitempty"`
	Kind        Kind   `json:"kind,omitempty"`    // of what made the roll go back
	Aborted     string `json:"aborted,omitempty"` // who asked to go back, where it was a person
	Warning     bool   `json:"warning,omitempty"` // still worth reading when the roll is over
}

// Hold is a reason why an environment or a node must not be rolled.
type Hold struct {
	By       string    `json:"by"`
	Why      string    `json:"why"`
	Roll     int       `json:"roll,omitempty"`     // that was rolled back, where that is the reason
	Revision string    `json:"revision,omitempty"` // that it must not bring again
	Release  ReleaseID `json:"release,omitempty"`
	At       time.Time `json:"at,omitzero"`
}

// Release is an immutable tree, named by the hash of its manifest.
type Release struct {
	ID       ReleaseID
	Revision Revision
	Odd      []string // what is allowed and worth a warning
}

// Releases makes releases and the packs between them, and keeps both.
type Releases interface {
	// Build gives the release of a revision, from what is kept where the tree is known.
	// note is told what takes time.
	Build(ctx context.Context, code *Code, repo Repository, revision Revision, note func(string)) (Release, error)
	// Manifest gives a kept manifest. KindNotFound where it is not kept.
	Manifest(id ReleaseID) (*Manifest, error)
	// Adopt keeps a manifest that a node holds, if it has the name that it claims.
	Adopt(id ReleaseID, m *Manifest) error
	// Align gives a release that was made without knowing an earlier one the times of
	// an adopted one, wherever their contents are equal.
	Align(to, from ReleaseID) error
	// Deliver makes what brings a node from one release to another. `from` may be empty.
	Deliver(ctx context.Context, code *Code, repo Repository, from, to ReleaseID, note func(string)) (Delivery, error)
}

// EnvironmentStream is where an environment's leases, rolls and holds are.
func EnvironmentStream(environment string) string { return "env/" + environment }

// RollStream is where the steps of one roll are.
func RollStream(environment string, number int) string {
	return "roll/" + environment + "/" + strconv.Itoa(number)
}

// PlanStream is where a plan is kept by its id, from before the roll begins.
func PlanStream(environment, id string) string { return "plan/" + environment + "/" + id }

// NodeStream is where a node's holds and claims are.
func NodeStream(node string) string { return "node/" + node }
