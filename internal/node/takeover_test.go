package node_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
)

func (h *host) takeOver() rollcall.ReleaseID {
	h.t.Helper()
	id, err := h.TakeOver(h.t.Context())
	must(h.t, err)
	return id
}

func (h *host) write(name, content string, mode os.FileMode) {
	h.t.Helper()
	must(h.t, os.MkdirAll(filepath.Dir(h.path(name)), 0o755), os.WriteFile(h.path(name), []byte(content), mode), os.Chmod(h.path(name), mode))
}

// capistrano lays a folder out as that tool does.
func (h *host) capistrano(current string) {
	h.t.Helper()
	old := "releases/20260101120000/"
	h.write(old+"index.php", "<?php", 0o664)
	h.write(old+"bin/run", "#!/bin/sh\n", 0o775)
	h.write(old+"private", "p", 0o600)
	h.write(old+"helper", "h", 0o755|os.ModeSetuid)
	h.write("releases/20251231000000/index.php", "older", 0o644)
	h.write("shared/log/x.log", "log", 0o644)
	h.write("revisions.log", "r", 0o644)
	must(h.t,
		os.MkdirAll(h.path(old+"empty"), 0o755), os.MkdirAll(h.path(old+"closed"), 0o700), os.WriteFile(h.path(old+"closed/x"), nil, 0o600),
		os.Symlink("../../shared/log", h.path(old+"log")), os.MkdirAll(h.path(old+"tmp"), 0o755),
		os.Symlink(h.path("shared/log"), h.path(old+"tmp/absolute")), os.Symlink("../bin/run", h.path(old+"tmp/inner")),
		os.Symlink("/etc", h.path(old+"etc")), syscall.Mkfifo(h.path(old+"tmp/fifo"), 0o644),
		os.Symlink(current, h.path("current")),
	)
}

func TestCapistranosFolderIsTakenOver(t *testing.T) {
	for name, target := range map[string]string{"relative": "releases/20260101120000", "absolute": "%s/releases/20260101120000", "with a slash": "./releases/20260101120000/"} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.capistrano(strings.ReplaceAll(target, "%s", h.dir))
			old := h.path("releases/20260101120000") + "/"
			next := fleettest.NewTree(map[string]string{"index.php": "<?php", "bin/run*": "#!/bin/sh\n", "new": "n"})
			if state, err := h.Hello(t.Context()); err != nil || state.Foreign == "" {
				t.Fatalf("%+v, %v", state, err)
			}
			id := h.takeOver()
			state, err := h.Hello(t.Context())
			if err != nil || !id.Valid() || state.Current != id || state.Foreign != "" || !slices.Equal(state.Releases, []rollcall.ReleaseID{id}) {
				t.Fatalf("taken over: %s, %+v, %v", id, state, err)
			}
			for name, content := range map[string]string{"index.php": "<?php", "bin/run": "#!/bin/sh\n", "private": "p", "log/x.log": "log", "tmp/absolute/x.log": "log", "tmp/inner": "#!/bin/sh\n"} {
				h.want("current/"+name, content)
			}
			if inode(t, old+"index.php") != inode(t, h.path("current/index.php")) {
				t.Error("a file was not linked")
			}
			h.stands(-1, map[string]uint32{
				"current/private": 0o600, "current/closed": 0o700, "current/helper": 0o755, "current/index.php": 0o664,
				"releases/20260101120000/helper": 0o4755, "releases/20260101120000/closed": 0o700,
			})
			m, err := h.Manifest(t.Context(), id)
			must(t, err)
			var paths []string
			for _, e := range m.Entries {
				paths = append(paths, string(e.Type)+" "+e.Path)
			}
			if want := []string{"x bin/run", "f closed/x", "d empty", "x helper", "f index.php", "f private", "l tmp/inner"}; !slices.Equal(paths, want) {
				t.Errorf("the manifest has %q", paths)
			}
			h.drift(rollcall.AuditRequest{})
			must(t, os.Remove(h.path("current/log")), os.Symlink("/etc", h.path("current/log")))
			h.drift(rollcall.AuditRequest{}, "target log")
			must(t, os.Remove(h.path("current/log")), os.Symlink("../../shared/log", h.path("current/log")))
			if again := h.takeOver(); again != id {
				t.Errorf("asked again: %s", again)
			}

			// A roll on top sends what is new, and calls nothing edited.
			base := &fleettest.Tree{ID: id, Manifest: m}
			received := h.bring(base, next, nil)
			if len(received.Edited) != 0 {
				t.Errorf("edited are %v", received.Edited)
			}
			h.drift(rollcall.AuditRequest{})
			if again := h.takeOver(); again != "" {
				t.Errorf("with a release of ours live: %s", again)
			}
			last := next
			for _, content := range []string{"1", "2", "3"} {
				another := fleettest.NewTree(map[string]string{"index.php": "<?php", "new": content})
				if received := h.bring(last, another, nil); len(received.Edited) != 0 {
					t.Errorf("edited are %v", received.Edited)
				}
				must(t, h.Clean(t.Context(), 1, nil))
				last = another
			}
			h.roll(last, base, nil)
			h.drift(rollcall.AuditRequest{})
			h.want("current/private", "p")
			h.want("revisions.log", "r")
			h.want("releases/20251231000000/index.php", "older")
			if text, err := os.ReadFile(old + "index.php"); err != nil || string(text) != "<?php" {
				t.Errorf("the old folder has %q, %v", text, err)
			}
		})
	}
}

