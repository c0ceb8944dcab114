package torture

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/test/fleet"
)

// beatLimit is after how long a lease without a heartbeat is free: see docs/states.md.
const beatLimit = 20 * time.Second

// A controller is stopped right before an effect, another one takes its roll over and
// finishes it, and the first is continued: it must find out, end with 4 and change nothing.
func TestStoppedAndContinued(t *testing.T) {
	t.Parallel()
	positions := []fleet.Position{
		{Event: rollcall.EventNodePrefix + "switching app1", Nth: 1, Phase: fleet.Behind},
		{Event: rollcall.EventNodePrefix + "switching cdn1", Nth: 1, Phase: fleet.Behind},
		{Event: rollcall.EventNodePrefix + "switched app2", Nth: 1, Phase: fleet.Behind},
		{Event: rollcall.EventHookStarted + " before/0", Nth: 1, Phase: fleet.Behind},
		{Event: rollcall.EventClaimed + " app1", Nth: 1, Phase: fleet.Behind},
		{Event: rollcall.EventRollStarted, Nth: 1, Phase: fleet.Behind},
	}
	if !*all {
		positions = positions[:1]
	}
	for _, p := range positions {
		for _, verb := range []string{"resume", "abort"} {
			if verb == "abort" && !*all {
				continue
			}
			t.Run(verb+"/"+p.String(), func(t *testing.T) {
				t.Parallel()
				stopped(t, p, verb)
			})
		}
	}
}

func stopped(t *testing.T, p fleet.Position, verb string) {
	w := fleet.New(t, fleet.Options{CDN: 1, App: 3, Site: killSite})
	before := w.Repo.Commit(fine)
	w.Must(0, "roll", fleet.Environment, "--yes")
	next := w.Repo.Commit(fine)
	old := w.Freeze(p, "roll", fleet.Environment, "--yes")
	if r := w.Run("resume", fleet.Environment, "--yes"); r.Exit != 4 {
		t.Fatalf("a resume while the lease is fresh ended with %d, want 4\n%s", r.Exit, r.Err)
	}
	began := time.Now()
	w.Eventually("the lease to be old", func() bool { return time.Since(began) > beatLimit+2*time.Second })
	w.Must(0, verb, fleet.Environment, "--yes")
	digest, inodes := w.Digest(before, next), inodesOf(t, w)
	old.Thaw()
	ended := old.Wait()
	if ended.Exit != 4 {
		t.Errorf("the first controller ended with %d, want 4\n%s%s", ended.Exit, ended.Out, ended.Err)
	}
	if now := inodesOf(t, w); now != inodes {
		t.Errorf("the nodes were changed behind the second controller's back\nbefore:\n%s\nnow:\n%s", inodes, now)
	}
	if differs := w.Digest(before, next).Against(digest); differs != "" {
		t.Errorf("it is not as the second controller left it\n%s", differs)
	}
	t.Logf("COUNT: stopped %s, %s by another after %.0f s, continued: it ended with %d: %s", p, verb, time.Since(began).Seconds(), ended.Exit,
		lastWord(ended.Err))
}

// inodesOf lists everything that lies on the nodes by inode and time, but for what says
// nothing: locks, and the receipts of connections.
func inodesOf(t *testing.T, w *fleet.World) string {
	var b strings.Builder
	for _, n := range w.Nodes {
		for _, place := range []string{"current", "releases", "shared"} {
			err := filepath.WalkDir(n.Srv(place), func(path string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := d.Info()
				if err != nil {
					return err
				}
				fmt.Fprintf(&b, "%s %d %s %s\n", path, info.Sys().(*syscall.Stat_t).Ino, info.Mode(), info.ModTime())
				return nil
			})
			if err != nil && !strings.HasSuffix(err.Error(), "no such file or directory") {
				t.Error(err)
			}
		}
	}
	return b.String()
}
