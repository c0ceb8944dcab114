package rollcall

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Standing is how a changeset of a source branch stands towards a target branch.
type Standing string

// The standings of a changeset. docs/states.md shows the moves between them.
const (
	StandEligible   Standing = "eligible"
	StandIntegrated Standing = "integrated"
	StandBlocked    Standing = "blocked"
	StandNoop       Standing = "noop"       // would change nothing
	StandBackedOut  Standing = "backed-out" // eligible again, never picked by "all"
	StandReflected  Standing = "reflected"  // only brings the target's own changes back
	StandPartial    Standing = "partial"    // parts of its tree are integrated and others are not
	StandProbable   Standing = "probable"   // looks integrated, and nothing proves it
)

// Standings are all of them, in the order in which they are shown.
var Standings = []Standing{
	StandEligible, StandBackedOut, StandPartial, StandProbable, StandBlocked, StandNoop, StandReflected, StandIntegrated,
}

// Mergeable tells whether a changeset that stands so may be merged.
func (s Standing) Mergeable() bool {
	return s == StandEligible || s == StandBackedOut || s == StandPartial || s == StandProbable || s == StandNoop
}

// Standee is a changeset of a source branch with what the ledger says of it.
type Standee struct {
	Changeset
	Standing Standing `json:"state"`
	In       string   `json:"in,omitempty"` // the target's revision that last said so
	By       string   `json:"by,omitempty"` // who did that
	// Was is, of StandBackedOut, the target's revision that had integrated it; empty where
	// the target has it as an ancestor.
	Was string `json:"was,omitempty"`
	Why string `json:"why,omitempty"` // of a block; or what makes it probable
	// Message is the whole of it, as it was written: hostile.
	Message string `json:"-"`
}

// DeskStepKind says what a step on a desk does.
type DeskStepKind string

// The kinds of steps.
const (
	StepPick    DeskStepKind = "pick"     // one changeset of the source
	StepBackOut DeskStepKind = "back-out" // the reverse of one that the target has
	StepMerge   DeskStepKind = "merge"    // a whole branch, as far as it is now
)

// DeskStep is one thing that is merged on a desk.
type DeskStep struct {
	Kind   DeskStepKind `json:"kind"`
	Source string       `json:"source"` // the branch that it comes from
	// ID is the changeset's, or of StepMerge the revision of the source that is merged.
	ID string `json:"id"`
	// In is, of StepBackOut, the target's revision that integrated it; empty where the
	// target has it as an ancestor.
	In string `json:"in,omitempty"`
}

// ConflictSide is what one side of a conflict has at its path.
type ConflictSide struct {
	Path    string // where it has another one
	Type    EntryType
	Content []byte // a link's is its target; a folder's only tells it from another one
}

// Conflict is one path that could not be merged without a person.
type Conflict struct {
	Path     string `json:"path"`
	Property string `json:"property,omitempty"` // a Subversion property; empty: the file itself
	Words    string `json:"words"`              // what each side did, in words
	// Nil where that side has nothing there. Of a property the content is its value.
	Base       *ConflictSide `json:"-"`
	Production *ConflictSide `json:"-"` // the target, with the steps before
	Theirs     *ConflictSide `json:"-"` // what the step brings
}

// Name is how a conflict is spoken of.
func (c Conflict) Name() string {
	if c.Property == "" {
		return Printable(c.Path)
	}
	return Printable(c.Path) + " (property " + Printable(c.Property) + ")"
}

