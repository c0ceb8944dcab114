package roll_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/fleet"
	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
	"github.com/rollcall-dev/rollcall/internal/record/sqlite"
	"github.com/rollcall-dev/rollcall/internal/release"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// trees is a repository of what a test says.
type trees struct {
	rollcall.Repository
	files map[string]map[string]string // tree to path to content
}

func (r trees) Changes(_ context.Context, from, to string) ([]rollcall.TreeChange, error) {
	var changes []rollcall.TreeChange
	paths := maps.Clone(r.files[to])
	for p := range r.files[from] {
		if _, ok := paths[p]; !ok {
			changes = append(changes, rollcall.TreeChange{Path: p})
		}
	}
	for p, content := range paths {
		if old, ok := r.files[from][p]; !ok || old != content {
			changes = append(changes, rollcall.TreeChange{Path: p, New: &rollcall.TreeEntry{Path: p, Type: rollcall.TypeFile, Blob: "blob " + content}})
		}
	}
	return changes, nil
}

func (r trees) Blobs(_ context.Context, blobs []string, fn func(int, int64, io.Reader) error) error {
	for i, blob := range blobs {
		content := strings.TrimPrefix(blob, "blob ")
		if err := fn(i, int64(len(content)), strings.NewReader(content)); err != nil {
			return err
		}
	}
	return nil
}

// world is an environment of nodes in this process.
type world struct {
	t        *testing.T
	env      *rollcall.Environment
	record   *sqlite.Record
	releases *release.Store
	repo     trees
	local    *fleettest.Local
	fails    map[string]bool // addresses whose probe fails, by release's content of "page"
	steps    map[string]rollcall.Step
	seen     map[string][]rollcall.Step
	more     map[string]string // files of the next tree
	notes    []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, local: &fleettest.Local{}, repo: trees{files: map[string]map[string]string{}}, fails: map[string]bool{}}
	var err error
	if w.record, err = sqlite.Open(t.Context(), filepath.Join(dir, "record.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.record.Close() })
	if w.releases, err = release.Open(t.Context(), filepath.Join(dir, "releases"), release.DefaultLimit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.releases.Close() })
	tier := func(name string, n int, batch ...rollcall.Quantity) *rollcall.Tier {
		tier := &rollcall.Tier{Name: name, Batch: batch, Verify: []rollcall.Probe{{HTTP: "http://{name}/", Within: time.Millisecond}}}
		for i := range n {
			node := fmt.Sprintf("%s%d", name, i+1)
			tier.Nodes = append(tier.Nodes, rollcall.Node{Name: node, Address: node, Folder: filepath.Join(dir, node)})
		}
		return tier
	}
	w.env = &rollcall.Environment{
		Name: "production", Code: &rollcall.Code{Name: "www"}, Keep: 3, OnFailure: rollcall.FailureRollback,
		Tiers: []*rollcall.Tier{tier("cdn", 2), tier("app", 4, rollcall.Quantity{Count: 1}, rollcall.Quantity{Percent: 50})},
	}
	return w
}

// roll rolls a tree and checks that every node went by allowed moves.
func (w *world) roll(tree string, change func(*roll.Engine)) (*rollcall.RollFinished, error) {
	w.t.Helper()
	ctx := w.t.Context()
	w.repo.files[tree] = map[string]string{"page": tree, "same": "same"}
	maps.Copy(w.repo.files[tree], w.more)
	made, err := w.releases.Build(ctx, w.env.Code, w.repo, rollcall.Revision{ID: "rev-" + tree, Tree: tree, Time: time.Unix(1e9, 0)}, func(string) {})
	if err != nil {
		w.t.Fatal(err)
	}
	state, err := roll.ReadState(ctx, w.record, w.env.Name)
	if err != nil {
		w.t.Fatal(err)
	}
	plan, err := roll.Plan(roll.Input{Kind: rollcall.KindRoll, Environment: w.env, State: state, Release: made.ID, Revision: made.Revision})
	if err != nil {
		w.t.Fatal(err)
	}
	w.steps, w.seen = map[string]rollcall.Step{}, map[string][]rollcall.Step{}
	var mu sync.Mutex
	engine := &roll.Engine{
		Record: w.record, Fleet: fleet.New(w.local), Releases: w.releases, Code: w.env.Code, Repo: w.repo, By: "ada",
		Probe: func(_ context.Context, p rollcall.Probe, _ rollcall.ReleaseID, _ map[string]string) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			if w.fails[p.HTTP] {
				delete(w.fails, p.HTTP) // what was live before is fine
				return "", errors.New("it answers 500")
			}
			return "", nil
		},
		Watch: w.watch,
	}
	if change != nil {
		change(engine)
	}
	return engine.Run(ctx, plan)
}

