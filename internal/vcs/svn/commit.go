package svn

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// The properties of a revision that a commit of ours has. They need no hook: they come
// with the commit.
const (
	revBy    = "rollcall:by"
	revToken = "rollcall:commit"
)

// preparedCommit is what a later process needs to commit the same.
type preparedCommit struct {
	Version int           `json:"version"`
	Target  string        `json:"target"`
	Base    int64         `json:"base"`
	Token   string        `json:"token"`
	By      string        `json:"by"`
	Tree    string        `json:"tree"`
	Message string        `json:"message"`
	Steps   []appliedStep `json:"steps"`
}

const preparedVersion = 1

// Prepare writes down what is to be committed.
func (b *bench) Prepare(ctx context.Context, c rollcall.DeskCommit) (string, error) {
	if len(b.applied) == 0 {
		return "", rollcall.Errorf(rollcall.KindInvalid, "nothing is merged on the bench")
	}
	if c.Token == "" {
		return "", fmt.Errorf("svn: a commit without a token")
	}
	tree, err := b.Freeze(ctx)
	if err != nil {
		return "", err
	}
	var steps []rollcall.DeskStep
	for _, one := range b.applied {
		steps = append(steps, one.DeskStep)
	}
	brought, err := b.brings(ctx, steps)
	if err != nil {
		return "", err
	}
	out, err := json.Marshal(preparedCommit{
		Version: preparedVersion, Target: b.target, Base: b.base, Token: c.Token, By: c.By, Tree: tree,
		Message: commitMessage(b.target, steps, c, brought), Steps: b.applied,
	})
	return string(out), err
}

// Commit makes one revision of what was prepared. It can be called again and again.
func (b *bench) Commit(ctx context.Context, _ rollcall.DeskCommit, text string) (rollcall.Revision, error) {
	var none rollcall.Revision
	var p preparedCommit
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.Version != preparedVersion || p.Token == "" {
		return none, rollcall.Errorf(rollcall.KindInternal, "what was prepared for the commit can't be read")
	}
	if p.Target != b.target {
		return none, rollcall.Errorf(rollcall.KindInternal, "the bench is one of %s, and what was prepared is for %s", b.target, p.Target)
	}
	if done, err := b.find(ctx, p); err != nil || done > 0 {
		return b.finish(ctx, p, done, err)
	}
	// Another process may have put something on the branch since the bench was made.
	err := b.refresh(ctx)
	if err == nil {
		err = b.onlyLedgerMoved(ctx, p)
	}
	if err == nil {
		err = b.redo(ctx, p)
	}
	if err == nil {
		err = b.send(ctx, p)
	}
	if err == nil || ctx.Err() == nil {
		// Whether it went through is asked of the repository, and not told by how svn ended:
		// it may even be one that a process had sent before it died.
		done, asked := b.find(ctx, p)
		if done > 0 || err == nil {
			return b.finish(ctx, p, done, asked)
		}
		if asked != nil {
			return none, rollcall.Errorf(rollcall.KindInternal, "nobody can tell whether it was committed: %w", err).
				WithHint("the same command again finds out, and finishes it")
		}
	}
	return none, err
}