// Fingerprint tells one conflict of a path from another: where any side changes, it is
// another one, and what was decided before says nothing of it.
func (c Conflict) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", c.Path, c.Property)
	for _, side := range []*ConflictSide{c.Base, c.Production, c.Theirs} {
		if side == nil {
			fmt.Fprintln(h, "none")
			continue
		}
		fmt.Fprintf(h, "%c %d\n%s\n", side.Type, len(side.Content), side.Content)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Decided gives what was decided for a conflict, or nil.
func (c Conflict) Decided(all []Resolution) *Resolution {
	for i, r := range all {
		if r.Path == c.Path && r.Property == c.Property && (r.Of == "" || r.Of == c.Fingerprint()) {
			return &all[i]
		}
	}
	return nil
}

// Resolution is what a person decided for one conflict.
type Resolution struct {
	Path     string    `json:"path"`
	Property string    `json:"property,omitempty"`
	Of       string    `json:"of,omitempty"` // the Conflict.Fingerprint; empty: whatever the sides are
	Take     Take      `json:"take"`
	Delete   bool      `json:"delete,omitempty"` // the path, or the property, is to be gone
	Type     EntryType `json:"type,omitempty"`
	Content  []byte    `json:"-"`
}

// Take names which side a resolution takes.
type Take string

// What can be taken.
const (
	TakeTheirs     Take = "theirs"     // what the changeset brings
	TakeProduction Take = "production" // what stands on the target
	TakeFile       Take = "file"       // another content
)

// Applied is what a step came to.
type Applied struct {
	Changed   bool       // false: the tree is as before
	Conflicts []Conflict // those that no resolution was given for; then nothing is applied
}

// Touch is an earlier changeset whose lines a changeset changes or takes away.
type Touch struct {
	ID    string `json:"id"`
	Path  string `json:"path"`
	Lines int    `json:"lines"`
}

// Touched is whose lines a changeset changes.
type Touched struct {
	Touches []Touch
	Unasked int // files whose lines nobody was asked about: there are too many
}

// MarkKind says what a ledger entry that changes no file says.
type MarkKind string

// The kinds of marks.
const (
	MarkBlocked    MarkKind = "block"
	MarkUnblocked  MarkKind = "unblock"
	MarkIntegrated MarkKind = "integrated"
	MarkForgotten  MarkKind = "forget" // nothing that the ledger said of it counts
)

// Mark is a ledger entry that changes no file.
type Mark struct {
	Kind MarkKind
	ID   string // the changeset
	Why  string
}

// DeskCommit is what a bench needs to know to commit what was applied on it.
type DeskCommit struct {
	By     string      `json:"by"`               // who commits
	Note   string      `json:"note,omitempty"`   // what he says about it
	Steps  []Standee   `json:"steps"`            // of each step, in order; of StepMerge only the ID, Author and Subject
	Staged []ReleaseID `json:"staged,omitempty"` // releases of this tree that were tried on staging
	// Token is what the commit is found again by.
	Token string `json:"token"`
}

// Merger is a Repository whose changesets can be merged from branch to branch. The
// ledger of what is merged is kept in the repository and nowhere else. Every
// implementation passes the suite in internal/vcs/vcstest.
type Merger interface {
	Repository
	// Standees lists the changesets of source since it and target parted, newest first.
	// Without all, those that are integrated or reflected may be left out. KindRefused where
	// the ledger names what source does not have: it is forged, or source was rewritten.
	Standees(ctx context.Context, source, target string, all bool) ([]Standee, error)
	// Branches lists the branches of a pattern with their tips; empty: all.
	Branches(ctx context.Context, pattern string) ([]string, error)
	// Touched lists whose lines a changeset of source changes, as far as they are no older
	// than the parting of source and target; and, with no lines, who brought files that it
	// changes and that target lacks.
	Touched(ctx context.Context, source, target, id string) (Touched, error)
	// LastChanged gives the changeset that last changed each path of a branch, with the author
	// who wrote it: of what was promoted not who did that. A path that the branch never had
	// is left out.
	LastChanged(ctx context.Context, branch string, paths []string) (map[string]Changeset, error)
	// Patch is what a changeset of a branch changes, as a unified diff: hostile text.
	Patch(ctx context.Context, branch, id string) ([]byte, error)
	// Bench opens the bench of a name, at a revision of target. Two of the same name must
	// not be open at once; an empty name is one that nothing is kept of.
	Bench(ctx context.Context, name, target string, base Revision) (Bench, error)
	// Mark writes ledger entries on changesets of source to target, all or none. What is
	// forgotten need not be of source any more. KindConflict where somebody else was faster.
	Mark(ctx context.Context, source, target string, marks []Mark, by string) (Revision, error)
	// Proofs gives what the newest commits of a branch say was tried on staging: releases.
	Proofs(ctx context.Context, branch string) ([]ReleaseID, error)
}

// Promoter is a Merger that can tell what the changesets of a target brought. It is found
// by assertion.
type Promoter interface {
	// Brought replaces, in a list of target's changesets, newest first, each promotion by the
	// changesets of source that it brought, and leaves out what only keeps the ledger.
	Brought(ctx context.Context, source, target string, list []Changeset) ([]Changeset, error)
}

// Bench is where steps are merged one after the other. Nothing on it lasts: what is on a
// desk stands in the record, and is applied again.
type Bench interface {
	// Reset takes everything away that was applied.
	Reset(ctx context.Context) error
	// Apply does one step on top of those before. Where a conflict has no resolution the
	// bench is of no use until Reset.
	Apply(ctx context.Context, step DeskStep, resolved []Resolution) (Applied, error)
	// Freeze gives the name of the tree that stands there now; the Repository reads it.
	Freeze(ctx context.Context) (tree string, err error)
	// Prepare makes what Commit needs, without effect on anybody: what it returns can be kept
	// and given to Commit by a later process.
	Prepare(ctx context.Context, commit DeskCommit) (prepared string, err error)
	// Commit puts what Prepare made on the target branch, behind the base and nothing else.
	// Where that was done already it says so again. KindConflict where the branch has moved.
	Commit(ctx context.Context, commit DeskCommit, prepared string) (Revision, error)
	Close() error
}

// Parallel is a Bench that can try many single steps on its base at once, faster than
// one after the other. It is found by assertion.
type Parallel interface {
	// Each tries each step alone on the base, and calls fn with what came of it, in any
	// order but one at a time. A conflict may have its path and nothing else.
	Each(ctx context.Context, steps []DeskStep, fn func(i int, applied Applied, err error)) error
}

// ManyTouched is a Merger that tells of many changesets at once whose lines they change,
// faster than of one after the other. It is found by assertion.
type ManyTouched interface {
	// TouchedByEach is Touched for each changeset of ids. More files may go unasked than of one.
	TouchedByEach(ctx context.Context, source, target string, ids []string) (map[string]Touched, error)
}

// DeskName is the name of the desk that every code has.
const DeskName = "main"

// DeskStream is the record's stream of a desk.
func DeskStream(code, desk string) string { return "desk/" + code + "/" + desk }

// The types of events of a desk's stream.
const (
	EventDeskTaken       = "desk.taken"      // somebody works on it from now on
	EventDeskSelected    = "desk.selected"   // what is to be merged, and onto what
	EventDeskMerged      = "desk.merged"     // what came of it
	EventDeskResolved    = "desk.resolved"   // a conflict was decided
	EventDeskChecked     = "desk.checked"    // the checks ran
	EventDeskCommitting  = "desk.committing" // what is about to be pushed
	EventDeskCommitted   = "desk.committed"
	EventDeskUncommitted = "desk.uncommitted" // it could not be: the desk stays as it is
	EventDeskAbandoned   = "desk.abandoned"
)

// DeskState is a desk as the record knows it.
type DeskState struct {
	Code     string     `json:"code"`
	Desk     string     `json:"desk"`
	By       string     `json:"by,omitempty"` // whose it is; empty: nobody's
	Since    time.Time  `json:"since,omitzero"`
	Over     string     `json:"over,omitempty"` // whose it was when By took it over
	Busy     bool       `json:"busy,omitempty"` // a command works on it just now; told by DeskStates
	Source   string     `json:"source,omitempty"`
	Target   string     `json:"target,omitempty"`
	Base     Revision   `json:"base,omitzero"` // what everything is merged onto
	Steps    []DeskStep `json:"steps"`         // in order
	Merged   int        `json:"merged"`        // how many of the steps are merged
	Tree     string     `json:"tree,omitempty"`
	Conflict []Conflict `json:"conflicts"` // of the step behind the merged ones
	// Resolved are the decisions, by step and path; their contents are kept by hash.
	Resolved []StepResolution `json:"resolved,omitempty"`
	Checked  *CheckedTree     `json:"checked,omitempty"`
	// Committing is set where a commit was begun and nobody knows how it ended.
	Committing *Committing `json:"committing,omitempty"`
	Seq        int64       `json:"-"`
}

// Decisions are those that count, for steps on the desk: of each conflict the last one.
func (d *DeskState) Decisions() []StepResolution {
	var all []StepResolution
	for i, r := range d.Resolved {
		later := slices.ContainsFunc(d.Resolved[i+1:], func(o StepResolution) bool { return o.same(r) })
		if !later && slices.ContainsFunc(d.Steps, func(s DeskStep) bool { return s.Key() == r.Step }) {
			all = append(all, r)
		}
	}
	return all
}

// same tells whether two decisions are of one path.
func (r StepResolution) same(o StepResolution) bool {
	return r.Step == o.Step && r.Path == o.Path && r.Property == o.Property
}

// DeskCommand is a command on a desk as people type it. Every hint that names one is made
// by it: what is typed without --desk acts on DeskName.
func DeskCommand(verb, code, desk string, more ...string) string {
	words := []string{"rollcall", verb, code}
	if desk != "" && desk != DeskName {
		words = append(words, "--desk", desk)
	}
	return strings.Join(append(words, more...), " ")
}

// Command is a command on this desk as people type it.
func (d *DeskState) Command(verb string, more ...string) string {
	return DeskCommand(verb, d.Code, d.Desk, more...)
}

// Open tells whether there is anything on the desk.
func (d *DeskState) Open() bool { return len(d.Steps) > 0 }

// Clean tells whether all that is on the desk is merged.
func (d *DeskState) Clean() bool { return d.Merged == len(d.Steps) }

// StepResolution is a Resolution that the record keeps.
type StepResolution struct {
	Step string `json:"step"` // DeskStep.Key
	Resolution
	Hash string `json:"hash,omitempty"` // of the content
	By   string `json:"by"`
}

// Key names a step within a desk. A branch stays the same one while it grows.
func (s DeskStep) Key() string {
	if s.Kind == StepMerge {
		return string(s.Kind) + " " + s.Source
	}
	return string(s.Kind) + " " + s.ID
}

// CheckedTree says how the checks of a tree ended.
type CheckedTree struct {
	Tree   string    `json:"tree"`
	Passed bool      `json:"passed"`
	Failed int       `json:"failed"`
	At     time.Time `json:"at,omitzero"`
}

// Committing is a commit that was begun.
type Committing struct {
	Commit   DeskCommit `json:"commit"`
	Prepared string     `json:"prepared,omitempty"`
	Tree     string     `json:"tree"`
}