func (w *world) watch(e rollcall.Event) {
	var note rollcall.Note
	if e.Type == rollcall.EventPreparing && e.Decode(&note) == nil {
		w.notes = append(w.notes, note.Text)
	}
	if !strings.HasPrefix(e.Type, rollcall.EventNodePrefix) {
		return
	}
	var s rollcall.NodeStep
	if err := e.Decode(&s); err != nil {
		w.t.Error(err)
	}
	before := w.steps[s.Node]
	if before == "" {
		before = rollcall.StepWaiting
	}
	if before != s.Step && !slices.Contains(rollcall.Steps[before], s.Step) {
		w.t.Errorf("%s went from %s to %s", s.Node, before, s.Step)
	}
	if before != s.Step {
		w.seen[s.Node] = append(w.seen[s.Node], s.Step)
	}
	w.steps[s.Node] = s.Step
}

func (w *world) live(node string) string {
	w.t.Helper()
	for _, n := range w.env.Nodes() {
		if n.Name == node {
			return readFile(w.t, filepath.Join(n.Folder, "current", "page"))
		}
	}
	return ""
}

func (w *world) expect(tree string) {
	w.t.Helper()
	for _, n := range w.env.Nodes() {
		if got := w.live(n.Name); got != tree {
			w.t.Errorf("%s has %q and not %q", n.Name, got, tree)
		}
	}
}

func TestStepsOfARoll(t *testing.T) {
	w := newWorld(t)
	if f, err := w.roll("one", nil); err != nil || f.Outcome != rollcall.OutcomeDone || f.Nodes.OK != 6 {
		t.Fatalf("%+v, %v", f, err)
	}
	w.expect("one")
	want := []rollcall.Step{"connecting", "receiving", "prepared", "switching", "switched", "verifying", "ok"}
	if !slices.Equal(w.seen["app3"], want) {
		t.Errorf("app3 went %v", w.seen["app3"])
	}
	if f, err := w.roll("one", nil); err != nil || !f.Unchanged || f.Nodes.OK != 6 {
		t.Errorf("again: %+v, %v", f, err)
	}
	if events, _ := w.record.Read(t.Context(), "roll/production/2", 0); len(events) != 0 {
		t.Error("a roll with nothing to do was written down")
	}
}

