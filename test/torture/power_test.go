package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/test/fleet"
)

// nodeSite is one node a batch, each with everything that is done on a node. The first
// probe can be held, the second fails for a commit that a file names.
const nodeSite = `keep: 3
limits: {unreachable: 1, failed: 0}
tiers:
  app:
    batch: 1
    drain: {flag: "/{dir}/drained"}
    activate: {sh: 'mkdir -p ../../shared && echo "$ROLLCALL_RELEASE" >../../shared/activated'}
    verify:
      - run: {sh: 'while [ -e ../../../hold ]; do touch ../../../held; sleep 0.02; done'}
      - run: {sh: '[ "$(cat RELEASE)" != "$(cat ../../../sick 2>/dev/null)" ]'}
      - http: http://{address}/index.html
`

// noticed is after how long a node that says nothing is given up: docs/nodes.md. What
// this machine needs for the rest comes on top.
const (
	noticed = 20 * time.Second
	told    = time.Second      // its connection ends
	started = 30 * time.Second // a rollcall-node that does not say that it runs
	slack   = 20 * time.Second
)

// loss is a way in which a node is lost.
type loss struct {
	name string
	lose func(h *fleet.Host)
	mend func(h *fleet.Host)
	// within: after how long the controller knows, where it is not noticed.
	within time.Duration
	not    []step // at which it is something else
}

var losses = []loss{
	{name: "power", lose: (*fleet.Host).PowerCut, mend: (*fleet.Host).Boot},
	{name: "cut", lose: (*fleet.Host).Cut, mend: (*fleet.Host).Heal},
	{name: "frozen", lose: (*fleet.Host).Freeze, mend: (*fleet.Host).Thaw},
	{name: "refused", lose: (*fleet.Host).Refuse, mend: (*fleet.Host).Heal},
	{name: "sshd", lose: (*fleet.Host).KillSSHD, mend: (*fleet.Host).StartSSHD, within: told},
	{name: "node", lose: func(h *fleet.Host) { h.SSHD.KillNode() }, mend: func(*fleet.Host) {}, within: told, not: []step{"connecting"}},
	// sshd goes on, as when the disk hangs: a command may take a minute, and the answer 90 s
	// more. While it receives: TestDiskThatHangs.
	{name: "hung", lose: (*fleet.Host).FreezeNode, mend: (*fleet.Host).Thaw, within: 150 * time.Second, not: []step{"connecting", "receiving"}},
}

// step is a moment of a node's work at which it is lost. All but three are events of the
// record, at which the controller is held until it is lost.
type step string

var steps = []step{"connecting", "receiving", "prepared", "draining", "switching", "switched", "verifying", "restoring", "reverting"}

// A node is lost in every way at every step of its work. The roll ends in time, as
// docs/states.md says; the others have the release; nothing on the lost one is half; and
// once it is back, catch-up brings it there too.
func TestNodeLostAtEveryStep(t *testing.T) {
	t.Parallel()
	short := []string{"power at switching", "cut at verifying", "frozen at receiving", "sshd at connecting", "node at receiving"}
	for _, l := range losses {
		for _, s := range steps {
			name := l.name + " at " + string(s)
			if slices.Contains(l.not, s) {
				continue
			}
			if !*all && !slices.Contains(short, name) {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				l.at(t, s)
			})
		}
	}
}

