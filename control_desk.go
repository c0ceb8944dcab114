package rollcall

import (
	"context"
)

// DeskRequest names a desk, and how to be there.
type DeskRequest struct {
	Code     string
	Desk     string // empty: DeskName
	TakeOver bool   // also where it is somebody else's
	// Note is told what takes time, Progress how many runs of checks are over.
	Note     func(string)
	Progress func(done, total int)
}

// Selection of changesets, as people name them.
type ChangesetSelection struct {
	Texts   []string // r1041, 1041, r1041-r1050, a hash or its beginning, "all"
	Tickets []string
	Authors []string // parts of names
}

// Empty tells whether nothing is selected.
func (s ChangesetSelection) Empty() bool {
	return len(s.Texts) == 0 && len(s.Tickets) == 0 && len(s.Authors) == 0
}

// AvailRequest asks for changesets.
type AvailRequest struct {
	DeskRequest
	States  []Standing // empty: all but integrated and reflected
	Tickets []string
	Authors []string
	Predict int // for how many of the newest, at most; negative: for all
}

// Available is a changeset of the trunk with what would come of merging it alone.
type Available struct {
	Code string `json:"code"`
	Standee
	Needs     []string `json:"needs"`     // unmerged changesets that it builds upon
	Conflicts []string `json:"conflicts"` // paths
	Predicted bool     `json:"predicted"` // whether Needs and Conflicts are known
	// Unasked is in how many of its files nobody looked what it needs: there are too many.
	Unasked int    `json:"unasked,omitempty"`
	OnDesk  string `json:"on_desk,omitempty"`
}

// Shown is all that is known of a changeset.
type Shown struct {
	Available
	Patch   string    `json:"patch"` // hostile text
	Touched []Toucher `json:"touched"`
	Minimum []string  `json:"minimum,omitempty"` // the smallest set that makes it clean
}

// Toucher is who else changed the lines that a changeset changes.
type Toucher struct {
	Path  string `json:"path"`
	Lines int    `json:"lines"`
	Standee
}

// ConflictView is a conflict as a person decides on it.
type ConflictView struct {
	Conflict
	Target     string           `json:"target"` // the branch that is merged onto: whose side "production" is
	Step       DeskStep         `json:"step"`
	TheirsBy   Changeset        `json:"theirs"`               // who brings the other side
	Production *Changeset       `json:"production,omitempty"` // who last changed the target's side
	Regions    []ConflictRegion `json:"regions,omitempty"`    // where the texts differ
	// Marked is what both sides come to, with both of them between markers where they
	// differ: to be edited, in the file Draft. Nil where the sides are no texts. Where an edit
	// was Begun and not taken yet, it is the text as it was left.
	Marked []byte `json:"-"`
	Draft  string `json:"draft,omitempty"`
	Begun  bool   `json:"begun,omitempty"`
}

// ConflictRegion is a place where both sides changed a text. Lines have no ends.
type ConflictRegion struct {
	Line       int      `json:"line"` // from 1, in the production's text
	Base       []string `json:"base"`
	Production []string `json:"production"`
	Theirs     []string `json:"theirs"`
}

// DeskOutcome is what a command on a desk came to.
type DeskOutcome struct {
	DeskState
	Changesets []Standee      `json:"changesets"`          // of the steps, in order
	Unchanged  []string       `json:"unchanged,omitempty"` // steps that change nothing
	Views      []ConflictView `json:"conflict_views,omitempty"`
	// Minimum is the smallest set of unmerged changesets that makes the step behind the
	// merged ones clean, where there is one.
	Minimum []string `json:"minimum,omitempty"`
	// Needs are changesets that those on the desk seem to build upon and that are neither
	// there nor on the target: by the changeset that needs them.
	Needs     map[string][]string `json:"needs,omitempty"`
	Moved     bool                `json:"moved,omitempty"` // the target has moved since it was merged
	Check     *CheckReport        `json:"check,omitempty"`
	Committed *Revision           `json:"committed,omitempty"`
	Staged    []ReleaseID         `json:"staged,omitempty"` // what was tried of what is committed
	Lifted    []string            `json:"lifted,omitempty"` // environments whose hold this took away
	Names     []Standee           `json:"-"`                // of ids in Minimum and Needs
}

