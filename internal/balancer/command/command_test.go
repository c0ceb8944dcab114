package command_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/balancer/balancertest"
	"github.com/rollcall-dev/rollcall/internal/balancer/command"
	"github.com/rollcall-dev/rollcall/internal/fleet"
	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
)

// toy is a balancer with a command line: a folder with a file for each node that is out.
const toy = `#!/bin/sh
cd "${1%/*}" || exit 3
case $2 in
out) : >"out.$ROLLCALL_NODE" ;;
in) rm -f "out.$ROLLCALL_NODE" ;;
state) if test -e "out.$ROLLCALL_NODE"; then exit 1; fi ;;
esac
`

func newToy(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	// Run by sh: a script just written and run at once may be "text file busy" when
	// another test forks in between.
	if err := os.WriteFile(filepath.Join(dir, "bin", "toy"), []byte(toy), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func point(dir, name string) rollcall.DrainPoint {
	toy := func(verb string) *rollcall.Command {
		return &rollcall.Command{Args: []string{"sh", filepath.Join(dir, "bin", "toy"), filepath.Join(dir, "x"), verb}}
	}
	return rollcall.DrainPoint{Node: name, Drain: rollcall.Drain{Out: toy("out"), In: toy("in"), State: toy("state")}}
}

func onNode(t *testing.T, p rollcall.DrainPoint) rollcall.DrainPoint {
	t.Helper()
	session, err := fleet.New(&fleettest.Local{}).Open(t.Context(), rollcall.Node{Name: p.Node, Folder: filepath.Join(t.TempDir(), "srv")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	p.Session, p.Drain.OnNode = session, true
	return p
}

func TestSuiteHere(t *testing.T) {
	balancertest.Run(t, func(t *testing.T) balancertest.Fixture {
		dir := newToy(t)
		f := balancertest.Fixture{Balancer: command.New(dir)}
		for n := range 3 {
			f.Points = append(f.Points, point(dir, fmt.Sprintf("app%d", n)))
		}
		return f
	})
}

func TestSuiteOnNode(t *testing.T) {
	balancertest.Run(t, func(t *testing.T) balancertest.Fixture {
		dir := newToy(t)
		f := balancertest.Fixture{Balancer: command.New("/nowhere")}
		for n := range 3 {
			f.Points = append(f.Points, onNode(t, point(dir, fmt.Sprintf("app%d", n))))
		}
		cut, ended := point(dir, "cut"), onNode(t, point(dir, "ended"))
		cut.Drain.OnNode = true
		ended.Session.Close()
		f.Cut = []rollcall.DrainPoint{cut, ended}
		return f
	})
}

func TestNoCommand(t *testing.T) {
	b, p := command.New(t.TempDir()), rollcall.DrainPoint{Node: "app", Drain: rollcall.Drain{In: &rollcall.Command{Args: []string{""}}}}
	for _, err := range []error{b.Drain(t.Context(), p), b.Restore(t.Context(), p)} {
		if rollcall.KindOf(err) != rollcall.KindInvalid || rollcall.HintOf(err) == "" {
			t.Errorf("%v", err)
		}
	}
}

func TestWithoutState(t *testing.T) {
	dir := newToy(t)
	b, p := command.New(dir), point(dir, "app")
	p.Drain.State = nil
	if err := b.Drain(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	states, err := b.Look(t.Context(), []rollcall.DrainPoint{p})
	if err != nil || states[0] != (rollcall.ServiceState{Up: true, Sessions: -1}) {
		t.Errorf("Look = %+v, %v", states, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "out.app")); err != nil {
		t.Error(err)
	}
}

func sh(text string) *rollcall.Command { return &rollcall.Command{Shell: text} }

func TestEnvironmentAndFolder(t *testing.T) {
	t.Setenv("ROLLCALL_TEST_SECRET", "hunter2")
	dir := t.TempDir()
	p := rollcall.DrainPoint{Node: "app01", Drain: rollcall.Drain{Out: sh(`pwd >seen; env | sort >>seen`)}}
	if err := command.New(dir).Drain(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "seen"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{dir + "\n", "\nROLLCALL_NODE=app01\n", "\nLC_ALL=C.UTF-8\n", "\nPATH=", "\nHOME="} {
		if !strings.Contains(string(b), want) {
			t.Errorf("it saw no %q:\n%s", want, b)
		}
	}
	for line := range strings.Lines(string(b)) {
		name, _, ok := strings.Cut(line, "=")
		if ok && !strings.Contains(" PATH HOME USER LOGNAME SHELL TMPDIR XDG_RUNTIME_DIR LC_ALL ROLLCALL_NODE PWD OLDPWD SHLVL _ ", " "+name+" ") {
			t.Errorf("it saw %s", line)
		}
	}
}

// A path with a slash is read from the site's folder, on any working directory.
func TestCommandOfTheSite(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/bin/true", filepath.Join(dir, "freeze")); err != nil {
		t.Fatal(err)
	}
	p := rollcall.DrainPoint{Node: "app", Drain: rollcall.Drain{Out: &rollcall.Command{Args: []string{"./freeze"}}, In: &rollcall.Command{Args: []string{"./thaw"}}}}
	if err := command.New(dir).Drain(t.Context(), p); err != nil {
		t.Error(err)
	}
	if err := command.New(dir).Restore(t.Context(), p); rollcall.KindOf(err) != rollcall.KindFailed || rollcall.HintOf(err) == "" {
		t.Errorf("Restore by a command that is not there: %v", err)
	}
}

func TestFailures(t *testing.T) {
	for _, place := range []string{"here", "on the node"} {
		t.Run(place, func(t *testing.T) {
			b := command.New(t.TempDir())
			p := rollcall.DrainPoint{Node: "app"}
			if place == "on the node" {
				p = onNode(t, p)
			}
			p.Drain.Out = sh("echo no such pool >&2; exit 4")
			err := b.Drain(t.Context(), p)
			if rollcall.KindOf(err) != rollcall.KindFailed || !strings.Contains(rollcall.HintOf(err), "no such pool") || !strings.HasPrefix(err.Error(), "app: ") {
				t.Errorf("Drain: %v (hint: %s)", err, rollcall.HintOf(err))
			}
			// A state command that is broken says nothing of the node.
			p.Drain.State = sh("no-such-command-anywhere")
			if states, err := b.Look(t.Context(), []rollcall.DrainPoint{p}); rollcall.KindOf(err) != rollcall.KindFailed {
				t.Errorf("Look = %+v, %v", states, err)
			}
			p.Drain.State = sh("exit 22")
			if states, err := b.Look(t.Context(), []rollcall.DrainPoint{p}); err != nil || !states[0].Out {
				t.Errorf("Look = %+v, %v", states, err)
			}
			p.Drain.Out = &rollcall.Command{Shell: "echo begun; exec sleep 1000", Timeout: 100 * time.Millisecond}
			err = b.Drain(t.Context(), p)
			if rollcall.KindOf(err) != rollcall.KindFailed || !strings.Contains(rollcall.HintOf(err), "begun") {
				t.Errorf("a command that hangs: %v (hint: %s)", err, rollcall.HintOf(err))
			}
		})
	}
}

// What a command started ends with it: nothing must act on the balancer later.
func TestGroupEndsWithTheTime(t *testing.T) {
	dir := t.TempDir()
	hangs := rollcall.DrainPoint{Node: "app", Drain: rollcall.Drain{
		Out: &rollcall.Command{Shell: "sleep 1000 & echo $! >pid; wait", Timeout: time.Hour},
	}}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	done := make(chan error, 1)
	go func() { done <- command.New(dir).Drain(ctx, hangs) }()
	pid := 0
	eventually(t, "the command to begin", func() bool {
		b, _ := os.ReadFile(filepath.Join(dir, "pid"))
		pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		return pid > 0
	})
	cancel(cause)
	if err := <-done; !errors.Is(err, cause) {
		t.Errorf("Drain: %v", err)
	}
	eventually(t, "what it started to end", func() bool { return !running(pid) })
}

// running tells whether a process is there and is not merely waiting for its parent to
// ask after it.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func TestOutputIsCut(t *testing.T) {
	p := rollcall.DrainPoint{Node: "app", Drain: rollcall.Drain{Out: sh("yes | head -c 1000000; echo the end; exit 1")}}
	err := command.New(t.TempDir()).Drain(t.Context(), p)
	if hint := rollcall.HintOf(err); len(hint) > 1000 || !strings.HasSuffix(hint, "the end") {
		t.Errorf("hint: %s", hint)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		case <-tick.C:
		}
	}
}
