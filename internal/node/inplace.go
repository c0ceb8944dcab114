package node

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
	"github.com/zeebo/blake3"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// In place, a release goes file by file into a folder that holds other files too. All
// that Rollcall needs lies elsewhere, in a state folder that looks like any other
// environment's; `current` there says what the target holds.

const (
	applyingFile = private + "/applying"
	standingFile = private + "/standing"
	// stagingName is the folder beneath the target in which files wait to be renamed. In
	// their own folders somebody who reads all of these might read them half-written.
	stagingName = ".rollcall-applying"
)

// target is the folder that files go to in place.
type target struct {
	dir  string
	root *os.Root // nil where the folder does not exist yet
	// before, where not nil, is asked before every change: tests stop there.
	before func(what string) error
}

func (t *target) close() {
	if t.root != nil {
		t.root.Close()
	}
}

func (t *target) open() error {
	root, err := os.OpenRoot(t.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the folder: %w", err)
	}
	t.root = root
	return nil
}

// open opens the folder that a request is about.
func (s *Server) open(q *wire.Request) (*folder, error) {
	switch q.Layout {
	case "", rollcall.LayoutReleases:
		return openFolder(q.Folder)
	case rollcall.LayoutInplace:
	default:
		return nil, rollcall.Errorf(rollcall.KindInvalid, "unknown layout %q", q.Layout).
			WithHint("the controller is newer than this rollcall-node; update it")
	}
	state, err := s.stateFolder(q.Folder)
	if err != nil {
		return nil, err
	}
	f, err := openFolder(state)
	if err != nil {
		return nil, err
	}
	f.target = &target{dir: q.Folder}
	if err := f.target.open(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// stateFolder is where the state of a target folder lies.
func (s *Server) stateFolder(target string) (string, error) {
	base := s.State
	if base == "" {
		var err error
		if base, err = stateHome(); err != nil {
			return "", err
		}
	}
	name := url.PathEscape(target)
	if len(name) > 200 {
		sum := blake3.Sum256([]byte(target))
		name = name[:100] + hex.EncodeToString(sum[:16])
	}
	return filepath.Join(base, "inplace", name), nil
}

func stateHome() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rollcall"), nil
	}
	if os.Geteuid() == 0 {
		return "/var/lib/rollcall", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", rollcall.Errorf(rollcall.KindBroken, "find a place for the state: %w", err).
			WithHint("give the user that rolls there a home folder, or set XDG_STATE_HOME for it")
	}
	return filepath.Join(home, ".local", "state", "rollcall"), nil
}

