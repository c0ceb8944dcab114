package torture

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall/test/fleet"
)

const brokenSite = "keep: 2\non_failure: rollback\ntiers:\n  app: {batch: 1}\n"

// small is a tree of few files, so that few calls make a release of it.
func small(number int) map[string]string {
	return map[string]string{
		"health": "ok\n", "RELEASE": fmt.Sprintf("%d\n", number), "same": "the same\n", "bin/tool*": "#!/bin/sh\n", "link": "-> same",
		fmt.Sprintf("new/%d", number): "a new file\n", "index.html": fmt.Sprintf("release %d\n", number),
	}
}

// needsAll is for what only the long form does.
func needsAll(t *testing.T) {
	t.Helper()
	if !*all {
		t.Skip("only with -torture.all")
	}
}

// sound finds each node at a whole release of a round, whatever became of the roll.
func sound(t *testing.T, w *fleet.World, old, next *fleet.Commit, r fleet.Result) {
	t.Helper()
	for line := range strings.Lines(string(w.Digest(old, next))) {
		if !strings.HasPrefix(line, "on ") {
			continue
		}
		_, fact, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch fact {
		case "current OLD", "current NEW", "lies OLD", "lies NEW":
		default:
			t.Errorf("after a roll that ended with %d: %s%s", r.Exit, line, r.Err)
		}
	}
}

// endings are how rolls ended: how often, by exit code, and what one of them said.
type endings map[int][]string

func (e endings) add(r fleet.Result) { e[r.Exit] = append(e[r.Exit], lastWord(r.Err)) }

func (e endings) String() string {
	var all []string
	for _, exit := range slices.Sorted(maps.Keys(e)) {
		all = append(all, fmt.Sprintf("%d: %d times (%.200q)", exit, len(e[exit]), e[exit][len(e[exit])-1]))
	}
	return strings.Join(all, ", ")
}

// mends takes up whatever is open, or rolls again: then all must be as if nothing had been.
func mends(t *testing.T, w *fleet.World, old, next *fleet.Commit) {
	t.Helper()
	if w.State().Open() != nil {
		w.Run("resume", fleet.Environment, "--yes") // however it ends
	}
	r := w.Run("roll", fleet.Environment, "--yes", "--accept-risk=interrupted,rolled-back")
	if r.Exit != 0 {
		t.Fatalf("a roll after the fault was gone ended with %d\n%s", r.Exit, r.Err)
	}
	for line := range strings.Lines(string(w.Digest(old, next))) {
		if strings.HasPrefix(line, "on ") && !strings.Contains(line, ": current NEW") && !strings.Contains(line, ": lies ") ||
			strings.HasPrefix(line, "status: ") && line != "status: release NEW, rolling false, interrupted false, hold none, lease false, behind []\n" {
			t.Errorf("after a roll once the fault was gone: %s", line)
		}
	}
}

// The node's process is killed at every call that changes its disk, and every one of
// them fails for want of space.
func TestNodeBreaksAtEveryCall(t *testing.T) {
	needsAll(t)
	for _, what := range []string{"signal=KILL", "error=ENOSPC", "error=EROFS", "error=EIO"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := fleet.New(t, fleet.Options{App: 2, Site: brokenSite})
			old := w.Repo.Commit(small)
			w.Must(0, "roll", fleet.Environment, "--yes")
			rounds, ends := 0, endings{}
			for _, call := range []string{"write", "openat", "mkdirat", "linkat", "symlinkat", "renameat", "unlinkat", "utimensat", "fsync", "syncfs"} {
				misses := 0
				for nth := 1; misses < 2; nth++ { // threads count apart: one may be passed over
					if what != "signal=KILL" && call == "openat" && nth > 60 {
						break
					}
					next := w.Repo.Commit(small)
					end := w.Inject(w.Node("app1"), call, what, nth)
					r := w.Run("roll", fleet.Environment, "--yes", "--accept-risk=interrupted,rolled-back")
					if end() == 0 {
						misses++
					} else {
						rounds++
						ends.add(r)
					}
					sound(t, w, old, next, r)
					mends(t, w, old, next)
					if t.Failed() {
						t.Fatalf("it was %s at call %d of %s", what, nth, call)
					}
					old = next
				}
			}
			t.Logf("COUNT: %s at %d calls of a node; the rolls ended with %v, and one more brought all to where it should be", what, rounds, ends)
		})
	}
}