func TestAPlainFolderIsTakenOver(t *testing.T) {
	h := newHost(t)
	h.write("index.php", "<?php", 0o644)
	h.write("css/a.css", "css", 0o644)
	h.write("shared/uploads/x", "x", 0o644)
	h.write("releases/notes", "n", 0o644)
	outside := t.TempDir()
	at := time.Unix(1_700_000_000, 7)
	must(t,
		os.Chtimes(h.path("index.php"), at, at), os.Symlink("shared/uploads", h.path("uploads")), os.Symlink("../../srv/shared/uploads", h.path("css/up")), os.Symlink("../css/a.css", h.path("css/self")),
		os.Symlink(outside, h.path("css/out")), os.Mkdir(h.path("cache"), 0o777), os.WriteFile(filepath.Join(outside, "secret"), nil, 0o600),
	)
	id := h.takeOver()
	if id == "" {
		t.Fatal("nothing was taken over")
	}
	for name, content := range map[string]string{"index.php": "<?php", "css/a.css": "css", "uploads/x": "x", "css/up/x": "x", "css/self": "css"} {
		h.want("current/"+name, content)
		h.want(name, content)
	}
	if inode(t, h.path("index.php")) == inode(t, h.path("current/index.php")) {
		t.Error("a file that may be written into was linked")
	}
	for _, name := range []string{"shared", "releases", ".rollcall"} {
		h.gone("current/" + name)
	}
	h.drift(rollcall.AuditRequest{})
	m, err := h.Manifest(t.Context(), id)
	must(t, err)
	if m.Find("css/out") != nil || m.Find("css/out/secret") != nil || m.Find("cache") == nil {
		t.Errorf("the manifest has %+v", m.Entries)
	}
	next := fleettest.NewTree(map[string]string{"index.php": "<?php", "css/a.css": "new"})
	base := &fleettest.Tree{ID: id, Manifest: m}
	if received := h.bring(base, next, nil); len(received.Edited) != 0 {
		t.Errorf("edited are %v", received.Edited)
	}
	if inode(t, h.path("releases/"+string(id)+"/index.php")) != inode(t, h.path("current/index.php")) {
		t.Error("a copied file was not linked")
	}
	h.roll(next, base, nil)
	h.drift(rollcall.AuditRequest{})
}

func TestNothingIsTakenOver(t *testing.T) {
	h := newHost(t)
	if id := h.takeOver(); id != "" {
		t.Errorf("of no folder: %s", id)
	}
	h.gone("")
	must(t, os.MkdirAll(h.path("shared/uploads"), 0o755))
	if id := h.takeOver(); id != "" {
		t.Errorf("of shared files: %s", id)
	}
	h.gone(".rollcall")
	h.bring(nil, fleettest.NewTree(map[string]string{"a": "1"}), nil)
	if id := h.takeOver(); id != "" {
		t.Errorf("of our own: %s", id)
	}
	p := newHostInPlace(t)
	p.write("apache2.conf", "a", 0o644)
	if id := p.takeOver(); id != "" {
		t.Errorf("in place: %s", id)
	}
}

