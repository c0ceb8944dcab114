package node_test

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
)

// someGroup is a group other than the test's own, where there is one to give files to.
func someGroup(t *testing.T) (name string, gid uint32) {
	t.Helper()
	groups, err := os.Getgroups()
	must(t, err)
	if os.Geteuid() == 0 {
		groups = append(groups, 1, 2, 3)
	}
	for _, gid := range groups {
		if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil && gid != os.Getegid() {
			return g.Name, uint32(gid)
		}
	}
	t.Skip("this account is in one group only")
	return "", 0
}

func (h *host) bringWith(from, to *fleettest.Tree, p rollcall.Permissions) rollcall.Received {
	h.t.Helper()
	d := to.DeliverFrom(from)
	d.Permissions = p
	received, err := h.Receive(h.t.Context(), d, func(string, int64) {})
	must(h.t, err)
	h.roll(from, to, nil)
	h.drift(rollcall.AuditRequest{Permissions: p})
	return received
}

// stands asserts modes, in octal, and where gid is not -1 the group.
func (h *host) stands(gid int64, modes map[string]uint32) {
	h.t.Helper()
	for name, mode := range modes {
		info, err := os.Lstat(h.path(name))
		must(h.t, err)
		s := info.Sys().(*syscall.Stat_t)
		if s.Mode&0o7777 != mode || gid >= 0 && int64(s.Gid) != gid {
			h.t.Errorf("%s is %#o of group %d, want %#o of %d", name, s.Mode&0o7777, s.Gid, mode, gid)
		}
	}
}

func TestModesAndGroups(t *testing.T) {
	group, gid := someGroup(t)
	h := newHost(t)
	files := map[string]string{"a": "1", "bin/run*": "x", "dir/deep/b": "2", "empty/": "", "gone": "g"}
	zero := fleettest.NewTree(files)
	delete(files, "gone")
	files["n"] = "1"
	one := fleettest.NewTree(files)
	files["n"] = "2"
	two := fleettest.NewTree(files)
	files["n"] = "3"
	three := fleettest.NewTree(files)
	plain := map[string]uint32{
		"": 0o755, "/a": 0o644, "/bin": 0o755, "/bin/run": 0o755, "/dir/deep": 0o755, "/dir/deep/b": 0o644, "/empty": 0o755, "/n": 0o644,
	}
	closed := map[string]uint32{
		"": 0o750, "/a": 0o640, "/bin": 0o750, "/bin/run": 0o750, "/dir/deep": 0o750, "/dir/deep/b": 0o640, "/empty": 0o750, "/n": 0o640,
	}
	in := func(tree *fleettest.Tree, modes map[string]uint32) map[string]uint32 {
		beneath := map[string]uint32{}
		for name, mode := range modes {
			beneath["releases/"+string(tree.ID)+name] = mode
		}
		return beneath
	}
	whole := h.bringWith(nil, zero, rollcall.Permissions{}).Bytes
	received := h.bringWith(zero, one, rollcall.Permissions{Mode: 0o640, Group: group})
	if len(received.Edited) != 0 || received.Bytes >= whole {
		t.Errorf("another mode is no edit, and is not sent: %+v of %d", received, whole)
	}
	h.stands(int64(gid), in(one, closed))
	h.stands(int64(os.Getegid()), map[string]uint32{"releases/" + string(zero.ID) + "/a": 0o644})
	h.bringWith(one, two, rollcall.Permissions{Mode: 0o640, Group: group})
	h.stands(int64(gid), in(two, closed))
	if inode(t, h.path("releases/"+string(one.ID)+"/a")) != inode(t, h.path("current/a")) {
		t.Error("what has the same mode and group is not linked")
	}
	// And back, in a release that is made out of a closed one.
	must(t, h.Clean(t.Context(), 1, nil))
	received = h.bringWith(two, three, rollcall.Permissions{})
	if len(received.Edited) != 0 {
		t.Errorf("edited are %v", received.Edited)
	}
	h.stands(int64(os.Getegid()), in(three, plain))
	h.stands(int64(gid), in(two, closed))
	must(t, h.Clean(t.Context(), 1, nil))
	h.bringWith(three, one, rollcall.Permissions{Mode: 0o600})
	h.stands(int64(os.Getegid()), map[string]uint32{"current/a": 0o600, "current/bin/run": 0o700, "current/dir/deep": 0o700})
}

func TestWhatIsNoModeOrNoGroupIsRefused(t *testing.T) {
	h := newHost(t)
	tree := fleettest.NewTree(map[string]string{"a": "1"})
	for p, kind := range map[rollcall.Permissions]rollcall.Kind{
		{Mode: 0o4644}:             rollcall.KindInvalid,
		{Mode: 0o1644}:             rollcall.KindInvalid,
		{Mode: 0o755}:              rollcall.KindInvalid,
		{Mode: 0o044}:              rollcall.KindInvalid,
		{Group: "no-such-group"}:   rollcall.KindBroken,
		{Group: "--help"}:          rollcall.KindBroken,
		{Group: "\x1b[2J\n root:"}: rollcall.KindBroken,
	} {
		d := tree.DeliverFrom(nil)
		d.Permissions = p
		if _, err := h.Receive(t.Context(), d, func(string, int64) {}); rollcall.KindOf(err) != kind || rollcall.HintOf(err) == "" {
			t.Errorf("%+v: %v", p, err)
		}
	}
	h.gone("releases/" + string(tree.ID))
	h.bring(nil, tree, nil)
}

// Somebody sets a bit by hand in the live release, and its size and time stay.
func TestASetuidBitIsNotSpread(t *testing.T) {
	h := newHost(t)
	one := fleettest.NewTree(map[string]string{"run*": "x", "a": "1"})
	two := fleettest.NewTree(map[string]string{"run*": "x", "a": "2"})
	h.bring(nil, one, nil)
	at := time.Unix(1_700_000_000, 0)
	must(t, os.Chmod(h.path("current/run"), 0o755|os.ModeSetuid), os.Chtimes(h.path("current/run"), at, at))
	h.drift(rollcall.AuditRequest{}, "mode run")
	h.bring(one, two, nil)
	h.drift(rollcall.AuditRequest{})
	h.stands(-1, map[string]uint32{"current/run": 0o755, "releases/" + string(one.ID) + "/run": 0o4755})
}
