package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
)

func newHostInPlace(t *testing.T) *host {
	t.Helper()
	dir := t.TempDir()
	h := &host{t: t, dir: filepath.Join(dir, "etc"), layout: rollcall.LayoutInplace, state: filepath.Join(dir, "state")}
	must(t, os.Mkdir(h.dir, 0o755))
	h.Session = h.open(5)
	return h
}

// refused asserts that a release is not received, and what the error names.
func (h *host) refused(d rollcall.Delivery, names ...string) {
	h.t.Helper()
	_, err := h.Receive(h.t.Context(), d, func(string, int64) {})
	if rollcall.KindOf(err) != rollcall.KindRefused || rollcall.HintOf(err) == "" {
		h.t.Errorf("Receive = %v", err)
		return
	}
	for _, name := range names {
		if !strings.Contains(err.Error(), name) {
			h.t.Errorf("%q is not named: %v", name, err)
		}
	}
}

func TestInPlaceWhatIsOthersIsRefusedAtReceive(t *testing.T) {
	h := newHostInPlace(t)
	outside := t.TempDir()
	must(t,
		os.WriteFile(h.path("taken"), []byte("theirs"), 0o644),
		os.WriteFile(h.path("executable"), []byte("x"), 0o755),
		os.WriteFile(h.path("a-file"), []byte("x"), 0o644),
		os.Mkdir(h.path("a-folder"), 0o755),
		os.Symlink("nowhere", h.path("a-link")),
		os.Symlink(outside, h.path("conf")),
		os.Symlink("a-folder", h.path("inner")),
		os.WriteFile(h.path("equal"), []byte("e"), 0o640), os.Symlink("equal", h.path("equal-link")),
	)
	clash := fleettest.NewTree(map[string]string{
		"taken": "ours", "executable": "x", "a-file/below": "x", "a-folder": "f", "a-link": "f", "conf/x": "x", "inner/y": "y", "equal": "e", "equal-link": "-> equal",
	})
	h.refused(clash.DeliverFrom(nil), "taken", "executable", "a-file", "a-folder", "a-link", "conf", "inner")
	h.refused(fleettest.NewTree(map[string]string{".rollcall-applying/x": ""}).DeliverFrom(nil), ".rollcall-applying/x")
	d := fleettest.NewTree(map[string]string{"free": "f"}).DeliverFrom(nil)
	d.Link = []string{"uploads"}
	h.refused(d)
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 0 {
		t.Errorf("beyond the link are %v, %v", entries, err)
	}

	fits := fleettest.NewTree(map[string]string{"equal": "e", "equal-link": "-> equal", "a-folder/new": "n", "free": "f"})
	before := inode(t, h.path("equal"))
	h.bring(nil, fits, nil)
	h.want("a-folder/new", "n")
	h.stands(-1, map[string]uint32{"equal": 0o640})
	if inode(t, h.path("equal")) != before {
		t.Error("what was equal was replaced")
	}
	h.drift(rollcall.AuditRequest{}) // also what others have is none
	if _, err := h.Switch(t.Context(), fits.ID, "", &rollcall.KeepOldFiles{Files: []string{"*"}, For: time.Hour}); rollcall.KindOf(err) != rollcall.KindRefused {
		t.Errorf("keep_old_files: %v", err)
	}
	// What comes between the receive and the switch is refused there.
	next := fleettest.NewTree(map[string]string{"equal": "e", "late": "l", "free": "2"})
	_, err := h.Receive(t.Context(), next.DeliverFrom(fits), func(string, int64) {})
	must(t, err, os.WriteFile(h.path("late"), []byte("theirs"), 0o644))
	if _, err := h.Switch(t.Context(), fits.ID, next.ID, nil); rollcall.KindOf(err) != rollcall.KindRefused || !strings.Contains(err.Error(), "late") {
		t.Errorf("Switch = %v", err)
	}
	h.want("free", "f")
	h.want("late", "theirs")
	if state, err := h.Hello(t.Context()); err != nil || state.Current != fits.ID || state.Applying != nil {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestInPlaceWhatWasEditedIsRefusedAndRepaired(t *testing.T) {
	h := newHostInPlace(t)
	files := map[string]string{"edited": "1", "untouched": "1", "removed": "1", "relinked": "-> edited", "to-link": "1", "mode": "1", "dir/a": "a", "goes": "g", "empty/": ""}
	one := fleettest.NewTree(files)
	delete(files, "goes")
	files["edited"], files["new"] = "2", "n"
	two := fleettest.NewTree(files)
	h.bring(nil, one, nil)
	at := time.Unix(1_700_000_000, 0)
	must(t, os.Chtimes(h.path("untouched"), at.Add(time.Hour), at.Add(time.Hour))) // the same content
	must(t,
		os.WriteFile(h.path("edited"), []byte("3"), 0o644), os.Remove(h.path("removed")),
		os.Remove(h.path("relinked")), os.Symlink("/etc/passwd", h.path("relinked")),
		os.Remove(h.path("to-link")), os.Symlink("/etc/passwd", h.path("to-link")),
		os.WriteFile(h.path("goes"), []byte("h"), 0o644), os.WriteFile(h.path("theirs"), nil, 0o644),
		os.Chmod(h.path("mode"), 0o666), os.Remove(h.path("empty")),
	)
	must(t, os.MkdirAll(h.path(".rollcall-applying/x"), 0o755)) // as a repair that died leaves it
	h.refused(two.DeliverFrom(one), "edited", "removed", "relinked", "to-link", "goes")
	h.gone(".rollcall-applying")
	h.drift(rollcall.AuditRequest{}, "changed edited", "missing empty", "changed goes", "mode mode", "target relinked", "missing removed", "type to-link")
	h.repair(one, rollcall.AuditRequest{})
	for name, content := range map[string]string{"edited": "1", "removed": "1", "to-link": "1", "goes": "g", "dir/a": "a"} {
		h.want(name, content)
	}
	h.bring(one, two, nil)
	h.want("edited", "2")
	h.gone("goes")
	h.gone(".rollcall-applying")
	// What somebody made already as the next release has it is no edit to refuse.
	must(t, os.WriteFile(h.path("edited"), []byte("1"), 0o644), os.Remove(h.path("new")))
	h.refused(one.DeliverFrom(two), "new")
	must(t, os.WriteFile(h.path("new"), []byte("n"), 0o644), os.WriteFile(h.path("goes"), []byte("g"), 0o644))
	h.bring(two, one, nil)

	// A folder that became a link is not gone through, by a repair either.
	outside := t.TempDir()
	must(t, os.RemoveAll(h.path("dir")), os.Symlink(outside, h.path("dir")))
	h.drift(rollcall.AuditRequest{}, "type dir", "missing dir/a")
	h.refused(two.DeliverFrom(one), "dir/a")
	d := one.DeliverFrom(one)
	d.Distrust = []string{"dir", "dir/a"}
	h.refused(d, "dir")
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 0 {
		t.Errorf("beyond the link are %v, %v", entries, err)
	}
}

func TestInPlaceModesCommandsAndMany(t *testing.T) {
	h := newHostInPlace(t)
	h.dir = h.path("made/by/us") // it need not be there
	h.Session = h.open(5)
	var last *fleettest.Tree
	for i := range 4 {
		next := fleettest.NewTree(map[string]string{"sub/a": fmt.Sprint(i), "bin/run*": "x"})
		d := next.DeliverFrom(last)
		d.Mode = 0o640
		_, err := h.Receive(t.Context(), d, func(string, int64) {})
		must(t, err)
		h.roll(last, next, nil)
		must(t, h.Clean(t.Context(), 2, nil))
		h.want("sub/a", fmt.Sprint(i))
		last = next
	}
	h.stands(-1, map[string]uint32{"sub/a": 0o640, "bin/run": 0o750, "sub": 0o750})
	h.drift(rollcall.AuditRequest{Permissions: rollcall.Permissions{Mode: 0o640}})
	state, err := h.Hello(t.Context())
	if err != nil || len(state.Releases) != 2 {
		t.Errorf("%+v, %v", state, err)
	}
	out, err := h.Run(t.Context(), "", rollcall.Command{Args: []string{"pwd"}, Timeout: time.Minute}, nil)
	if err != nil || strings.TrimSpace(out.Text) != h.dir {
		t.Errorf("a command runs in %q, %v", out.Text, err)
	}
	if entries, err := os.ReadDir(h.dir); err != nil || len(entries) != 2 {
		t.Errorf("in the folder are %v, %v", entries, err)
	}
	h.roll(last, &fleettest.Tree{}, nil)
	if entries, err := os.ReadDir(h.dir); err != nil || len(entries) != 0 {
		t.Errorf("taken away, there are %v, %v", entries, err)
	}
}

func TestInPlaceWhoCanNotWriteLearnsItAtReceive(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can write everywhere")
	}
	h := newHostInPlace(t)
	one := fleettest.NewTree(map[string]string{"a": "1", "sub/b": "1"})
	two := fleettest.NewTree(map[string]string{"a": "1", "sub/b": "2"})
	h.bring(nil, one, nil)
	for _, dir := range []string{"sub", "."} {
		must(t, os.Chmod(h.path(dir), 0o555))
		if _, err := h.Receive(t.Context(), two.DeliverFrom(one), func(string, int64) {}); rollcall.KindOf(err) != rollcall.KindBroken || !strings.Contains(rollcall.HintOf(err), "give the folder") {
			t.Errorf("Receive = %v", err)
		}
		must(t, os.Chmod(h.path(dir), 0o755))
	}
	// And if that comes between the receive and the switch, nothing is left of it.
	_, err := h.Receive(t.Context(), two.DeliverFrom(one), func(string, int64) {})
	must(t, err)
	for _, dir := range []string{"sub", "."} {
		must(t, os.Chmod(h.path(dir), 0o555))
		if _, err := h.Switch(t.Context(), one.ID, two.ID, nil); rollcall.KindOf(err) != rollcall.KindBroken || !strings.Contains(err.Error(), "undone") {
			t.Errorf("Switch = %v", err)
		}
		state, err := h.Hello(t.Context())
		if err != nil || state.Current != one.ID || state.Applying != nil {
			t.Errorf("%+v, %v", state, err)
		}
		must(t, os.Chmod(h.path(dir), 0o755))
		h.want("sub/b", "1")
	}
	h.roll(one, two, nil)
	h.gone(".rollcall-applying")
}

func TestInPlaceGroups(t *testing.T) {
	group, gid := someGroup(t)
	h := newHostInPlace(t)
	must(t, os.Mkdir(h.path("theirs"), 0o755), os.Chown(h.path("theirs"), -1, int(gid)), os.Chmod(h.path("theirs"), 0o755|os.ModeSetgid))
	one := fleettest.NewTree(map[string]string{"a": "1", "theirs/a": "1", "theirs/new/b": "1", "new/b": "1"})
	two := fleettest.NewTree(map[string]string{"a": "2", "theirs/a": "2", "theirs/new/b": "2", "new/b": "2", "more/c": "2"})
	h.bring(nil, one, nil)
	h.drift(rollcall.AuditRequest{})
	h.stands(int64(gid), map[string]uint32{"theirs": 0o2755, "theirs/a": 0o644, "theirs/new": 0o2755, "theirs/new/b": 0o644})
	h.stands(int64(os.Getegid()), map[string]uint32{"a": 0o644, "new": 0o755, "new/b": 0o644})
	d := two.DeliverFrom(one)
	d.Permissions = rollcall.Permissions{Mode: 0o640, Group: group}
	_, err := h.Receive(t.Context(), d, func(string, int64) {})
	must(t, err)
	h.roll(one, two, nil)
	h.drift(rollcall.AuditRequest{Permissions: d.Permissions})
	h.stands(int64(gid), map[string]uint32{"a": 0o640, "theirs/a": 0o640, "new/b": 0o640, "more": 0o750, "more/c": 0o640})
}