func TestStepsOfAFailure(t *testing.T) {
	w := newWorld(t)
	if _, err := w.roll("one", nil); err != nil {
		t.Fatal(err)
	}
	w.fails["http://app2/"] = true
	f, err := w.roll("two", nil)
	if rollcall.ExitCode(err) != 6 || f.Outcome != rollcall.OutcomeRolledBack {
		t.Fatalf("%+v, %v", f, err)
	}
	w.expect("one")
	if !slices.Contains(w.seen["cdn1"], rollcall.StepReverted) || slices.Contains(w.seen["app4"], rollcall.StepSwitching) {
		t.Errorf("cdn1 went %v, app4 %v", w.seen["cdn1"], w.seen["app4"])
	}
	state, err := roll.ReadState(t.Context(), w.record, "production")
	if err != nil || state.Hold == nil || state.Lease != nil || state.Live.Revision.ID != "rev-one" {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestStepsOfAFailureThatStops(t *testing.T) {
	w := newWorld(t)
	if _, err := w.roll("one", nil); err != nil {
		t.Fatal(err)
	}
	w.env.OnFailure = rollcall.FailureStop
	w.fails["http://app1/"] = true
	if _, err := w.roll("two", nil); rollcall.ExitCode(err) != 7 {
		t.Fatal(err)
	}
	if w.live("cdn1") != "two" || w.live("app2") != "one" {
		t.Errorf("cdn1 has %s, app2 %s", w.live("cdn1"), w.live("app2"))
	}
	if _, err := w.roll("two", nil); err != nil {
		t.Fatal(err)
	}
	w.expect("two")
}

func TestStepsWithNodesDown(t *testing.T) {
	w := newWorld(t)
	down := &rollcall.Error{Kind: rollcall.KindUnreachable, Err: errors.New("down")}
	w.local.Fail = func(n rollcall.Node) error {
		if n.Name == "app3" {
			return down
		}
		return nil
	}
	if f, err := w.roll("one", nil); rollcall.ExitCode(err) != 1 || f.Roll != 0 {
		t.Fatalf("without a limit: %+v, %v", f, err)
	}
	w.env.Limits.Unreachable = rollcall.Limit{Quantity: rollcall.Quantity{Count: 1}}
	f, err := w.roll("one", nil)
	if rollcall.ExitCode(err) != 5 || f.Nodes.OK != 5 || f.Nodes.Unreachable != 1 {
		t.Fatalf("within it: %+v, %v", f, err)
	}
	w.local.Fail = nil
	if _, err := w.roll("one", nil); err != nil {
		t.Fatal(err)
	}
	w.expect("one")
	if slices.Contains(w.seen["app1"], rollcall.StepSwitched) {
		t.Errorf("app1, which was fine, went %v", w.seen["app1"])
	}
}

func TestStepsWhenStopped(t *testing.T) {
	w := newWorld(t)
	if _, err := w.roll("one", nil); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	_, err := w.roll("two", func(e *roll.Engine) {
		e.Stop = stop
		e.Watch = func(event rollcall.Event) {
			w.watch(event)
			if event.Type == rollcall.EventTierStarted && strings.Contains(string(event.Data), `"app"`) {
				close(stop)
			}
		}
	})
	if rollcall.ExitCode(err) != 7 {
		t.Fatal(err)
	}
	if w.live("app1") != "two" || w.live("app2") != "one" {
		t.Errorf("what had begun did not end, or more began: app1 %s, app2 %s", w.live("app1"), w.live("app2"))
	}
}

func TestTheFirstReleaseIsTakenAwayAgain(t *testing.T) {
	w := newWorld(t)
	w.fails["http://cdn2/"] = true
	if _, err := w.roll("one", nil); rollcall.ExitCode(err) != 6 {
		t.Fatal(err)
	}
	for _, n := range w.env.Nodes() {
		if exists(filepath.Join(n.Folder, "current")) {
			t.Errorf("%s still has a release", n.Name)
		}
	}
}

func TestASupersededControllerChangesNothing(t *testing.T) {
	w := newWorld(t)
	if _, err := w.roll("one", nil); err != nil {
		t.Fatal(err)
	}
	// Between preparing and switching, somebody else takes over, as from a controller
	// that was stopped and is continued.
	_, err := w.roll("two", func(e *roll.Engine) {
		e.Watch = func(event rollcall.Event) {
			w.watch(event)
			if event.Type != rollcall.EventTierStarted || !strings.Contains(string(event.Data), `"cdn"`) {
				return
			}
			for _, n := range w.env.Nodes() {
				session, err := fleet.New(w.local).Open(context.Background(), n)
				if err != nil {
					t.Error(err)
					return
				}
				session.Claim(rollcall.Token{Record: w.record.ID(), Sequence: 1000})
				if err := session.Clean(context.Background(), 10, nil); err != nil {
					t.Error(err)
				}
				session.Close()
			}
		}
	})
	if err == nil || !strings.Contains(err.Error(), "newer controller") {
		t.Errorf("it ended with %v", err)
	}
	w.expect("one")
}
