package rollcall

import (
	"context"
	"time"
)

// Control is the one port that commands talk to. In-process it is met by internal/app.
type Control interface {
	Sites
	Rolls
	Holds
	Nodes
	Checks
	Desks
	Records
	Logs
	Close() error
}

// Sites tells about the site.
type Sites interface {
	// Site is what rollcall.yaml and the nodes files say.
	Site() *Site
}

// Selection is a part of an environment's nodes.
type Selection struct {
	Only []string // node name patterns, or variable=value; a node that matches one is in
	Tier []string
}

// Empty tells whether the selection takes the whole environment.
func (s Selection) Empty() bool { return len(s.Only) == 0 && len(s.Tier) == 0 }

// RollRequest asks for a plan or a roll.
type RollRequest struct {
	Environment string
	Kind        PlanKind // empty: KindRoll
	At          string   // a revision of the production branch; empty: its tip
	To          string   // of a rollback: a roll's number or a release's id
	Selection   Selection
	AcceptRisk  []string // of AllRisks
	Plan        string   // the id that the plan must have
	Parallel    int      // nodes at once; 0: the default
	// Confirm is asked with the plan before anything is touched; an error ends the roll.
	Confirm func(*Plan) error
	// Asks tells that Confirm waits for a person: nodes are not connected to before.
	Asks bool
	// Watch is called with every event of the roll, kept or not, one at a time.
	Watch func(Event)
	// Stop, once closed, pauses the roll at the next safe point; Back, once closed, takes
	// it back.
	Stop, Back <-chan struct{}
}

// Rolls plans and rolls.
type Rolls interface {
	// Plan decides what a roll would do. It has no effects on nodes.
	Plan(ctx context.Context, request RollRequest) (*Plan, error)
	// Diff is what a roll would change, file by file.
	Diff(ctx context.Context, request RollRequest) (*Diff, error)
	// Roll plans, asks, prepares, switches and verifies. The error's kind says how it
	// ended; the result is there too unless nothing was begun.
	Roll(ctx context.Context, request RollRequest) (*RollFinished, error)
	// Resume finishes the last roll of an environment, where it was paused, stopped or lost
	// its controller, as its stored plan says. KindConflict where there is none.
	Resume(ctx context.Context, request RollRequest) (*RollFinished, error)
	// Abort takes that roll back: itself where its controller is gone, or else by asking it
	// to; it returns when the nodes are where they were. KindConflict where there is none.
	Abort(ctx context.Context, request RollRequest) (*RollFinished, error)
	// Pause asks a roll under way to pause at its next safe point, and returns when it has,
	// or has ended before. KindConflict where nothing rolls.
	Pause(ctx context.Context, request RollRequest) (*RollFinished, error)
}

// Diff is what differs between what is live and what would be rolled.
type Diff struct {
	Environment string       `json:"environment"`
	From        ReleaseID    `json:"from,omitempty"`
	To          ReleaseID    `json:"to"`
	Files       []FileChange `json:"-"`
}

// Holds keeps environments and nodes from being rolled.
type Holds interface {
	// Hold sets a hold on an environment or, with node set, a node.
	Hold(ctx context.Context, target, why string) error
	// Unhold lifts it. KindConflict where there is none.
	Unhold(ctx context.Context, target string) error
}

// NodeStatus is one node as `rollcall nodes` shows it.
type NodeStatus struct {
	Environment string    `json:"environment"`
	Name        string    `json:"name"`
	Address     string    `json:"address"`
	Tier        string    `json:"tier"`
	Release     ReleaseID `json:"release"` // as the node says, or as the record knows where it can't be asked
	InService   bool      `json:"in_service"`
	Out         []Claim   `json:"out,omitempty"` // why it is not in service
	Behind      bool      `json:"behind"`
	Drift       []string  `json:"drift"` // filled by the audit
	Hold        *Hold     `json:"hold"`
	TakenOver   bool      `json:"taken_over,omitempty"` // by adopt, from what was not Rollcall's
	Free        int64     `json:"free,omitempty"`
	Problem     string    `json:"problem,omitempty"` // why the node could not be asked
	Hint        string    `json:"hint,omitempty"`
}

// Nodes asks nodes.
type Nodes interface {
	// Nodes gives the state of every node of an environment, or of all with an empty name.
	Nodes(ctx context.Context, environment string, each func(NodeStatus)) error
	// Adopt makes an environment's nodes trust this record after another's, and takes over
	// what stands in their folders that is not Rollcall's: it stays as the release to go
	// back to.
	Adopt(ctx context.Context, environment string, each func(NodeStatus)) error
	// Drain takes a node out of service, in every environment that it is in, until Restore.
	// note is told what is waited for.
	Drain(ctx context.Context, node, why string, note func(string)) error
	// Restore takes that back. KindRefused where the node is behind: it would serve what is
	// not live. It tells who else wants it out.
	Restore(ctx context.Context, node string, note func(string)) ([]Claim, error)
}

