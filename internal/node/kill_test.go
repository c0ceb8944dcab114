package node_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/fleet"
	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
	"github.com/rollcall-dev/rollcall/internal/node"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// The test's own binary is a node where this is set: one that can be killed.
const asNode = "ROLLCALL_TEST_NODE_STATE"

func TestMain(m *testing.M) {
	if state, ok := os.LookupEnv(asNode); ok {
		syscall.Umask(0o022)
		if err := (&node.Server{Version: "test", State: state}).Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// mortal is a transport to a process of its own.
type mortal struct{ state string }

func (m *mortal) Close() error { return nil }

func (m *mortal) Connect(_ context.Context, _ rollcall.Node) (rollcall.Conn, error) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), asNode+"="+m.state)
	in, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	r := bufio.NewReader(out)
	_, err = wire.SkipGreeting(r)
	return &process{Reader: r, WriteCloser: in, cmd: c}, err
}

type process struct {
	io.Reader
	io.WriteCloser
	cmd  *exec.Cmd
	once sync.Once
}

func (p *process) Stderr() string { return "" }

// Close kills it, which is all that this transport is for.
func (p *process) Close() error {
	p.once.Do(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		_ = p.WriteCloser.Close()
	})
	return nil
}

// kill does something on a node that is killed after a while, and gives that while such
// lengths that it is killed at the begin, at the end and in between.
func (h *host) kill(do func(ctx context.Context, s rollcall.Session) error) (killed int) {
	h.t.Helper()
	f := fleet.New(&mortal{state: h.state})
	step := 200 * time.Microsecond
	for after := time.Duration(0); after < time.Minute; after += step {
		step += step / 10 // it is long where the machine is slow
		s, err := f.Open(h.t.Context(), rollcall.Node{Name: "n", Address: "localhost", Folder: h.dir, Layout: h.layout})
		must(h.t, err)
		s.Claim(rollcall.Token{Record: "r1", Sequence: 5})
		ctx, cancel := context.WithTimeout(h.t.Context(), after)
		err = do(ctx, s)
		over := ctx.Err() != nil
		cancel()
		_ = s.Close() // waits for its end
		if err == nil {
			return killed
		}
		if !over {
			h.t.Fatal(err)
		}
		killed++
	}
	h.t.Fatal("it never ends")
	return 0
}

// inQuickDir moves a host to a folder in memory where there is one: what syncs hundreds
// of times need not wait for everybody else's files.
func inQuickDir(t *testing.T, h *host) *host {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "rollcall-")
	if err != nil {
		return h
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h.dir, h.state = filepath.Join(dir, "srv"), filepath.Join(dir, "state")
	if h.layout != "" {
		must(t, os.Mkdir(h.dir, 0o755))
	}
	h.Session = h.open(5)
	return h
}

func manyFiles(content string) *fleettest.Tree {
	files := map[string]string{}
	for i := range 150 {
		files[fmt.Sprintf("d%d/f%d", i%7, i)] = strings.Repeat(content, 500+i)
	}
	return fleettest.NewTree(files)
}

func TestARepairThatIsKilledLeavesALiveRelease(t *testing.T) {
	h := inQuickDir(t, newHost(t))
	one := manyFiles("1")
	h.bring(nil, one, nil)
	edit := func() {
		for _, name := range []string{"d0/f0", "d1/f1", "d2/f2"} {
			must(t, os.WriteFile(h.path("current/"+name), []byte("hand"), 0o644))
		}
	}
	edit()
	killed := h.kill(func(ctx context.Context, s rollcall.Session) error {
		d := one.DeliverFrom(one)
		d.Distrust = []string{"d0/f0", "d1/f1", "d2/f2"}
		_, err := s.Receive(ctx, d, func(string, int64) {})
		h.want("current/d3/f3", strings.Repeat("1", 503)) // at any instant
		if err != nil {
			edit()
		}
		return err
	})
	t.Logf("killed %d times", killed)
	h.drift(rollcall.AuditRequest{})
	must(t, h.Clean(t.Context(), 1, nil))
	h.Close()
	for _, place := range []string{"incoming", "trash"} {
		if left, err := os.ReadDir(h.path(".rollcall/" + place)); err != nil || len(left) != 0 {
			t.Errorf("left in %s: %v, %v", place, left, err)
		}
	}
}

func TestASwitchInPlaceThatIsKilledGoesOn(t *testing.T) {
	h := inQuickDir(t, newHostInPlace(t))
	one, two := manyFiles("1"), manyFiles("2")
	must(t, os.WriteFile(h.path("theirs"), []byte("t"), 0o600))
	h.bring(nil, one, nil)
	_, err := h.Receive(t.Context(), two.DeliverFrom(one), func(string, int64) {})
	must(t, err)
	n := 0
	killed := h.kill(func(ctx context.Context, s rollcall.Session) error {
		_, err := s.Switch(ctx, one.ID, two.ID, nil)
		if n++; err != nil && n%2 == 0 { // every other time it is undone, and begins anew
			if _, err := h.Switch(t.Context(), two.ID, one.ID, nil); err != nil {
				t.Error(err)
			}
			h.drift(rollcall.AuditRequest{})
		}
		return err
	})
	t.Logf("killed %d times", killed)
	h.drift(rollcall.AuditRequest{})
	if state, err := h.Hello(t.Context()); err != nil || state.Current != two.ID || state.Applying != nil {
		t.Errorf("%+v, %v", state, err)
	}
	h.want("theirs", "t")
	if entries, err := os.ReadDir(h.dir); err != nil || len(entries) != 8 {
		t.Errorf("in the folder are %v, %v", entries, err)
	}
}

func TestATakeOverThatIsKilledLeavesTheOldFolder(t *testing.T) {
	for _, layout := range []string{"releases/old/", ""} {
		h := inQuickDir(t, newHost(t))
		for i := range 150 {
			h.write(fmt.Sprintf("%sd%d/f%d", layout, i%7, i), strings.Repeat("1", 500+i), 0o644)
		}
		if layout != "" {
			must(t, os.Symlink("releases/old", h.path("current")))
		}
		var id rollcall.ReleaseID
		killed := h.kill(func(ctx context.Context, s rollcall.Session) (err error) {
			id, err = s.TakeOver(ctx)
			if text, err := os.ReadFile(h.path(layout + "d3/f3")); err != nil || !bytes.Equal(text, bytes.Repeat([]byte("1"), 503)) {
				t.Errorf("the old file is %q, %v", text, err)
			}
			if layout != "" {
				h.want("current/d3/f3", strings.Repeat("1", 503))
			}
			return err
		})
		t.Logf("killed %d times", killed)
		state, err := h.Hello(t.Context())
		if err != nil || id == "" || state.Current != id || state.Foreign != "" || len(state.Releases) != 1 {
			t.Errorf("%s: %+v, %v", id, state, err)
		}
		h.drift(rollcall.AuditRequest{})
		must(t, h.Clean(t.Context(), 0, nil))
		h.Close()
		if left, err := os.ReadDir(filepath.Join(h.dir, ".rollcall", "incoming")); err != nil || len(left) != 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
}