// find looks for the revision that was made of this.
func (b *bench) find(ctx context.Context, p preparedCommit) (int64, error) {
	type entry struct {
		Revision   int64 `xml:"revision,attr"`
		Properties []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:",chardata"`
		} `xml:"revprops>property"`
	}
	var found int64
	one := command{
		verb: "log", options: []string{"--xml", "--with-revprop", revToken, "-r", fmt.Sprintf("HEAD:%d", p.Base)},
		targets: []string{at(join(b.root, b.folder()), 0)},
	}
	err := b.client.stream(ctx, one, func(r io.Reader) error {
		return elements(r, "logentry", func(e *entry) error {
			for _, property := range e.Properties {
				if property.Name == revToken && property.Value == p.Token && e.Revision > p.Base {
					found = e.Revision
				}
			}
			return nil
		})
	})
	return found, err
}

// onlyLedgerMoved refuses to commit onto what nobody has seen: the branch must be as the
// base has it, but for what is noted about it.
func (b *bench) onlyLedgerMoved(ctx context.Context, p preparedCommit) error {
	book, history, err := b.branch(ctx, b.target)
	if err != nil {
		return err
	}
	defer book.close()
	moved := func(revision int64) error {
		return rollcall.Errorf(rollcall.KindConflict, "%s has moved: r%d was committed to it meanwhile", b.target, revision)
	}
	if p.Base > b.head || history[0].from > p.Base {
		return moved(history[0].from)
	}
	newer, err := book.touched(ctx, []segment{{history[0].path, p.Base + 1, b.head}}, 0)
	if err != nil || len(newer) == 0 {
		return err
	}
	for _, t := range newer {
		only, err := b.onlyLedger(ctx, book, t)
		if err != nil {
			return err
		}
		if !only {
			return moved(t.revision)
		}
	}
	return nil
}

// onlyLedger tells whether a revision changed nothing of a branch but what is noted about
// it on its root.
func (r *Repository) onlyLedger(ctx context.Context, book *logbook, t touch) (bool, error) {
	e, err := book.entry(ctx, t.revision)
	if err != nil {
		return false, err
	}
	if !onlyRoot(e, t.path) {
		return false, nil
	}
	before, err := r.rootNotes(ctx, t.path, t.revision-1)
	if err != nil {
		return false, err
	}
	after, err := r.rootNotes(ctx, t.path, t.revision)
	return before.Rest == after.Rest, err
}

// onlyRoot tells whether a revision changed the properties of a branch's root and nothing else of it.
func onlyRoot(e *logRecord, folder string) bool {
	for _, p := range e.paths {
		if within(p.path, folder) && (p.path != folder || p.action != "M") || within(folder, p.path) && p.path != folder && p.action != "M" {
			return false
		}
	}
	return true
}

// redo brings the bench to where what was prepared can be committed: the steps applied,
// and all of it at the newest revision. A directory that is older makes a commit fail.
func (b *bench) redo(ctx context.Context, p preparedCommit) error {
	if b.broken || !sameSteps(b.applied, p.Steps) {
		if err := b.Reset(ctx); err != nil {
			return err
		}
		for _, one := range p.Steps {
			var resolved []rollcall.Resolution
			for _, k := range one.Resolved {
				k.Content = k.Bytes
				resolved = append(resolved, k.Resolution)
			}
			applied, err := b.Apply(ctx, one.DeskStep, resolved)
			if err != nil {
				return err
			}
			if len(applied.Conflicts) > 0 {
				return rollcall.Errorf(rollcall.KindConflict, "%s conflicts at %s when it is merged again", one.ID, rollcall.Printable(applied.Conflicts[0].Path))
			}
		}
	}
	b.moved = true
	if err := b.updateTo(ctx, b.head); err != nil {
		return err
	}
	if clashes, err := b.clashes(ctx); err != nil || len(clashes) > 0 {
		b.broken = true
		if err == nil {
			err = rollcall.Errorf(rollcall.KindConflict, "what was noted about %s meanwhile conflicts with what is merged", b.target)
		}
		return err
	}
	tree, err := b.Freeze(ctx)
	if err == nil && tree != p.Tree {
		err = rollcall.Errorf(rollcall.KindConflict, "what stands on the bench of %s is not what was checked", b.target)
	}
	return err
}

// sameSteps compares as JSON does, which what was kept went through.
func sameSteps(a, b []appliedStep) bool {
	left, errA := json.Marshal(a)
	right, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(left) == string(right)
}

var committedText = regexp.MustCompile(`(?m)^Committed revision ([0-9]+)\.`)

// send commits the whole root: a part of it would leave the mergeinfo behind.
func (b *bench) send(ctx context.Context, p preparedCommit) error {
	file, remove, err := b.temporary([]byte(p.Message))
	if err != nil {
		return err
	}
	defer remove()
	options := []string{"--encoding", "UTF-8", "-F", file, "--with-revprop", revToken + "=" + p.Token}
	if p.By != "" {
		options = append(options, "--with-revprop", revBy+"="+rollcall.Printable(p.By))
	}
	committer := *b.as(p.By)
	committer.held = b.held
	out, err := committer.svnIn(ctx, b.wc, "commit", options, ".")
	switch {
	case outOfDate(err):
		return rollcall.Errorf(rollcall.KindConflict, "%s has moved: somebody else has committed to it (%w)", b.target, err)
	case complains(err, codeHook):
		return rollcall.Errorf(rollcall.KindRefused, "the repository refuses the commit to %s: %w", b.target, err)
	case err != nil:
		return err
	case !committedText.Match(out):
		return rollcall.Errorf(rollcall.KindRefused, "there is nothing to commit to %s: it has all of it", b.target)
	}
	return nil
}

// codeHook is svn's complaint where a hook of the repository says no.
const codeHook = "165001"

func outOfDate(err error) bool {
	return complains(err, "155011", "160028", "170004", "160024")
}

// as is who commits. A repository on this machine believes what it is told; a server asks
// for the same credentials as ever.
func (r *Repository) as(by string) *client {
	if by == "" || r.client.user != "" || !strings.HasPrefix(r.root, "file://") {
		return r.client
	}
	return &client{config: r.client.config, user: rollcall.Printable(by), ran: r.client.ran}
}

// finish reads what was committed afresh, and holds it against what was frozen.
func (b *bench) finish(ctx context.Context, p preparedCommit, done int64, err error) (rollcall.Revision, error) {
	var none rollcall.Revision
	if err != nil {
		return none, err
	}
	if done == 0 {
		return none, rollcall.Errorf(rollcall.KindInternal, "svn says that it committed to %s, and nothing of it is in the log", b.target)
	}
	if err := b.refresh(ctx); err != nil {
		return none, fmt.Errorf("r%d is committed to %s; %w", done, b.target, err)
	}
	b.applied, b.state, b.broken, b.moved, b.base = nil, nil, true, true, done // until Reset
	book, err := b.logbook(ctx)
	if err != nil {
		return none, err
	}
	defer book.close()
	revision, err := b.revision(ctx, book, touch{done, b.folder()})
	if err != nil {
		return none, fmt.Errorf("r%d is committed to %s; %w", done, b.target, err)
	}
	if revision.Tree != p.Tree {
		return revision, rollcall.Errorf(rollcall.KindInternal,
			"r%d IS COMMITTED TO %s AND IS NOT WHAT WAS CHECKED: its tree is %s, and %s was frozen", done, b.target, revision.Tree, p.Tree).
			WithHint("look at svn log -v -r %d:%d before anything of it rolls: somebody committed in the same moment, or a hook of the repository changed it", p.Base+1, done)
	}
	return revision, nil
}

// refresh learns what is new in the repository.
func (r *Repository) refresh(ctx context.Context) error {
	unlock, err := r.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := r.look(ctx); err != nil {
		return err
	}
	return r.catchUp(ctx)
}

// proofLimit is how many of a branch's revisions are looked at.
const proofLimit = 50

// Proofs gives the releases that the newest revisions of a branch say were tried.
func (r *Repository) Proofs(ctx context.Context, branch string) ([]rollcall.ReleaseID, error) {
	book, history, err := r.branch(ctx, branch)
	if err != nil {
		return nil, err
	}
	defer book.close()
	touched, err := book.touched(ctx, history, proofLimit)
	if err != nil {
		return nil, err
	}
	var all []rollcall.ReleaseID
	for _, t := range touched {
		e, err := book.entry(ctx, t.revision)
		if err != nil {
			return nil, err
		}
		for _, text := range trailers(e.message)[trailerStaged] {
			if id := rollcall.ReleaseID(text); id.Valid() && !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
	}
	return all, nil
}
