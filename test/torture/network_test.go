package torture

import (
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/test/fleet"
)

// plainSite needs nothing of the nodes but ssh.
const plainSite = `keep: 3
limits: {unreachable: 1, failed: 0}
tiers:
  app:
    batch: 1
    activate: {sh: 'mkdir -p ../../shared && echo "$ROLLCALL_RELEASE" >../../shared/activated'}
`

// Far away, over a line that loses packets, a roll is slow and nothing else: that a lot is
// under way to a node is no sign that the node is gone.
func TestFarAwayAndLossy(t *testing.T) {
	t.Parallel()
	var link fleet.Link
	n := fleet.NewNetwork(t, fleet.NetworkOptions{Nodes: 2, Site: plainSite, Link: &link})
	old := n.Repo.Commit(fine)
	n.Must(0, "roll", fleet.Environment, "--yes")
	link.Slow(200*time.Millisecond, 2)
	bulk := 100 << 10
	if *all {
		bulk = 1500 << 10
	}
	next := n.Repo.Commit(func(number int) map[string]string {
		files := fine(number)
		for i := range 300 {
			files[fmt.Sprintf("many/%03d", i)] = fmt.Sprintf("%d %d\n", i, number)
		}
		files["bulk"] = random(number, bulk)
		return files
	})
	began := time.Now()
	n.Must(0, "roll", fleet.Environment, "--yes")
	link.Slow(0, 0)
	for _, h := range n.Hosts {
		if is, odd := n.Stands(h, old, next), n.Odd(h, old, next); is != "NEW, activated NEW" || len(odd) > 0 {
			t.Errorf("%s stands at %s: %v", h.Name, is, odd)
		}
	}
	t.Logf("COUNT: 300 files and %d KiB that don't compress to 2 nodes, 200 ms away each way, 2 %% lost: rolled in %.0f s", bulk>>10, time.Since(began).Seconds())
}

// A node that takes one byte a second of what it is sent is dropped, and the others roll.
func TestOneByteASecond(t *testing.T) {
	t.Parallel()
	if !*all {
		t.Skip("a frozen node is enough for the short form: only with -torture.all")
	}
	n, victim, pace := throughStraw(t)
	lost(t, n, victim, func() { pace.Store(1) }, func() { pace.Store(0) }, "a byte a second", noticed+slack)
}

// One that takes little, and goes on taking it, is waited for.
func TestSlowAndSteady(t *testing.T) {
	t.Parallel()
	if !*all {
		t.Skip("it takes a minute: only with -torture.all")
	}
	n, _, pace := throughStraw(t)
	n.Repo.Commit(fine)
	n.Must(0, "roll", fleet.Environment, "--yes")
	n.Repo.Commit(func(number int) map[string]string {
		files := fine(number)
		files["bulk"] = random(number, 8<<20)
		return files
	})
	pace.Store(100 << 10)
	began := time.Now()
	n.Must(0, "roll", fleet.Environment, "--yes")
	t.Logf("COUNT: 8 MiB to a node that takes 100 KiB a second: rolled in %.0f s", time.Since(began).Seconds())
}

// throughStraw is a network in which one node takes no more bytes a second than is said;
// 0: as many as it can.
func throughStraw(t *testing.T) (n *fleet.Network, victim *fleet.Host, pace *atomic.Int64) {
	t.Helper()
	at := netip.MustParseAddrPort("10.77.0.1:2222")
	n = fleet.NewNetwork(t, fleet.NetworkOptions{Nodes: 3, Site: plainSite, Via: map[string]netip.AddrPort{"app2": at}})
	victim = n.Host("app2")
	return n, victim, straw(t, n, at, victim.Address+":22")
}

// rollcall-node hangs while it receives, as it does on a disk that does not answer, and
// sshd goes on.
func TestDiskThatHangs(t *testing.T) {
	t.Parallel()
	if !*all {
		t.Skip("it takes minutes: only with -torture.all")
	}
	n := fleet.NewNetwork(t, fleet.NetworkOptions{Nodes: 3, Site: plainSite})
	victim := n.Host("app2")
	lost(t, n, victim, victim.FreezeNode, victim.Thaw, "its rollcall-node hangs", 5*time.Minute+slack)
}

// lost loses a node while it receives, and catches it up.
func lost(t *testing.T, n *fleet.Network, victim *fleet.Host, lose, mend func(), what string, limit time.Duration) {
	t.Helper()
	old := n.Repo.Commit(fine)
	n.Must(0, "roll", fleet.Environment, "--yes")
	next := n.Repo.Commit(withBulk)
	var began time.Time
	ended := n.During(func() bool { return receives(victim) }, func() { lose(); began = time.Now() }, "roll", fleet.Environment, "--yes")
	took := time.Since(began)
	if ended.Exit != 5 || took > limit {
		t.Errorf("the roll ended with %d after %.0f s, want 5 after at most %v\n%s%s", ended.Exit, took.Seconds(), limit, ended.Out, ended.Err)
	}
	mend()
	n.Must(0, "catch-up", fleet.Environment, "--yes")
	for _, h := range n.Hosts {
		if is, odd := n.Stands(h, old, next), n.Odd(h, old, next); is != "NEW, activated NEW" || len(odd) > 0 {
			t.Errorf("%s stands at %s: %v", h.Name, is, odd)
		}
	}
	t.Logf("COUNT: %s while it receives: the roll ended with %d, %.1f s later; caught up", what, ended.Exit, took.Seconds())
}