func (l loss) at(t *testing.T, s step) {
	n := fleet.NewNetwork(t, fleet.NetworkOptions{Nodes: 3, Site: nodeSite})
	old := n.Repo.Commit(fine)
	n.Must(0, "roll", fleet.Environment, "--yes")
	tree := fine
	if s == "receiving" {
		tree = withBulk
	}
	next := n.Repo.Commit(tree)
	victim, exit := n.Host("app2"), 5
	if s == "reverting" {
		// The last node finds that it does not work there.
		exit = 6
		write(t, filepath.Join(n.Host("app3").Dir, "sick"), fmt.Sprint(next.Number))
	}

	var lost time.Time
	lose := func() { l.lose(victim); lost = time.Now() }
	var ended fleet.Result
	switch s {
	case "connecting": // it has let the controller in, and goes no further
		hold, held := victim.HoldLogin()
		ended = n.During(func() bool { return exists(held) }, func() {
			lose()
			os.Remove(hold)
		}, "roll", fleet.Environment, "--yes")
	case "receiving":
		ended = n.During(func() bool { return receives(victim) }, func() {
			victim.Freeze() // or it might be through before it is lost
			if !receives(victim) {
				t.Fatal("it has received everything already")
			}
			lose()
			if l.name != "power" && l.name != "frozen" {
				victim.Thaw()
			}
		}, "roll", fleet.Environment, "--yes")
	case "verifying":
		hold, held := filepath.Join(victim.Dir, "hold"), filepath.Join(victim.Dir, "held")
		write(t, hold, "")
		ended = n.During(func() bool { return exists(held) }, func() {
			lose()
			os.Remove(hold)
		}, "roll", fleet.Environment, "--yes")
	default:
		p := fleet.Position{Event: rollcall.EventNodePrefix + string(s) + " " + victim.Name, Nth: 1, Phase: fleet.Behind}
		frozen := n.Freeze(p, "roll", fleet.Environment, "--yes")
		lose()
		frozen.Thaw()
		ended = frozen.Wait().Result
	}
	took := time.Since(lost)
	if ended.Exit != exit {
		t.Errorf("the roll ended with %d, want %d\n%s%s", ended.Exit, exit, ended.Out, ended.Err)
	}
	limit := noticed
	switch s {
	case "connecting":
		limit = started
	case "reverting":
		limit += 15 * time.Second // it is called once more
	}
	if l.within > 0 {
		limit = l.within
	}
	limit += slack
	if took > limit {
		t.Errorf("the roll went on for %.0f s after the node was lost, want at most %v", took.Seconds(), limit)
	}

	want := "NEW, activated NEW"
	if s == "reverting" {
		want = "OLD, activated OLD"
	}
	stand := func(hosts ...*fleet.Host) {
		t.Helper()
		for _, h := range hosts {
			if is := n.Stands(h, old, next); is != want {
				t.Errorf("%s stands at %s, want %s", h.Name, is, want)
			}
			if odd := n.Odd(h, old, next); len(odd) > 0 {
				t.Errorf("%v", odd)
			}
		}
	}
	stand(n.Host("app1"), n.Host("app3"))
	if odd := n.Odd(victim, old, next); len(odd) > 0 {
		t.Errorf("what is on the lost node's disk: %v", odd)
	}
	l.mend(victim)
	if odd := n.Odd(victim, old, next); len(odd) > 0 {
		t.Errorf("what is on the node that came back: %v", odd)
	}
	n.Must(0, "catch-up", fleet.Environment, "--yes")
	stand(n.Hosts...)
	if exists(filepath.Join(victim.Dir, "drained")) {
		t.Error("it was caught up and left out of service")
	}
	if l.name == "cut" {
		// Nobody has told the sshd there that the connection is gone. rollcall-node gives up
		// after ten minutes; until then it waits for the rest of a release and keeps what there
		// is of it. Nobody waits for that here.
		victim.SSHD.KillNode()
	}
	n.Repo.Commit(fine)
	n.Must(0, "roll", fleet.Environment, "--yes", "--accept-risk=rolled-back")
	if left := n.Leftovers(); len(left) > 0 {
		t.Errorf("after a further roll there is still %v", left)
	}
	t.Logf("COUNT: %s at %s: the roll ended with %d, %.1f s later; caught up", l.name, s, ended.Exit, took.Seconds())
}

// withBulk is a commit that takes a moment to be received.
func withBulk(number int) map[string]string {
	files := fine(number)
	files["bulk"] = random(number, 24<<20)
	return files
}

// receives tells whether a release is on its way onto the node's disk.
func receives(h *fleet.Host) bool {
	entries, _ := os.ReadDir(h.Srv(".rollcall", "incoming"))
	return len(entries) > 0
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