// The node's connection ends, and its sshd with all that it has started, after so many bytes.
func TestNodeLostAtEveryByte(t *testing.T) {
	needsAll(t)
	t.Parallel()
	w := fleet.New(t, fleet.Options{App: 2, Site: brokenSite})
	old := w.Repo.Commit(small)
	w.Must(0, "roll", fleet.Environment, "--yes")
	ends, lost := endings{}, 0
	for after := int64(0); ; after += 150 {
		next := w.Repo.Commit(small)
		node, hit := w.Node("app1"), make(chan struct{}, 1)
		node.SSHD.FaultAfter(after, func() {
			hit <- struct{}{}
			go node.SSHD.KillSessions()
		})
		r := w.Run("roll", fleet.Environment, "--yes", "--accept-risk=interrupted,rolled-back")
		node.SSHD.FaultAfter(1<<40, func() {})
		reached := len(hit) > 0
		if reached {
			lost++
			ends.add(r)
		}
		sound(t, w, old, next, r)
		mends(t, w, old, next)
		if t.Failed() {
			t.Fatalf("it was lost after %d bytes", after)
		}
		old = next
		if !reached {
			break
		}
	}
	t.Logf("COUNT: a node lost after each 150 bytes that it got, %d times; the rolls ended with %v, and one more brought all to where it should be", lost, ends)
}

func mount(t *testing.T, dir, options string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("rollcall-test", dir, "tmpfs", flags, options); err != nil {
		t.Fatalf("mount a tmpfs (this test wants root with CAP_SYS_ADMIN): %v", err)
	}
}

// tmpfs gives a node a small disk of its own.
func tmpfs(t *testing.T, n *fleet.Node, options string) {
	t.Helper()
	if err := os.MkdirAll(n.Srv(), 0o755); err != nil {
		t.Fatal(err)
	}
	mount(t, n.Srv(), options, 0)
	t.Cleanup(func() { syscall.Unmount(n.Srv(), syscall.MNT_DETACH) })
}

// A disk without inodes is found before anything is switched; a folder that becomes
// read-only, or full, between prepare and switch is found too, and undone.
func TestNodeDisk(t *testing.T) {
	needsAll(t)
	for name, fault := range map[string]struct {
		spoil, mend func(t *testing.T, n *fleet.Node) string
	}{
		"no inodes": {
			func(t *testing.T, n *fleet.Node) string {
				mount(t, n.Srv(), "size=200m,nr_inodes=60", syscall.MS_REMOUNT)
				return ""
			},
			func(t *testing.T, n *fleet.Node) string {
				mount(t, n.Srv(), "size=200m,nr_inodes=10000", syscall.MS_REMOUNT)
				return ""
			},
		},
		"no space": {
			func(t *testing.T, n *fleet.Node) string { mount(t, n.Srv(), "size=1m", syscall.MS_REMOUNT); return "" },
			func(t *testing.T, n *fleet.Node) string {
				mount(t, n.Srv(), "size=200m", syscall.MS_REMOUNT)
				return ""
			},
		},
		"read-only in mid-roll": {
			func(_ *testing.T, n *fleet.Node) string { return "mount -o remount,ro " + n.Srv() },
			func(_ *testing.T, n *fleet.Node) string { return "mount -o remount,rw " + n.Srv() },
		},
		"full in mid-roll": {
			func(_ *testing.T, n *fleet.Node) string {
				return "head -c 1g /dev/zero >" + n.Srv("shared-filler") + " 2>/dev/null || true"
			},
			func(_ *testing.T, n *fleet.Node) string { return "rm -f " + n.Srv("shared-filler") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := fleet.New(t, fleet.Options{App: 2, Site: "keep: 2\nbefore:\n  - {on: controller, sh: 'if test -e ../fault; then sh ../fault; fi'}\ntiers:\n  app: {batch: 1}\n"})
			n := w.Node("app2")
			tmpfs(t, n, "size=200m,nr_inodes=10000")
			w.Repo.Commit(small)
			w.Must(0, "roll", fleet.Environment, "--yes")
			old := w.Repo.Commit(small)
			w.Must(0, "roll", fleet.Environment, "--yes")
			next := w.Repo.Commit(small)
			hook := w.Path("fault")
			if text := fault.spoil(t, n); text != "" {
				os.WriteFile(hook, []byte(text), 0o600)
			}
			r := w.Run("roll", fleet.Environment, "--yes")
			sound(t, w, old, next, r)
			if text := fault.mend(t, n); text != "" {
				os.WriteFile(hook, []byte(text), 0o600)
				if out, err := shell(text); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				os.Remove(hook)
			}
			mends(t, w, old, next)
			t.Logf("COUNT: %s: the roll ended with %d: %s", name, r.Exit, lastWord(r.Err))
		})
	}
}