// Together says how the step that conflicts would be clean without a decision; empty: in
// no way that was found.
func (o *DeskOutcome) Together() string {
	if len(o.Minimum) == 0 || o.Clean() {
		return ""
	}
	ids := make([]string, len(o.Minimum))
	for i, id := range o.Minimum {
		ids[i] = ShortRevision(id)
	}
	if o.Steps[o.Merged].Kind == StepBackOut {
		return "it can be taken back together with what builds upon it: " + o.Command("back-out", ids...)
	}
	return "it merges cleanly together with what it builds upon: " + o.Command("merge", ids...)
}

// MergeRequest asks for changesets to be merged.
type MergeRequest struct {
	DeskRequest
	Selection ChangesetSelection // empty: what is on the desk, again
	Drop      []string           // changesets that are taken off the desk
	DryRun    bool               // only tell what would come of it
}

// ResolveRequest decides a conflict.
type ResolveRequest struct {
	DeskRequest
	Path     string // empty: only list
	Property string
	Take     Take
	Content  []byte // of TakeFile
	Edited   bool   // Content was made of ConflictView.Marked, in its Draft: no marker may be left
}

// CheckRequest asks for the checks of a candidate, or of the production branch where
// nothing is on the desk.
type CheckRequest struct {
	DeskRequest
	All bool // conflict markers are looked for in every file
}

// CommitRequest commits a candidate.
type CommitRequest struct {
	DeskRequest
	Note string
}

// MarkRequest writes the ledger.
type MarkRequest struct {
	DeskRequest
	Kind       MarkKind
	Changesets []string
	Why        string
}

// Imported is what an older ledger says.
type Imported struct {
	Marks      []Mark    `json:"-"`
	Changesets []Standee `json:"changesets"`
}

// Desks choose and merge changesets.
type Desks interface {
	// Avail lists the changesets of a code's trunk, newest first.
	Avail(ctx context.Context, request AvailRequest) ([]Available, error)
	// Show tells everything of one changeset.
	Show(ctx context.Context, request DeskRequest, changeset string) (*Shown, error)
	// DeskStates tells what is on the desks of a code, or of all.
	DeskStates(ctx context.Context, code string) ([]DeskState, error)
	// Merge merges changesets onto the desk. KindConflict, with the outcome, where one can't
	// be without a person; KindRefused, with the outcome, where a check fails.
	Merge(ctx context.Context, request MergeRequest) (*DeskOutcome, error)
	// BackOut takes changesets back, on the desk.
	BackOut(ctx context.Context, request MergeRequest) (*DeskOutcome, error)
	// Land merges a developer branch into the trunk, on the desk; Sync the trunk into the
	// branch. Land of the production branch brings its hotfixes.
	Land(ctx context.Context, request DeskRequest, branch string) (*DeskOutcome, error)
	Sync(ctx context.Context, request DeskRequest, branch string) (*DeskOutcome, error)
	// Resolve lists conflicts, or decides one and then merges on.
	Resolve(ctx context.Context, request ResolveRequest) (*DeskOutcome, error)
	// CheckCode runs the checks.
	CheckCode(ctx context.Context, request CheckRequest) (*CheckReport, error)
	// CommitDesk commits what is on the desk.
	CommitDesk(ctx context.Context, request CommitRequest) (*DeskOutcome, error)
	// Abandon leaves the desk clean.
	Abandon(ctx context.Context, request DeskRequest) (*DeskOutcome, error)
	// MarkChangesets blocks, unblocks, or forgets what the ledger says.
	MarkChangesets(ctx context.Context, request MarkRequest) ([]Standee, error)
	// ImportLedger brings what an older ledger says into today's. With confirm it is shown
	// before anything is written; an error ends it.
	ImportLedger(ctx context.Context, request DeskRequest, confirm func(*Imported) error) (*Imported, error)
}
