package node_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
)

// repair makes the live release anew, as an audit asks for.
func (h *host) repair(live *fleettest.Tree, request rollcall.AuditRequest) rollcall.Received {
	h.t.Helper()
	audit := h.audit(request)
	d := live.DeliverFrom(live)
	d.Link, d.Permissions, d.Distrust = request.Link, request.Permissions, audit.Paths()
	received, err := h.Receive(h.t.Context(), d, func(string, int64) {})
	if err != nil {
		h.t.Fatal(err)
	}
	h.drift(request)
	return received
}

func TestARepairMakesTheLiveReleaseAnew(t *testing.T) {
	h := newHost(t)
	must(t, os.MkdirAll(h.path("shared/uploads"), 0o755))
	links := rollcall.AuditRequest{Link: []string{"uploads"}}
	keep := &rollcall.KeepOldFiles{Files: []string{"*.css"}, For: time.Hour}
	zero := fleettest.NewTree(map[string]string{"css/old.css": "old", "changed": "good"})
	one := fleettest.NewTree(map[string]string{
		"whole": "w", "changed": "good", "missing": "m", "file": "f", "link": "-> whole", "dir/a": "a", "empty/": "", "mode*": "x",
	})
	h.bring(nil, zero, keep, "uploads")
	h.bring(zero, one, keep, "uploads")
	live := h.path("current") + "/"
	at := time.Unix(1_700_000_000, 0)
	must(t,
		os.WriteFile(live+"changed", []byte("evil"), 0o644), os.Chtimes(live+"changed", at, at),
		os.Remove(live+"missing"), os.Remove(live+"file"), os.Symlink("/etc/passwd", live+"file"),
		os.Remove(live+"link"), os.Symlink("dir", live+"link"), os.RemoveAll(live+"dir"), os.Symlink("/etc", live+"dir"),
		os.Chmod(live+"mode", 0o755|os.ModeSetuid), os.Remove(live+"uploads"), os.WriteFile(live+"added", nil, 0o644),
	)
	whole, changed := inode(t, live+"whole"), inode(t, live+"changed")

	done, looked := make(chan struct{}), make(chan struct{})
	go func() { // a visitor
		defer close(looked)
		for {
			select {
			case <-done:
				return
			default:
				if text, err := os.ReadFile(live + "whole"); err != nil || string(text) != "w" {
					t.Errorf("for a moment there was %q, %v", text, err)
					return
				}
			}
		}
	}()
	received := h.repair(one, links)
	close(done)
	<-looked
	if want := []string{"changed", "dir/a", "file", "missing", "mode"}; !slices.Equal(received.Edited, want) {
		t.Errorf("sent anew were %v", received.Edited)
	}
	for name, content := range map[string]string{"whole": "w", "changed": "good", "missing": "m", "file": "f", "dir/a": "a", "css/old.css": "old"} {
		h.want("current/"+name, content)
	}
	h.gone("current/added")
	if inode(t, live+"whole") != whole || inode(t, live+"changed") == changed {
		t.Error("the trusted file was not linked, or the other one was")
	}
	if state, err := h.Hello(t.Context()); err != nil || state.Current != one.ID || len(state.Releases) != 2 {
		t.Errorf("after it: %+v, %v", state, err)
	}
	h.repair(one, links) // and again, with nothing to do
}

// What was edited in place is in older releases too, with the very time that its manifest
// says: it must not come back out of them.
func TestWhatWasRepairedDoesNotComeBack(t *testing.T) {
	h := newHost(t)
	one := fleettest.NewTree(map[string]string{"same": "good", "x": "1"})
	two := fleettest.NewTree(map[string]string{"same": "good", "x": "2"})
	three := fleettest.NewTree(map[string]string{"same": "good", "x": "3"})
	h.bring(nil, one, nil)
	h.bring(one, two, nil)
	at := time.Unix(1_700_000_000, 0)
	must(t, os.WriteFile(h.path("current/same"), []byte("evil"), 0o644), os.Chtimes(h.path("current/same"), at, at))
	h.repair(two, rollcall.AuditRequest{})
	h.want("releases/"+string(one.ID)+"/same", "evil") // as docs/nodes.md says
	must(t, h.Clean(t.Context(), 1, nil))              // it is the spare now
	h.bring(two, three, nil)
	h.want("current/same", "good")
	h.drift(rollcall.AuditRequest{})
}

func TestARepairOfWhatIsGoneAltogether(t *testing.T) {
	h := newHost(t)
	one := fleettest.NewTree(map[string]string{"a": "1", "dir/b": "2"})
	h.bring(nil, one, nil)
	must(t, os.RemoveAll(h.path("releases/"+string(one.ID))))
	h.repair(one, rollcall.AuditRequest{})
	must(t, os.RemoveAll(h.path("releases/"+string(one.ID))), os.Symlink("/etc", h.path("releases/"+string(one.ID))))
	h.repair(one, rollcall.AuditRequest{})
	h.want("current/dir/b", "2")
	if entries, err := os.ReadDir("/etc"); err != nil || len(entries) == 0 {
		t.Errorf("what a link led to is gone: %v", err)
	}
}

func TestAnOlderControllerRepairsNothing(t *testing.T) {
	h := newHost(t)
	one := fleettest.NewTree(map[string]string{"a": "1"})
	h.bring(nil, one, nil)
	must(t, os.WriteFile(h.path("current/a"), []byte("hand"), 0o644))
	old := h.open(4)
	d := one.DeliverFrom(one)
	d.Distrust = []string{"a"}
	if _, err := old.Receive(t.Context(), d, func(string, int64) {}); rollcall.KindOf(err) != rollcall.KindConflict {
		t.Errorf("Receive = %v", err)
	}
	h.want("current/a", "hand")
}

func TestDistrustInAnOrdinaryRoll(t *testing.T) {
	h := newHost(t)
	long := strings.Repeat("a line of some length\n", 500)
	one := fleettest.NewTree(map[string]string{"same": "good", "delta": long + "3", "x": "1"})
	two := fleettest.NewTree(map[string]string{"same": "good", "delta": long + "4"})
	h.bring(nil, one, nil)
	at := time.Unix(1_700_000_000, 0)
	must(t, os.WriteFile(h.path("current/same"), []byte("evil"), 0o644), os.Chtimes(h.path("current/same"), at, at))
	d := two.DeliverFrom(one)
	d.Distrust = []string{"same", "delta", "x", "not/there"}
	received, err := h.Receive(t.Context(), d, func(string, int64) {})
	must(t, err)
	h.roll(one, two, nil)
	if want := []string{"delta", "same"}; !slices.Equal(received.Edited, want) {
		t.Errorf("edited are %v", received.Edited)
	}
	h.want("current/same", "good")
	h.want("current/delta", long+"4")
}