// straw carries connections to a node at the pace of what goes there.
func straw(t *testing.T, n *fleet.Network, at netip.AddrPort, to string) *atomic.Int64 {
	t.Helper()
	var pace atomic.Int64
	var listener *net.TCPListener
	if err := fleet.Within(n.Netns(), func() (err error) {
		listener, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() { // ends with the listener
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go suck(client, n.Netns(), to, &pace)
		}
	}()
	return &pace
}

func suck(client net.Conn, netns, to string, pace *atomic.Int64) {
	defer client.Close()
	var server net.Conn
	if err := fleet.Within(netns, func() (err error) {
		server, err = net.Dial("tcp", to)
		return err
	}); err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer client.Close()
		_, _ = io.Copy(client, server)
	}()
	buf := make([]byte, 16<<10)
	for {
		take := int64(len(buf))
		if p := pace.Load(); p > 0 {
			take = min(take, p)
			time.Sleep(time.Second * time.Duration(take) / time.Duration(p))
		}
		n, err := client.Read(buf[:take])
		if err != nil {
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// The controller loses its network in the middle of a roll.
func TestControllerWithoutNetwork(t *testing.T) {
	t.Parallel()
	at := fleet.Position{Event: rollcall.EventNodePrefix + "switching app2", Nth: 1, Phase: fleet.Behind}
	begin := func(t *testing.T) (n *fleet.Network, old, next *fleet.Commit, frozen *fleet.Frozen) {
		t.Parallel()
		n = fleet.NewNetwork(t, fleet.NetworkOptions{Nodes: 3, Site: plainSite})
		old = n.Repo.Commit(fine)
		n.Must(0, "roll", fleet.Environment, "--yes")
		next = n.Repo.Commit(fine)
		frozen = n.Freeze(at, "roll", fleet.Environment, "--yes")
		n.Cut()
		return n, old, next, frozen
	}
	all3 := func(t *testing.T, n *fleet.Network, old, next *fleet.Commit, want string) {
		t.Helper()
		for _, h := range n.Hosts {
			if is, odd := n.Stands(h, old, next), n.Odd(h, old, next); is != want || len(odd) > 0 {
				t.Errorf("%s stands at %s, want %s: %v", h.Name, is, want, odd)
			}
		}
	}
	t.Run("for a moment", func(t *testing.T) {
		n, old, next, frozen := begin(t)
		frozen.Thaw()
		began := time.Now()
		n.Eventually("some seconds without a network", func() bool { return time.Since(began) > 6*time.Second })
		n.Heal()
		if ended := frozen.Wait(); ended.Exit != 0 {
			t.Errorf("the roll ended with %d, want 0\n%s%s", ended.Exit, ended.Out, ended.Err)
		}
		all3(t, n, old, next, "NEW, activated NEW")
		t.Logf("COUNT: the controller without a network for 6 s: the roll ended with 0")
	})
	t.Run("for long", func(t *testing.T) {
		if !*all {
			t.Skip("only with -torture.all")
		}
		n, old, next, frozen := begin(t)
		frozen.Thaw()
		ended := frozen.Wait()
		if ended.Exit != 6 && ended.Exit != 7 {
			t.Errorf("the roll ended with %d, want 6 or 7\n%s%s", ended.Exit, ended.Out, ended.Err)
		}
		n.Heal()
		want := "OLD, activated OLD"
		if ended.Exit == 7 {
			n.Must(0, "resume", fleet.Environment, "--yes")
			want = "NEW, activated NEW"
		} else {
			n.Must(0, "catch-up", fleet.Environment, "--yes")
		}
		all3(t, n, old, next, want)
		t.Logf("COUNT: the controller without a network for good: the roll ended with %d; all nodes at %s once it was back", ended.Exit, want)
	})
	for _, verb := range []string{"resume", "abort"} {
		t.Run("killed meanwhile, "+verb, func(t *testing.T) {
			if !*all && verb == "abort" {
				t.Skip("only with -torture.all")
			}
			n, old, next, frozen := begin(t)
			frozen.Kill()
			n.Heal()
			want := "NEW, activated NEW"
			if verb == "abort" {
				want = "OLD, activated OLD"
			}
			n.Must(0, verb, fleet.Environment, "--yes")
			all3(t, n, old, next, want)
			t.Logf("COUNT: the controller killed without a network, and it came back: %s ended with 0", verb)
		})
	}
}

func random(seed, size int) string {
	b := make([]byte, size)
	_, _ = rand.New(rand.NewSource(int64(seed))).Read(b) // it never fails
	return string(b)
}