// NodeAudit is how the files of one node compare with the manifest of what is live there.
type NodeAudit struct {
	Environment string `json:"environment"`
	Node        string `json:"node"`
	Tier        string `json:"tier"`
	Audit
	Repaired bool   `json:"repaired"`
	Problem  string `json:"problem,omitempty"` // why it could not be audited or repaired
	Hint     string `json:"hint,omitempty"`
}

// Finding is one thing that doctor looked at.
type Finding struct {
	Environment string `json:"environment"`
	Node        string `json:"node,omitempty"` // empty: it concerns the controller
	Check       string `json:"check"`          // reach, folder, space, link, activate, verify, balancer, web, clock, code
	Level       Level  `json:"level"`
	Text        string `json:"text"`
	Hint        string `json:"hint,omitempty"`
}

// Level is how bad a finding is.
type Level string

// The levels of findings.
const (
	LevelOK      Level = "ok"
	LevelWarning Level = "warning" // a roll goes on, and may go wrong
	LevelProblem Level = "problem" // a roll would stop
)

// Checks look at nodes without rolling.
type Checks interface {
	// Audit compares every file of every node of an environment, or of those selected,
	// with the manifest. With repair, what differs is made as the manifest says.
	Audit(ctx context.Context, environment string, selection Selection, repair bool, each func(NodeAudit)) error
	// Doctor looks for everything that would stop a roll, node by node.
	Doctor(ctx context.Context, environment string, each func(Finding)) error
}

// Records looks after the record itself.
type Records interface {
	// BackupRecord writes a copy of the record, whole and consistent, to a new file.
	BackupRecord(ctx context.Context, file string) error
	// MoveRecord moves the record and all state to another folder and leaves a sign
	// behind, so that nobody rolls from two copies of it. KindConflict while somebody rolls.
	MoveRecord(ctx context.Context, dir string) error
}

// EnvironmentStatus is one environment as `rollcall status` shows it.
type EnvironmentStatus struct {
	Environment string    `json:"environment"`
	Release     ReleaseID `json:"release"`
	Revision    string    `json:"revision"`
	Roll        int       `json:"roll"` // the last that finished
	Since       time.Time `json:"since,omitzero"`
	By          string    `json:"by"`
	Rolling     *int      `json:"rolling"`
	Interrupted *int      `json:"interrupted"`   // waits for resume or abort
	Why         string    `json:"why,omitempty"` // it was paused or stopped
	Hold        *Hold     `json:"hold"`
	Lease       *Lease    `json:"lease"`
	Nodes       int       `json:"nodes"`
	Behind      []string  `json:"behind"`
}

// LogEntry is one roll as `rollcall log` shows it.
type LogEntry struct {
	Environment string      `json:"environment"`
	Roll        int         `json:"roll"`
	Kind        PlanKind    `json:"kind"`
	Outcome     Outcome     `json:"outcome"` // empty while it runs, "interrupted" where its controller died, "paused"
	By          string      `json:"by"`
	At          time.Time   `json:"at"`
	Seconds     float64     `json:"seconds"`
	From        ReleaseID   `json:"from"`
	To          ReleaseID   `json:"to"`
	Plan        string      `json:"plan"`
	Revision    string      `json:"revision"`
	Nodes       NodeCounts  `json:"nodes"`
	BytesSent   int64       `json:"bytes_sent"`
	Why         string      `json:"why,omitempty"`
	Partial     string      `json:"partial,omitempty"`
	Accepted    []string    `json:"accepted,omitempty"` // risks
	Changesets  []Changeset `json:"changesets"`
	Leaving     []Changeset `json:"leaving"`
}

// LogRequest selects rolls.
type LogRequest struct {
	Environment string // empty: all
	Since       time.Time
	Author      string // part of a changeset's author
	Ticket      string
	Limit       int
}

// Whereabouts are where a changeset is.
type Whereabouts struct {
	Places []Place
	Desks  []OnDesk
}

// OnDesk is a changeset that lies on a desk and is not committed.
type OnDesk struct {
	Desk      string       `json:"desk"`
	Code      string       `json:"code"`
	By        string       `json:"by"` // whose desk it is
	Since     time.Time    `json:"since,omitzero"`
	Target    string       `json:"target"` // the branch that it is to go to
	Kind      DeskStepKind `json:"kind"`
	Merged    bool         `json:"merged"` // false: it conflicts, or waits behind what does
	Changeset Changeset    `json:"changeset"`
}

// Place is where a changeset is live.
type Place struct {
	Environment string    `json:"environment"`
	Changeset   Changeset `json:"changeset"`
	Live        bool      `json:"live"`
	Candidate   string    `json:"candidate,omitempty"` // what is live there and has it, where production has not
	Nodes       []string  `json:"nodes"`               // that have it
	Missing     []string  `json:"missing"`             // that don't
	Since       time.Time `json:"since,omitzero"`
	Roll        int       `json:"roll,omitempty"`
	By          string    `json:"by,omitempty"`
}

// Logs reads the record.
type Logs interface {
	Log(ctx context.Context, request LogRequest) ([]LogEntry, error)
	Status(ctx context.Context, environment string) ([]EnvironmentStatus, error)
	// Where tells on which nodes a changeset is live, and on which desks it lies.
	Where(ctx context.Context, changeset string) (*Whereabouts, error)
}
