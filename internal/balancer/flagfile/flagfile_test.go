package flagfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/balancer/balancertest"
	"github.com/rollcall-dev/rollcall/internal/balancer/flagfile"
	"github.com/rollcall-dev/rollcall/internal/fleet"
	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
)

// point is a node in this process with its flag file in a folder of the test.
func point(t *testing.T, name, dir string) rollcall.DrainPoint {
	t.Helper()
	session, err := fleet.New(&fleettest.Local{}).Open(t.Context(), rollcall.Node{Name: name, Folder: filepath.Join(dir, "srv")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return rollcall.DrainPoint{Node: name, Session: session, Drain: rollcall.Drain{Flag: filepath.Join(dir, "-drained file")}}
}

func TestSuite(t *testing.T) {
	balancertest.Run(t, func(t *testing.T) balancertest.Fixture {
		f := balancertest.Fixture{Balancer: flagfile.New()}
		for n := range 3 {
			f.Points = append(f.Points, point(t, fmt.Sprintf("app%d", n), t.TempDir()))
		}
		ended := point(t, "ended", t.TempDir())
		ended.Session.Close()
		f.Cut = []rollcall.DrainPoint{{Node: "cut", Drain: rollcall.Drain{Flag: "/srv/drained"}}, ended}
		return f
	})
}

func TestFileItself(t *testing.T) {
	b, p := flagfile.New(), point(t, "app", t.TempDir())
	if err := b.Drain(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.Drain.Flag); err != nil {
		t.Error(err)
	}
	// Somebody else's is as good as Rollcall's.
	if err := os.WriteFile(p.Drain.Flag, []byte("by hand"), 0o644); err != nil {
		t.Fatal(err)
	}
	if states, err := b.Look(t.Context(), []rollcall.DrainPoint{p}); err != nil || states[0] != (rollcall.ServiceState{Out: true, Up: true, Sessions: -1}) {
		t.Errorf("Look = %+v, %v", states, err)
	}
	if err := b.Restore(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.Drain.Flag); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestFolderMissing(t *testing.T) {
	dir := t.TempDir()
	p := point(t, "app", dir)
	p.Drain.Flag = filepath.Join(dir, "missing", "drained")
	err := flagfile.New().Drain(t.Context(), p)
	if rollcall.KindOf(err) != rollcall.KindBroken || !strings.Contains(rollcall.HintOf(err), filepath.Join(dir, "missing")) || !strings.HasPrefix(err.Error(), "app: ") {
		t.Errorf("Drain: %v (hint: %s)", err, rollcall.HintOf(err))
	}
	// Something that is no file is in the way of a restore, and is not taken away.
	p.Drain.Flag = dir
	if err := flagfile.New().Restore(t.Context(), p); rollcall.KindOf(err) != rollcall.KindBroken {
		t.Errorf("Restore: %v", err)
	}
}

func TestStrangePaths(t *testing.T) {
	p := point(t, "app", t.TempDir())
	for _, flag := range []string{"", "drained", "/", "-rf", "/srv/../etc/passwd", "/srv/x\ny", "/srv//x"} {
		p.Drain.Flag = flag
		for _, err := range []error{flagfile.New().Drain(t.Context(), p), flagfile.New().Restore(t.Context(), p)} {
			if rollcall.KindOf(err) != rollcall.KindInvalid || rollcall.HintOf(err) == "" {
				t.Errorf("%q: %v", flag, err)
			}
		}
	}
}
