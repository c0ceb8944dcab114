package fleettest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/fleet"
)

// Run is the suite that every rollcall.Transport passes. fresh gives the transport and
// a node with a folder of its own, on this machine and not made yet, so that the suite
// can look at what happened there.
func Run(t *testing.T, fresh func(t *testing.T) (rollcall.Transport, rollcall.Node)) {
	one := NewTree(map[string]string{"a": "one", "bin/run*": "#!/bin/sh\n", "dir/b": "b", "link": "-> dir/b", "empty/": ""})
	two := NewTree(map[string]string{"a": "two", "bin/run*": "#!/bin/sh\n", "dir/c": "c"})

	t.Run("a release comes, is switched to, and back", func(t *testing.T) {
		s := open(t, fresh)
		before := s.hello()
		if before.Current != "" || before.Foreign != "" || before.Token != (rollcall.Token{}) || before.Free <= 0 || !strings.HasPrefix(before.Arch, "linux/") {
			t.Errorf("a fresh node is %+v", before)
		}
		if _, err := os.Stat(s.node.Folder); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("hello made the folder: %v", err)
		}
		s.receive(one.DeliverFrom(nil))
		if state := s.hello(); state.Current != "" || !slices.Equal(state.Releases, []rollcall.ReleaseID{one.ID}) {
			t.Errorf("received, the node is %+v", state)
		}
		s.roll("", one)
		s.want("current/a", "one", 0o644)
		s.want("current/bin/run", "#!/bin/sh\n", 0o755)
		s.want("current/link", "b", 0o644)
		if entries, err := os.ReadDir(filepath.Join(s.node.Folder, "current", "empty")); err != nil || len(entries) != 0 {
			t.Errorf("the empty folder: %v, %v", entries, err)
		}
		s.receive(two.DeliverFrom(one))
		s.roll(one.ID, two)
		s.want("current/a", "two", 0o644)
		s.roll(two.ID, one)
		s.want("current/a", "one", 0o644)
		if _, err := s.Switch(t.Context(), one.ID, "", nil); err != nil {
			t.Fatal(err)
		}
		if state := s.hello(); state.Current != "" || len(state.Releases) != 2 {
			t.Errorf("taken away, the node is %+v", state)
		}
	})

	t.Run("everything can be done twice", func(t *testing.T) {
		s := open(t, fresh)
		for range 2 {
			s.receive(one.DeliverFrom(nil))
			s.roll("", one)
		}
		if err := s.Clean(t.Context(), 1, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Clean(t.Context(), 1, nil); err != nil {
			t.Fatal(err)
		}
		s.want("current/a", "one", 0o644)
	})

	t.Run("a manifest is read back", func(t *testing.T) {
		s := open(t, fresh)
		s.receive(one.DeliverFrom(nil))
		m, err := s.Manifest(t.Context(), one.ID)
		if err != nil || len(rollcall.CompareManifests(m, one.Manifest)) != 0 {
			t.Fatalf("Manifest = %+v, %v", m, err)
		}
		if _, err := s.Manifest(t.Context(), two.ID); err == nil {
			t.Error("a manifest that is not there was read")
		}
		s.hello() // and the session goes on
	})

	t.Run("large releases", func(t *testing.T) {
		s := open(t, fresh)
		content := make([]byte, 5<<20)
		_, _ = rand.Read(content)
		files := map[string]string{"big": string(content)}
		for i := range 500 {
			files[fmt.Sprintf("d%d/f%d", i%20, i)] = fmt.Sprint(i)
		}
		large := NewTree(files)
		s.receive(large.DeliverFrom(nil))
		s.roll("", large)
		got, err := os.ReadFile(filepath.Join(s.node.Folder, "current", "big"))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes came, %v", len(got), err)
		}
	})

	t.Run("a refusal leaves the session of use", func(t *testing.T) {
		s := open(t, fresh)
		d := one.DeliverFrom(nil)
		d.Link = []string{"not/there"}
		if _, err := s.Receive(t.Context(), d, func(string, int64) {}); rollcall.KindOf(err) != rollcall.KindBroken || rollcall.HintOf(err) == "" {
			t.Errorf("Receive = %v", err)
		}
		d = one.DeliverFrom(nil)
		d.Release = two.ID // the pack makes something else
		if _, err := s.Receive(t.Context(), d, func(string, int64) {}); err == nil {
			t.Error("a release came under another's name")
		}
		if state := s.hello(); len(state.Releases) != 0 {
			t.Errorf("left: %v", state.Releases)
		}
		s.receive(one.DeliverFrom(nil))
		s.roll("", one)
	})

	t.Run("a pack that breaks off is told as it is", func(t *testing.T) {
		s := open(t, fresh)
		broken := errors.New("the repository is gone")
		d := one.DeliverFrom(nil)
		d.Pack = func() (io.ReadCloser, error) {
			whole, err := one.DeliverFrom(nil).Pack()
			return io.NopCloser(io.MultiReader(io.LimitReader(whole, 50), iotest.ErrReader(broken))), err
		}
		if _, err := s.Receive(t.Context(), d, func(string, int64) {}); !errors.Is(err, broken) {
			t.Errorf("Receive = %v", err)
		}
		if left, err := filepath.Glob(filepath.Join(s.node.Folder, "releases", "*")); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	})

	t.Run("a lower token and another record are refused at every verb", func(t *testing.T) {
		s := open(t, fresh)
		s.receive(one.DeliverFrom(nil))
		s.roll("", one)
		refusals := map[rollcall.Token]rollcall.Kind{
			{Record: "r1", Sequence: 4}: rollcall.KindConflict, // somebody took over
			{Record: "r2", Sequence: 9}: rollcall.KindRefused,
			{}:                          rollcall.KindRefused,
		}
		for token, kind := range refusals {
			s.Claim(token)
			for verb, do := range s.effects(one, two) {
				if err := do(); rollcall.KindOf(err) != kind || rollcall.HintOf(err) == "" {
					t.Errorf("%s with %v: %v", verb, token, err)
				}
			}
		}
		s.want("current/a", "one", 0o644)
		if _, err := os.Stat(filepath.Join(s.node.Folder, "current", "ran")); err == nil {
			t.Error("a command ran")
		}
		s.Claim(rollcall.Token{Record: "r2", Sequence: 1})
		if err := s.Adopt(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.receive(two.DeliverFrom(one))
		s.roll(one.ID, two)
		s.Claim(rollcall.Token{Record: "r1", Sequence: 99})
		if _, err := s.Switch(t.Context(), two.ID, one.ID, nil); rollcall.KindOf(err) != rollcall.KindRefused {
			t.Errorf("the record that was left is still followed: %v", err)
		}
	})

	t.Run("commands", func(t *testing.T) {
		s := open(t, fresh)
		s.receive(one.DeliverFrom(nil))
		s.roll("", one)
		out, err := s.Run(t.Context(), "", rollcall.Command{Shell: "cat a; echo \" $X\"; exit 3", Timeout: time.Minute}, map[string]string{"X": "a b"})
		if err != nil || out.Exit != 3 || strings.TrimSpace(out.Text) != "one a b" {
			t.Errorf("Run = %+v, %v", out, err)
		}
		out, err = s.Run(t.Context(), "", rollcall.Command{Args: []string{"printf", "%s|", "a b", "$X", ""}, Timeout: time.Minute}, nil)
		if err != nil || out.Text != "a b|$X||" {
			t.Errorf("Run = %+v, %v", out, err)
		}
		if _, err = s.Run(t.Context(), "", rollcall.Command{Shell: "sleep 100 & wait", Timeout: 100 * time.Millisecond}, nil); rollcall.KindOf(err) != rollcall.KindFailed {
			t.Errorf("a command without end: %v", err)
		}
		if _, err = s.Run(t.Context(), "", rollcall.Command{Args: []string{"no-such-program"}, Timeout: time.Minute}, nil); rollcall.KindOf(err) != rollcall.KindFailed {
			t.Errorf("a program that is not there: %v", err)
		}
		s.hello()
	})

	t.Run("an audit finds what was edited, and the session goes on", func(t *testing.T) {
		s := open(t, fresh)
		if audit, err := s.Audit(t.Context(), rollcall.AuditRequest{}, func(int64, int64) {}); err != nil || audit.Release != "" {
			t.Errorf("of nothing: %+v, %v", audit, err)
		}
		s.receive(one.DeliverFrom(nil))
		s.roll("", one)
		var done, total int64
		audit, err := s.Audit(t.Context(), rollcall.AuditRequest{}, func(d, t int64) { done, total = d, t })
		if err != nil || audit.Release != one.ID || audit.Files != 3 || len(audit.Drift) != 0 || done != total || total != one.Manifest.Size() {
			t.Errorf("Audit = %+v, %v; progress %d of %d", audit, err, done, total)
		}
		if err := os.WriteFile(filepath.Join(s.node.Folder, "current", "a"), []byte("hey"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.node.Folder, "current", "\xff\n"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		audit, err = s.Audit(t.Context(), rollcall.AuditRequest{}, func(int64, int64) {})
		want := []rollcall.Drift{{Path: "a", Kind: rollcall.DriftChanged}, {Path: "\xff\n", Kind: rollcall.DriftAdded}}
		if err != nil || !slices.Equal(audit.Drift, want) {
			t.Errorf("Audit = %+v, %v", audit, err)
		}
		s.hello()
	})

	t.Run("the live release is made anew", func(t *testing.T) {
		s := open(t, fresh)
		s.receive(one.DeliverFrom(nil))
		s.roll("", one)
		if err := os.WriteFile(filepath.Join(s.node.Folder, "current", "a"), []byte("two"), 0o644); err != nil {
			t.Fatal(err)
		}
		d := one.DeliverFrom(one)
		d.Distrust = []string{"a"}
		if received := s.receive(d); !slices.Equal(received.Edited, []string{"a"}) {
			t.Errorf("edited are %v", received.Edited)
		}
		s.want("current/a", "one", 0o644)
		if audit, err := s.Audit(t.Context(), rollcall.AuditRequest{}, func(int64, int64) {}); err != nil || len(audit.Drift) != 0 {
			t.Errorf("Audit = %+v, %v", audit, err)
		}
	})

	t.Run("modes and groups", func(t *testing.T) {
		s := open(t, fresh)
		closed := one.DeliverFrom(nil)
		closed.Mode = 0o640
		s.receive(closed)
		s.roll("", one)
		s.want("current/a", "one", 0o640)
		s.want("current/bin/run", "#!/bin/sh\n", 0o750)
		if received := s.receive(two.DeliverFrom(one)); len(received.Edited) != 0 {
			t.Errorf("edited are %v", received.Edited)
		}
		s.roll(one.ID, two)
		s.want("current/bin/run", "#!/bin/sh\n", 0o755)
		closed = one.DeliverFrom(two)
		closed.Group = "no-such-group"
		if _, err := s.Receive(t.Context(), closed, func(string, int64) {}); rollcall.KindOf(err) != rollcall.KindBroken || rollcall.HintOf(err) == "" {
			t.Errorf("a group that is not there: %v", err)
		}
		s.hello()
	})

	t.Run("in place", func(t *testing.T) {
		s := open(t, func(t *testing.T) (rollcall.Transport, rollcall.Node) {
			transport, n := fresh(t)
			n.Layout = rollcall.LayoutInplace
			return transport, n
		})
		if err := os.MkdirAll(s.node.Folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.node.Folder, "theirs"), []byte("t"), 0o600); err != nil {
			t.Fatal(err)
		}
		if state := s.hello(); state.Current != "" || state.Foreign != "" || state.Applying != nil {
			t.Errorf("a folder with other files is %+v", state)
		}
		s.receive(one.DeliverFrom(nil))
		s.roll("", one)
		s.want("a", "one", 0o644)
		s.want("bin/run", "#!/bin/sh\n", 0o755)
		s.receive(two.DeliverFrom(one))
		s.roll(one.ID, two)
		s.want("a", "two", 0o644)
		if _, err := os.Lstat(filepath.Join(s.node.Folder, "link")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("what the second lacks: %v", err)
		}
		if err := os.WriteFile(filepath.Join(s.node.Folder, "a"), []byte("hey"), 0o644); err != nil {
			t.Fatal(err)
		}
		audit, err := s.Audit(t.Context(), rollcall.AuditRequest{}, func(int64, int64) {})
		if want := []rollcall.Drift{{Path: "a", Kind: rollcall.DriftChanged}}; err != nil || !slices.Equal(audit.Drift, want) {
			t.Errorf("Audit = %+v, %v", audit, err)
		}
		if _, err := s.Receive(t.Context(), one.DeliverFrom(two), func(string, int64) {}); rollcall.KindOf(err) != rollcall.KindRefused || rollcall.HintOf(err) == "" {
			t.Errorf("over what was edited: %v", err)
		}
		d := two.DeliverFrom(two)
		d.Distrust = audit.Paths()
		s.receive(d)
		s.want("a", "two", 0o644)
		s.want("theirs", "t", 0o600)
		for token, kind := range map[rollcall.Token]rollcall.Kind{{Record: "r1", Sequence: 4}: rollcall.KindConflict, {Record: "r2", Sequence: 9}: rollcall.KindRefused} {
			s.Claim(token)
			for verb, do := range s.effects(two, one) {
				if err := do(); rollcall.KindOf(err) != kind {
					t.Errorf("%s with %v: %v", verb, token, err)
				}
			}
		}
		s.want("a", "two", 0o644)
	})

	t.Run("another's folder is taken over", func(t *testing.T) {
		s := open(t, fresh)
		if id, err := s.TakeOver(t.Context()); err != nil || id != "" {
			t.Errorf("of nothing: %s, %v", id, err)
		}
		old := filepath.Join(s.node.Folder, "releases", "20260101120000")
		if err := errors.Join(os.MkdirAll(old, 0o755), os.WriteFile(filepath.Join(old, "a"), []byte("one"), 0o644),
			os.Symlink("/etc", filepath.Join(old, "config")), os.Symlink(old, filepath.Join(s.node.Folder, "current"))); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Receive(t.Context(), one.DeliverFrom(nil), func(string, int64) {}); rollcall.KindOf(err) != rollcall.KindRefused {
			t.Errorf("Receive = %v", err)
		}
		id, err := s.TakeOver(t.Context())
		if err != nil || !id.Valid() {
			t.Fatalf("TakeOver = %s, %v", id, err)
		}
		if again, err := s.TakeOver(t.Context()); err != nil || again != id {
			t.Errorf("again: %s, %v", again, err)
		}
		s.want("current/a", "one", 0o644)
		if audit, err := s.Audit(t.Context(), rollcall.AuditRequest{}, func(int64, int64) {}); err != nil || audit.Release != id || len(audit.Drift) != 0 {
			t.Errorf("Audit = %+v, %v", audit, err)
		}
		m, err := s.Manifest(t.Context(), id)
		if err != nil || len(m.Entries) != 1 {
			t.Fatalf("Manifest = %+v, %v", m, err)
		}
		base := &Tree{ID: id, Manifest: m}
		if received := s.receive(one.DeliverFrom(base)); len(received.Edited) != 0 {
			t.Errorf("edited are %v", received.Edited)
		}
		s.roll(id, one)
		if err := s.Clean(t.Context(), 0, nil); err != nil {
			t.Fatal(err)
		}
		s.roll(one.ID, base)
		s.want("current/a", "one", 0o644)
	})

	t.Run("a context that ends ends the session", func(t *testing.T) {
		s := open(t, fresh)
		s.receive(one.DeliverFrom(nil))
		s.roll("", one)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		go func() {
			for {
				if _, err := os.Stat(filepath.Join(s.node.Folder, "began")); err == nil {
					cancel(why)
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		_, err := s.Run(ctx, "", rollcall.Command{Shell: "touch ../../began; sleep 2", Timeout: time.Minute}, nil)
		if !errors.Is(err, why) {
			t.Errorf("Run = %v", err)
		}
		if _, err := s.Hello(t.Context()); rollcall.KindOf(err) != rollcall.KindUnreachable {
			t.Errorf("after it: %v", err)
		}
	})

	t.Run("a node is closed twice", func(t *testing.T) {
		s := open(t, fresh)
		_ = s.Close()
		_ = s.Close()
		if _, err := s.Hello(t.Context()); rollcall.KindOf(err) != rollcall.KindUnreachable {
			t.Errorf("Hello = %v", err)
		}
	})

	t.Run("many sessions at once", func(t *testing.T) {
		transport, node := fresh(t)
		f := fleet.New(transport)
		defer f.Close()
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				s, err := f.Open(t.Context(), node)
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				s.Claim(rollcall.Token{Record: "r1", Sequence: 5})
				if _, err := s.Receive(t.Context(), one.DeliverFrom(nil), func(string, int64) {}); err != nil {
					t.Error(err)
				}
				if _, err := s.Switch(t.Context(), "", one.ID, nil); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		text, err := os.ReadFile(filepath.Join(node.Folder, "current", "a"))
		if err != nil || string(text) != "one" {
			t.Errorf("current/a is %q, %v", text, err)
		}
		if left, err := os.ReadDir(filepath.Join(node.Folder, ".rollcall", "incoming")); err != nil || len(left) != 0 {
			t.Errorf("left on the way: %v, %v", left, err)
		}
	})
}

// opened is a session with what the suite asks of it.
type opened struct {
	rollcall.Session
	t    *testing.T
	node rollcall.Node
}

func open(t *testing.T, fresh func(t *testing.T) (rollcall.Transport, rollcall.Node)) *opened {
	t.Helper()
	transport, node := fresh(t)
	f := fleet.New(transport)
	t.Cleanup(func() { f.Close() })
	s, err := f.Open(t.Context(), node)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.Claim(rollcall.Token{Record: "r1", Sequence: 5})
	return &opened{s, t, node}
}

func (s *opened) hello() rollcall.NodeState {
	s.t.Helper()
	state, err := s.Hello(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return state
}

func (s *opened) receive(d rollcall.Delivery) rollcall.Received {
	s.t.Helper()
	received, err := s.Receive(s.t.Context(), d, func(string, int64) {})
	if err != nil {
		s.t.Fatal(err)
	}
	return received
}

func (s *opened) roll(from rollcall.ReleaseID, to *Tree) {
	s.t.Helper()
	if _, err := s.Switch(s.t.Context(), from, to.ID, nil); err != nil {
		s.t.Fatal(err)
	}
	if state := s.hello(); state.Current != to.ID {
		s.t.Fatalf("switched to %s, the node has %s", to.ID.Short(), state.Current.Short())
	}
}

func (s *opened) want(name, content string, mode os.FileMode) {
	s.t.Helper()
	name = filepath.Join(s.node.Folder, name)
	text, err := os.ReadFile(name)
	if err != nil || string(text) != content {
		s.t.Errorf("%s is %q, %v", name, text, err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
		s.t.Errorf("%s has the mode %v, %v", name, info.Mode(), err)
	}
}

// effects are the verbs that change something.
func (s *opened) effects(live, other *Tree) map[string]func() error {
	ctx := s.t.Context()
	return map[string]func() error{
		"receive": func() error {
			_, err := s.Receive(ctx, other.DeliverFrom(live), func(string, int64) {})
			return err
		},
		"switch": func() error { _, err := s.Switch(ctx, live.ID, other.ID, nil); return err },
		"remove": func() error { _, err := s.Switch(ctx, live.ID, "", nil); return err },
		"run": func() error {
			_, err := s.Run(ctx, "", rollcall.Command{Args: []string{"touch", "ran"}, Timeout: time.Minute}, nil)
			return err
		},
		"clean": func() error { return s.Clean(ctx, 0, nil) },
	}
}