// Names that nobody would give, and some do.
func TestOddNames(t *testing.T) {
	needsAll(t)
	t.Parallel()
	long := strings.Repeat(strings.Repeat("d", 199)+"/", 19) + strings.Repeat("f", 190)
	odd := func(number int) map[string]string {
		files := small(number)
		for _, name := range []string{"with spaces in it", "-rf", "--", "-/-", "quo'te", `quo"te`, `back\slash`, "dol$lar `and` $(more)", "grüße/日本語/😀", "a:b", "#hash", "%41", "*", "?[x]", "~", "e\u0301", ".hidden", "CON", strings.Repeat("n", 255), long} {
			files[name] = fmt.Sprintf("%d\n", number)
		}
		delete(files, "*") // the harness marks what is executable so
		return files
	}
	w := fleet.New(t, fleet.Options{CDN: 1, App: 1, Site: "keep: 2\ntiers:\n  cdn: {keep_old_files: {files: [\"*\"], for: 1h}}\n  app: {}\n"})
	var old *fleet.Commit
	for range 4 {
		next := w.Repo.Commit(odd)
		r := w.Run("roll", fleet.Environment, "--yes")
		if r.Exit != 0 {
			t.Fatalf("ended with %d\n%s", r.Exit, r.Err)
		}
		sound(t, w, old, next, r)
		old = next
	}
	w.Must(0, "rollback", fleet.Environment, "--yes")
	t.Logf("COUNT: 4 rolls and a rollback of odd names, one of %d characters", len(long))
}

func TestHundredRolls(t *testing.T) {
	needsAll(t)
	t.Parallel()
	w := fleet.New(t, fleet.Options{App: 2, Site: brokenSite})
	var first, last time.Duration
	var old *fleet.Commit
	for i := range 100 {
		next := w.Repo.Commit(fine)
		began := time.Now()
		r := w.Must(0, "roll", fleet.Environment, "--yes")
		switch took := time.Since(began); {
		case i == 0: // it has nothing to begin with
		case i <= 10:
			first += took / 10
		case i >= 90:
			last += took / 10
		}
		if i%10 == 9 {
			sound(t, w, old, next, r)
		}
		old = next
	}
	for _, n := range w.Nodes {
		if entries, _ := os.ReadDir(n.Srv("releases")); len(entries) > 3 {
			t.Errorf("%d releases lie on %s, and keep is 2", len(entries), n.Name)
		}
	}
	t.Logf("COUNT: 100 rolls in a row: the first ten took %.2f s each, the last ten %.2f s", first.Seconds(), last.Seconds())
}

func TestHundredThousandFiles(t *testing.T) {
	needsAll(t)
	many := func(number int) map[string]string {
		files := small(number)
		for i := range 100_000 {
			changed := 0
			if i%100 == 0 {
				changed = number
			}
			files[fmt.Sprintf("tree/%03d/%02d/file-%d", i%317, i%29, i)] = fmt.Sprintf("%d %d\n", i, changed)
		}
		return files
	}
	w := fleet.New(t, fleet.Options{App: 1, Site: brokenSite})
	var old *fleet.Commit
	var took []string
	for range 3 {
		next := w.Repo.Commit(many)
		began := time.Now()
		r := w.Must(0, "roll", fleet.Environment, "--yes")
		took = append(took, fmt.Sprintf("%.1f s", time.Since(began).Seconds()))
		sound(t, w, old, next, r)
		old = next
	}
	t.Logf("COUNT: 3 rolls of 100,000 files to a node: %v", took)
}