func TestWhatCanNotBeTakenOver(t *testing.T) {
	outside := t.TempDir()
	for name, plant := range map[string]func(h *host) error{
		"a link away":          func(h *host) error { return os.Symlink(outside, h.path("current")) },
		"a link above":         func(h *host) error { return os.Symlink("..", h.path("current")) },
		"a link to the folder": func(h *host) error { return os.Symlink(".", h.path("current")) },
		"a link to itself":     func(h *host) error { return os.Symlink("current", h.path("current")) },
		"a link to nothing":    func(h *host) error { return os.Symlink("releases/2026", h.path("current")) },
		"a link over a link away": func(h *host) error {
			return firstOf(os.Symlink(outside, h.path("r")), os.Symlink("r/x", h.path("current")))
		},
		"a link to what is private": func(h *host) error { return os.Symlink(".rollcall/incoming", h.path("current")) },
		"a link to a file":          func(h *host) error { h.write("f", "", 0o644); return os.Symlink("f", h.path("current")) },
		"a folder":                  func(h *host) error { return os.Mkdir(h.path("current"), 0o755) },
		"a name that is none":       func(h *host) error { h.write("a\nb", "", 0o644); return nil },
	} {
		h := newHost(t)
		must(t, os.MkdirAll(h.dir, 0o755), os.MkdirAll(filepath.Join(outside, "x"), 0o755), plant(h))
		if id, err := h.TakeOver(t.Context()); rollcall.KindOf(err) != rollcall.KindRefused || rollcall.HintOf(err) == "" {
			t.Errorf("%s: %s, %v", name, id, err)
		}
		if state, err := h.Hello(t.Context()); err != nil || state.Foreign == "" || state.Current != "" {
			t.Errorf("%s: %+v, %v", name, state, err)
		}
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Whatever of a take-over was done when its process died, asked again it ends alike, and
// until then nothing is rolled over it.
func TestATakeOverThatDiedIsAskedForAgain(t *testing.T) {
	lay := map[string]func(h *host){
		"capistrano": func(h *host) { h.capistrano("releases/20260101120000") },
		"plain":      func(h *host) { h.write("index.php", "<?php", 0o644); h.write("a/b", "b", 0o644) },
	}
	pointBack := func(h *host) {
		must(h.t, os.Remove(h.path("current")))
		if _, err := os.Lstat(h.path("revisions.log")); err == nil {
			must(h.t, os.Symlink("releases/20260101120000", h.path("current")))
		}
		must(h.t, os.WriteFile(h.path(".rollcall/takeover"), nil, 0o600))
	}
	for name, undo := range map[string]func(h *host, id string){
		"before its mark moved": func(h *host, _ string) {
			pointBack(h)
			must(h.t, os.RemoveAll(h.path(".rollcall")), os.MkdirAll(h.path(".rollcall.beginning"), 0o700))
		},
		"before it was named": func(h *host, id string) {
			pointBack(h)
			must(h.t, os.RemoveAll(h.path("releases/"+id)), os.Remove(h.path(".rollcall/manifests/"+id)), os.MkdirAll(h.path(".rollcall/incoming/dead/x"), 0o755))
		},
		"before it was live":   func(h *host, _ string) { pointBack(h) },
		"before that was told": func(h *host, _ string) { must(h.t, os.WriteFile(h.path(".rollcall/takeover"), nil, 0o600)) },
	} {
		for layout, plant := range lay {
			h := newHost(t)
			plant(h)
			id := h.takeOver()
			undo(h, string(id))
			state, err := h.Hello(t.Context())
			if err != nil || state.Foreign == "" {
				t.Errorf("%s %s: in the middle it says %+v, %v", layout, name, state, err)
			}
			tree := fleettest.NewTree(map[string]string{"a": "1"})
			if _, err := h.Receive(t.Context(), tree.DeliverFrom(nil), func(string, int64) {}); rollcall.KindOf(err) != rollcall.KindRefused {
				t.Errorf("%s %s: rolled over it: %v", layout, name, err)
			}
			if again := h.takeOver(); again != id {
				t.Errorf("%s %s: %s and then %s", layout, name, id.Short(), again.Short())
			}
			if state, err = h.Hello(t.Context()); err != nil || state.Foreign != "" || state.Current != id {
				t.Errorf("%s %s: at the end it says %+v, %v", layout, name, state, err)
			}
			h.want("current/index.php", "<?php")
			h.drift(rollcall.AuditRequest{})
			h.gone(".rollcall/takeover")
			must(t, h.Clean(t.Context(), 0, nil))
			h.Close()
			if left, err := os.ReadDir(h.path(".rollcall/incoming")); err != nil || len(left) != 0 {
				t.Errorf("%s %s: left are %v, %v", layout, name, left, err)
			}
		}
	}
}

func TestATakeOverNeedsTheToken(t *testing.T) {
	h := newHost(t)
	h.bring(nil, fleettest.NewTree(map[string]string{"a": "1"}), nil)
	h.write("releases/old/a", "2", 0o644)
	must(t, os.Remove(h.path("current")), os.Symlink("releases/old", h.path("current")))
	if _, err := h.open(4).TakeOver(t.Context()); rollcall.KindOf(err) != rollcall.KindConflict {
		t.Errorf("TakeOver = %v", err)
	}
	if target, err := os.Readlink(h.path("current")); err != nil || target != "releases/old" {
		t.Errorf("current is %s, %v", target, err)
	}
	id := h.takeOver()
	h.want("current/a", "2")
	if state, err := h.Hello(t.Context()); err != nil || state.Current != id || len(state.Releases) != 2 {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestARepairOfWhatWasAdoptedKeepsItsLinksOut(t *testing.T) {
	h := newHost(t)
	h.write("releases/old/a", "1", 0o644)
	at := time.Unix(1_700_000_000, 5)
	must(t, os.MkdirAll(h.path("shared/x"), 0o755), os.Symlink("../../shared/x", h.path("releases/old/x")), os.Symlink("releases/old", h.path("current")), os.Chtimes(h.path("releases/old/a"), at, at))
	id := h.takeOver()
	live := fleettest.NewTree(map[string]string{"a": "1"})
	if live.ID != id {
		t.Fatalf("the same files have the names %s and %s", live.ID.Short(), id.Short())
	}
	must(t, os.WriteFile(h.path("current/a"), []byte("hand"), 0o644))
	h.repair(live, rollcall.AuditRequest{})
	h.want("current/a", "1")
	if target, err := os.Readlink(h.path("current/x")); err != nil || target != "../../shared/x" {
		t.Errorf("the link out is %s, %v", target, err)
	}
}
