package node_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
)

func (h *host) audit(request rollcall.AuditRequest) rollcall.Audit {
	h.t.Helper()
	audit, err := h.Audit(h.t.Context(), request, func(int64, int64) {})
	if err != nil {
		h.t.Fatal(err)
	}
	return audit
}

// drift asserts what an audit finds, "kind path" each.
func (h *host) drift(request rollcall.AuditRequest, want ...string) {
	h.t.Helper()
	var got []string
	for _, d := range h.audit(request).Drift {
		got = append(got, string(d.Kind)+" "+d.Path)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("the drift (-want +got):\n%s", diff)
	}
}

func TestAnAuditFindsEveryKindOfDrift(t *testing.T) {
	h := newHost(t)
	h.drift(rollcall.AuditRequest{}) // nothing is there
	tree := fleettest.NewTree(map[string]string{
		"changed": "good", "longer": "1", "missing": "x", "mode": "m", "setuid*": "s", "file": "f", "link": "-> good", "good": "g",
		"dir/a": "a", "dir/b": "b", "open/a": "a", "empty/": "", "gone/a": "a", "fifo": "f",
	})
	must(t, os.MkdirAll(h.path("shared/uploads"), 0o755), os.MkdirAll(h.path("shared/conf/x"), 0o755))
	h.bring(nil, tree, nil, "uploads/", "conf/x")
	links := rollcall.AuditRequest{Link: []string{"uploads/", "conf/x"}}
	var done, total int64
	clean, err := h.Audit(t.Context(), links, func(d, t int64) { done, total = d, t })
	must(t, err)
	if clean.Release != tree.ID || clean.Files != 12 || clean.Bytes != tree.Manifest.Size() || len(clean.Drift) != 0 || done != total || total != clean.Bytes {
		t.Errorf("a fresh one: %+v, progress %d of %d", clean, done, total)
	}

	live := h.path("current") + "/"
	at := time.Unix(1_700_000_000, 0)
	must(t,
		os.WriteFile(live+"changed", []byte("evil"), 0o644), os.Chtimes(live+"changed", at, at), // no size and no time tells
		os.WriteFile(live+"longer", []byte("12"), 0o644),
		os.Remove(live+"missing"),
		os.Chmod(live+"mode", 0o666),
		os.Chmod(live+"setuid", 0o755|os.ModeSetuid),
		os.Remove(live+"file"), os.Symlink("good", live+"file"),
		os.Remove(live+"link"), os.Symlink("/etc/passwd", live+"link"),
		os.RemoveAll(live+"dir"), os.Symlink("open", live+"dir"),
		os.Chmod(live+"open", 0o777),
		os.Remove(live+"empty"), os.WriteFile(live+"empty", nil, 0o644),
		os.RemoveAll(live+"gone"),
		os.Remove(live+"fifo"), syscall.Mkfifo(live+"fifo", 0o644), // would hang who opens it
		os.WriteFile(live+"new\x1b[2J\xff", nil, 0o644),
		os.MkdirAll(live+"more/and/more", 0o755),
		os.Remove(live+"uploads"), os.Symlink("../../shared/other", live+"uploads"),
	)
	h.drift(links,
		"changed changed", "type dir", "missing dir/a", "missing dir/b", "type empty", "type fifo", "type file", "missing gone/a",
		"target link", "changed longer", "missing missing", "mode mode", "added more", "added new\x1b[2J\xff", "mode open", "mode setuid", "target uploads",
	)
	if text, err := os.ReadFile(live + "changed"); err != nil || string(text) != "evil" {
		t.Errorf("it changed something: %q, %v", text, err)
	}

	must(t, os.RemoveAll(h.path("releases/"+string(tree.ID))))
	if audit := h.audit(links); len(audit.Drift) != 16 {
		t.Errorf("of a release that is gone: %v", audit.Drift)
	}
}

func TestWhatIsKeptIsNoDrift(t *testing.T) {
	h := newHost(t)
	keep := &rollcall.KeepOldFiles{Files: []string{"*.css"}, For: time.Hour}
	one := fleettest.NewTree(map[string]string{"old/css/a.css": "1", "x": "1"})
	two := fleettest.NewTree(map[string]string{"x": "2"})
	h.bring(nil, one, keep)
	h.bring(one, two, keep)
	h.want("current/old/css/a.css", "1")
	h.drift(rollcall.AuditRequest{})
	must(t, os.WriteFile(h.path("current/old/css/b.css"), nil, 0o644))
	h.drift(rollcall.AuditRequest{}, "added old/css/b.css")
}

func TestAnAuditOfWhatAnApplicationFilledStaysShort(t *testing.T) {
	h := newHost(t)
	h.bring(nil, fleettest.NewTree(map[string]string{"a": "1"}), nil)
	for i := range 1100 {
		must(t, os.WriteFile(h.path(fmt.Sprintf("current/%d", i)), nil, 0o644))
	}
	audit := h.audit(rollcall.AuditRequest{})
	if len(audit.Drift) != 1000 || audit.More != 100 || len(audit.Paths()) != 0 {
		t.Errorf("%d listed and %d more", len(audit.Drift), audit.More)
	}
}

func TestADamagedManifestIsNotAuditedWith(t *testing.T) {
	h := newHost(t)
	one, two := fleettest.NewTree(map[string]string{"a": "1"}), fleettest.NewTree(map[string]string{"a": "2"})
	h.bring(nil, one, nil)
	b, err := two.Manifest.AppendBinary(nil)
	must(t, err, os.WriteFile(h.path(".rollcall/manifests/"+string(one.ID)), b, 0o600))
	if _, err := h.Audit(t.Context(), rollcall.AuditRequest{}, nil); rollcall.KindOf(err) != rollcall.KindBroken || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Audit = %v", err)
	}
	if _, err := h.Audit(t.Context(), rollcall.AuditRequest{Permissions: rollcall.Permissions{Group: "no-such-group"}}, nil); rollcall.KindOf(err) != rollcall.KindBroken {
		t.Errorf("Audit = %v", err)
	}
}