// applying is the switch that was begun and not ended, or nil.
func (f *folder) applying() (*rollcall.Applying, error) {
	if f.root == nil || f.target == nil {
		return nil, nil
	}
	b, err := f.root.ReadFile(applyingFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var a rollcall.Applying
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil {
		return nil, fmt.Errorf("read what is being applied: %w", err)
	}
	for _, id := range []rollcall.ReleaseID{a.From, a.To} {
		if id != "" && !id.Valid() {
			return nil, fmt.Errorf("read what is being applied: %q is no release", id)
		}
	}
	return &a, nil
}

// unsettled tells whether a switch is under way in the target.
func (f *folder) unsettled() bool {
	a, err := f.applying()
	return a != nil || err != nil
}

// begin writes down what is about to be done, before the first of it.
func (f *folder) beginApplying(a rollcall.Applying) error {
	return f.storeJSON(applyingFile, a)
}

func (f *folder) endApplying() error {
	if err := f.root.Remove(applyingFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("end the journal: %w", err)
	}
	return f.syncDir(private)
}

// storeJSON writes a file of the state and puts it on disk.
func (f *folder) storeJSON(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(f.path(name), b, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", f.path(name), err)
	}
	return f.syncDir(filepath.Dir(name))
}

// standing is what the target folder has to do with us besides the manifest.
type standing struct {
	// found are files that stood there, equal to those of a release, when it came. The
	// release that was live before it leaves them there when it comes back.
	found map[string]rollcall.ReleaseID
	// made are folders that were not there. They go when they become empty.
	made map[string]bool
}

// storedStanding is its form on disk, version 1. Paths are bytes: those of a release
// need not be text.
type storedStanding struct {
	Found []storedFound `json:"found,omitempty"`
	Made  [][]byte      `json:"made,omitempty"`
}

type storedFound struct {
	Path   []byte             `json:"path"`
	Before rollcall.ReleaseID `json:"before,omitempty"`
}

func (f *folder) standing() (standing, error) {
	s := standing{found: map[string]rollcall.ReleaseID{}, made: map[string]bool{}}
	if f.root == nil {
		return s, nil
	}
	b, err := f.root.ReadFile(standingFile)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	var stored storedStanding
	if err == nil {
		err = json.Unmarshal(b, &stored)
	}
	if err != nil {
		return s, fmt.Errorf("read what stood there: %w", err)
	}
	for _, one := range stored.Found {
		s.found[string(one.Path)] = one.Before
	}
	for _, name := range stored.Made {
		if err := rollcall.CheckPath(string(name)); err != nil {
			return s, err
		}
		s.made[string(name)] = true
	}
	return s, nil
}

func (f *folder) storeStanding(s standing) error {
	var stored storedStanding
	for _, name := range slices.Sorted(maps.Keys(s.found)) {
		stored.Found = append(stored.Found, storedFound{Path: []byte(name), Before: s.found[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(s.made)) {
		stored.Made = append(stored.Made, []byte(name))
	}
	return f.storeJSON(standingFile, stored)
}

// pinned are releases that clean must leave.
func (f *folder) pinned() (map[rollcall.ReleaseID]bool, error) {
	stays, err := f.allAdopted()
	if err != nil {
		return nil, err
	}
	a, err := f.applying()
	if a != nil {
		stays[a.From], stays[a.To] = true, true
	}
	return stays, err
}

// switchInPlace brings the target folder to a release, and then says so. The caller holds
// the lock. A switch that was interrupted is finished or undone, whichever is asked for,
// and undone where another release is asked for.
func (f *folder) switchInPlace(from, to rollcall.ReleaseID, keep *rollcall.KeepOldFiles) error {
	if keep != nil {
		return rollcall.Errorf(rollcall.KindRefused, "keep_old_files is not for files in place")
	}
	live, err := f.live()
	if err != nil {
		return err
	}
	if a, err := f.applying(); err != nil {
		return err
	} else if a != nil {
		other := a.From // than what is wanted, or, for a third release, than what is live
		if to == a.From || to != a.To && live == a.From {
			other = a.To
		}
		if from != live && from != other && from != to {
			return notLive(live, from)
		}
		if to == a.From || to == a.To {
			return f.bring(live, other, to, true)
		}
		if err := f.bring(live, other, live, true); err != nil {
			return fmt.Errorf("undo the switch that was interrupted: %w", err)
		}
	}
	if live == to {
		return nil
	}
	if live != from {
		return notLive(live, from)
	}
	return f.bring(live, from, to, false)
}

// bring makes the target from what one release says to what another says, and points
// `current` to it. again: it was begun before.
func (f *folder) bring(live, from, to rollcall.ReleaseID, again bool) error {
	a, err := f.newApplier(from, to)
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.check(); err != nil {
		return err
	}
	if err := a.survey(again); err != nil {
		return err
	}
	if err := f.storeStanding(a.standing); err != nil {
		return err
	}
	if err := f.beginApplying(rollcall.Applying{From: from, To: to}); err != nil {
		return err
	}
	err = a.run()
	if err == nil {
		err = a.before("point current to the release")
	}
	if err == nil && live != to {
		err = f.pointOrRemove(to)
	}
	if err != nil {
		if live == to {
			return err // it was being undone; asked again it goes on
		}
		return f.undo(live, to, err)
	}
	if err := a.settle(); err != nil {
		return err
	}
	return f.noteLive(live, to)
}

// undo takes back what was done until a fault, which it passes on.
func (f *folder) undo(live, to rollcall.ReleaseID, fault error) error {
	failed := func(err error) error {
		e := rollcall.Errorf(rollcall.KindBroken, "%w; and what was done until then could not be undone: %w", fault, err)
		if told := explain(fault); told != nil {
			e.Hint = rollcall.HintOf(told)
		}
		return e
	}
	a, err := f.newApplier(to, live)
	if err != nil {
		return failed(err)
	}
	defer a.close()
	if err := a.check(); err != nil {
		return failed(err)
	}
	if err := a.run(); err != nil {
		return failed(err)
	}
	if now, err := f.live(); err != nil || now != live { // it was pointed to, and the sync failed
		if err := f.pointOrRemove(live); err != nil {
			return failed(err)
		}
	}
	if err := a.settle(); err != nil {
		return failed(err)
	}
	return fmt.Errorf("%w (what was done until then is undone)", fault)
}

func (f *folder) pointOrRemove(to rollcall.ReleaseID) error {
	if to != "" {
		return f.point(to)
	}
	if err := f.root.Remove(current); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take current away: %w", err)
	}
	return f.syncDir(".")
}

// sweepTarget removes what a repair that died left there. The caller holds the lock.
func (f *folder) sweepTarget() {
	if f.target != nil && f.target.root != nil && !f.unsettled() {
		f.target.root.RemoveAll(stagingName)
	}
}

// roomInTarget refuses a release that would not fit into the target folder.
func (f *folder) roomInTarget(r *wire.Receive) error {
	if f.target == nil {
		return nil
	}
	there := folder{dir: f.target.dir}
	bytes, _, err := there.space()
	if err != nil {
		return err
	}
	if need := r.Bytes + spareBytes; bytes < need {
		return rollcall.Errorf(rollcall.KindBroken, "the disk of %s has %d MB free, and the release takes %d MB", there.dir, bytes>>20, need>>20).
			WithHint("free some space there")
	}
	return nil
}

// inPlace makes an audit one of the target folder.
func (a *auditor) inPlace(f *folder) error {
	a.mixed, a.known = true, nil
	a.rights.usual = nil // its folders say which group files have
	if f.unsettled() {
		return rollcall.Errorf(rollcall.KindConflict, "a switch was interrupted in %s", f.target.dir).
			WithHint("finish it with rollcall resume, or undo it with rollcall abort")
	}
	s, err := f.standing()
	if err != nil {
		return err
	}
	a.found = make(map[string]bool, len(s.found))
	for name := range s.found {
		a.found[name] = true
	}
	if f.target.root == nil {
		return nil
	}
	if a.dir, err = f.target.root.Open("."); err != nil {
		return fmt.Errorf("open the folder: %w", err)
	}
	return nil
}
