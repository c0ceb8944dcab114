package haproxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/balancer/balancertest"
	"github.com/rollcall-dev/rollcall/internal/balancer/haproxy"
)

// backend writes a backend with health checks over web servers called app1, app2, …
func backend(name, options string, webs ...*web) string {
	text := "backend " + name + "\n    option httpchk GET /health\n    option redispatch\n" + options
	for i, w := range webs {
		text += fmt.Sprintf("    server app%d %s check cookie app%d\n", i+1, w.addr(), i+1)
	}
	return text
}

func threeWebs(t *testing.T) []*web {
	return []*web{newWeb(t, "app1"), newWeb(t, "app2"), newWeb(t, "app3")}
}

func TestSuite(t *testing.T) {
	for _, sockets := range []string{"path", "tcp"} {
		t.Run(sockets, func(t *testing.T) {
			balancertest.Run(t, func(t *testing.T) balancertest.Fixture {
				webs := threeWebs(t)
				h := start(t, backend("www", "", webs...))
				at := []string{h.socket()}
				if sockets == "tcp" {
					at = []string{h.tcpSocket()}
				}
				return balancertest.Fixture{
					Balancer: haproxy.New(haproxy.Dial),
					Points:   []rollcall.DrainPoint{point("app1", at, "www"), point("app2", at, "www"), point("app3", at, "www")},
					Unknown:  []rollcall.DrainPoint{point("app4", at, "www"), point("app1", at, "wwv"), point("app1", at, "www", "api")},
					Cut:      []rollcall.DrainPoint{point("app1", []string{h.path("none.sock")}, "www"), point("app1", append(at, h.path("cfg")), "www")},
				}
			})
		})
	}
}

// Two HAProxies with two backends each, behind one node.
func TestSuiteOverSeveralSockets(t *testing.T) {
	balancertest.Run(t, func(t *testing.T) balancertest.Fixture {
		webs := threeWebs(t)
		config := backend("www", "", webs...) + backend("api", "", webs...)
		at := []string{start(t, config).socket(), start(t, config).socket()}
		return balancertest.Fixture{
			Balancer: haproxy.New(haproxy.Dial),
			Points:   []rollcall.DrainPoint{point("app1", at, "www", "api"), point("app2", at, "www", "api"), point("app3", at, "www", "api")},
			Unknown:  []rollcall.DrainPoint{point("app1", at, "www", "apl")},
		}
	})
}

func TestEverySocketAndBackend(t *testing.T) {
	webs := threeWebs(t)
	config := backend("www", "", webs...) + backend("api", "", webs...)
	one, two := start(t, config), start(t, config)
	p := point("app2", []string{one.socket(), two.socket()}, "www", "api")
	b := haproxy.New(haproxy.Dial)
	if err := b.Drain(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	for _, h := range []*haproxyd{one, two} {
		for _, backend := range []string{"www", "api"} {
			if !look(t, point("app2", []string{h.socket()}, backend)).Out {
				t.Errorf("it is not drained in %s", backend)
			}
		}
	}
	// Half of a restore, by hand: out in any is out.
	one.ask("set server www/app2 state ready; set server api/app2 state ready")
	two.ask("set server www/app2 state ready")
	if !look(t, p).Out {
		t.Error("it is out in one backend of one HAProxy and counts as in service")
	}
	if err := b.Restore(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if s := look(t, p); s.Out {
		t.Errorf("after a restore: %+v", s)
	}
	// Down at one is down.
	webs[1].sick.Store(true)
	eventually(t, "its health check to fail", func() bool { return !look(t, p).Up })
}

func TestSessions(t *testing.T) {
	webs := threeWebs(t)
	// One request at a time. Those that must go there, by their cookie, wait at the
	// server and are under way too; others would wait at the backend, for any server.
	h := start(t, "backend www\n    timeout queue 60s\n    cookie SRV insert indirect\n    server app1 "+webs[0].addr()+" cookie app1 maxconn 1\n")
	p := point("app1", []string{h.socket()}, "www")
	b := haproxy.New(haproxy.Dial)
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			if page, err := h.get(t.Context(), "/hang", "Cookie", "SRV=app1"); err != nil || page != "app1" {
				t.Errorf("a request that was under way: %q, %v", page, err)
			}
		})
	}
	eventually(t, "three sessions", func() bool { return look(t, p).Sessions == 3 && webs[0].hanging.Load() == 1 })
	if err := b.Drain(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if s := look(t, p); !s.Out || s.Sessions == 0 || webs[0].hanging.Load() != 1 {
		t.Errorf("what is under way did not go on: %+v", s)
	}
	close(webs[0].release)
	eventually(t, "the sessions to end", func() bool { return look(t, p).Sessions == 0 })
	wait.Wait()
}

func TestDrainedGetsNoNewRequests(t *testing.T) {
	webs := threeWebs(t)
	h := start(t, backend("www", "    cookie SRV insert indirect\n", webs...))
	b := haproxy.New(haproxy.Dial)
	if err := b.Drain(t.Context(), point("app1", []string{h.socket()}, "www")); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		if page, err := h.get(t.Context(), "/"); err != nil || page == "app1" {
			t.Errorf("%q, %v", page, err)
		}
	}
	// What docs/balancers.md warns of: HAProxy's drain lets persistent visitors in.
	if page, err := h.get(t.Context(), "/", "Cookie", "SRV=app1"); err != nil || page != "app1" {
		t.Errorf("a visitor with a cookie: %q, %v", page, err)
	}
}

// A node is drained, and its new release is bad: that is seen before it is put back.
func TestHealthIsSeenWhileDrained(t *testing.T) {
	webs := threeWebs(t)
	h := start(t, backend("www", "", webs...))
	p := point("app1", []string{h.socket()}, "www")
	b := haproxy.New(haproxy.Dial)
	if err := b.Drain(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if s := look(t, p); !s.Out || !s.Up {
		t.Errorf("drained and healthy: %+v", s)
	}
	webs[0].sick.Store(true)
	eventually(t, "the failure to be seen", func() bool { s := look(t, p); return s.Out && !s.Up })
	if err := b.Restore(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if s := look(t, p); s.Out || s.Up {
		t.Errorf("restored and sick: %+v", s)
	}
	webs[0].sick.Store(false)
	eventually(t, "it to come up", func() bool { return look(t, p).InService() })
}

func TestMaintenanceBySomebodyElse(t *testing.T) {
	webs := threeWebs(t)
	h := start(t, backend("www", "", webs...))
	p := point("app1", []string{h.socket()}, "www")
	b := haproxy.New(haproxy.Dial)
	h.ask("set server www/app1 state maint")
	if s := look(t, p); !s.Out {
		t.Errorf("in maintenance: %+v", s)
	}
	if err := b.Drain(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if stat := h.ask("show stat -1 4 -1"); !strings.Contains(stat, ",MAINT,") {
		t.Errorf("the drain ended somebody's maintenance:\n%s", stat)
	}
	if err := b.Restore(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it to come up", func() bool { return look(t, p).InService() })
}

func TestStatesOfServers(t *testing.T) {
	webs := threeWebs(t)
	h := start(t, backend("www", "", webs[:2]...)+
		"backend plain\n    server app1 "+webs[0].addr()+"\n    server app2 "+webs[1].addr()+" disabled\n    server app3 "+webs[2].addr()+" weight 0\n"+
		"backend follows\n    server app1 "+webs[0].addr()+" track www/app1\n")
	at := []string{h.socket()}
	b := haproxy.New(haproxy.Dial)

	if s := look(t, point("app1", at, "plain")); !s.InService() {
		t.Errorf("without a health check: %+v", s)
	}
	// HAProxy remembers for ever that the configuration said disabled.
	disabled := point("app2", at, "plain")
	if s := look(t, disabled); !s.Out {
		t.Errorf("disabled by the configuration: %+v", s)
	}
	if err := b.Restore(t.Context(), disabled); err != nil {
		t.Error(err)
	}
	if s := look(t, disabled); !s.InService() {
		t.Errorf("restored: %+v", s)
	}
	weightless := point("app3", at, "plain")
	if s := look(t, weightless); !s.Out {
		t.Errorf("without weight: %+v", s)
	}
	if err := b.Restore(t.Context(), weightless); rollcall.KindOf(err) != rollcall.KindRefused || !strings.Contains(rollcall.HintOf(err), "weight") {
		t.Errorf("a restore without weight: %v", err)
	}
	// One that tracks another goes out with it, and can't come back alone.
	if err := b.Drain(t.Context(), point("app1", at, "www")); err != nil {
		t.Fatal(err)
	}
	follower := point("app1", at, "follows")
	if s := look(t, follower); !s.Out {
		t.Errorf("it follows one that is drained: %+v", s)
	}
	if err := b.Restore(t.Context(), follower); rollcall.KindOf(err) != rollcall.KindRefused || !strings.Contains(rollcall.HintOf(err), "tracks") {
		t.Errorf("a restore of a follower alone: %v", err)
	}
	if err := b.Restore(t.Context(), point("app1", at, "follows", "www")); err != nil {
		t.Error(err)
	}
}

func TestWithoutAdminLevel(t *testing.T) {
	webs := threeWebs(t)
	h := start(t, backend("www", "", webs...))
	b := haproxy.New(haproxy.Dial)
	for _, level := range []string{"operator", "user"} {
		p := point("app1", []string{h.path(level + ".sock")}, "www")
		_, lookErr := b.Look(t.Context(), []rollcall.DrainPoint{p})
		for _, err := range []error{lookErr, b.Drain(t.Context(), p), b.Restore(t.Context(), p)} {
			if rollcall.KindOf(err) != rollcall.KindRefused || !strings.Contains(rollcall.HintOf(err), "level admin") {
				t.Errorf("%s: %v (hint: %s)", level, err, rollcall.HintOf(err))
			}
		}
	}
}

func TestUnknownNamesListTheNearest(t *testing.T) {
	webs := threeWebs(t)
	config := backend("www", "", webs...) + "backend many\n"
	for n := range 30 {
		config += fmt.Sprintf("    server node%02d.example.com %s\n", n, webs[0].addr())
	}
	h := start(t, config)
	at := []string{h.socket()}
	b := haproxy.New(haproxy.Dial)
	for _, c := range []struct {
		points     []rollcall.DrainPoint
		said, hint string
	}{
		{[]rollcall.DrainPoint{point("app1", at, "ww")}, `has no backend "ww"`, "it has www, many"},
		{[]rollcall.DrainPoint{point("ap1", at, "www")}, `ap1: backend www of haproxy at ` + at[0] + ` has no server "ap1"`, "it has app1, app2, app3"},
		{[]rollcall.DrainPoint{point("x", at, "www"), point("app2", at, "www"), point("y", at, "www")}, `has no servers "x", "y"`, "it has app1"},
		{[]rollcall.DrainPoint{point("node17", at, "many")}, `has no server "node17"`, "the nearest that it has are node17.example.com, "},
	} {
		_, err := b.Look(t.Context(), c.points)
		if rollcall.KindOf(err) != rollcall.KindInvalid || !strings.Contains(err.Error(), c.said) || !strings.Contains(rollcall.HintOf(err), c.hint) {
			t.Errorf("%v\nhint: %s\nwanted %q, %q", err, rollcall.HintOf(err), c.said, c.hint)
		}
	}
}

// A restart forgets drains: that must be seen, and another drain must work.
func TestRestartedInBetween(t *testing.T) {
	webs := threeWebs(t)
	h := start(t, backend("www", "", webs...))
	p := point("app1", []string{h.socket()}, "www")
	b := haproxy.New(haproxy.Dial)
	if err := b.Drain(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	h.stop()
	if err := b.Drain(t.Context(), p); rollcall.KindOf(err) != rollcall.KindUnreachable || rollcall.HintOf(err) == "" {
		t.Errorf("it is gone: %v", err)
	}
	h.run()
	if s := look(t, p); s.Out {
		t.Errorf("HAProxy keeps no drain, and it is seen as %+v", s)
	}
	if err := b.Drain(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if s := look(t, p); !s.Out {
		t.Errorf("drained again: %+v", s)
	}
}

// However many nodes: a look is one connection to each socket.
func TestLookReadsASocketOnce(t *testing.T) {
	webs := threeWebs(t)
	h := start(t, backend("www", "", webs...)+backend("api", "", webs...))
	at := []string{h.socket()}
	var mu sync.Mutex
	dials := 0
	b := haproxy.New(func(ctx context.Context, socket string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		dials++
		return haproxy.Dial(ctx, socket)
	})
	points := []rollcall.DrainPoint{point("app1", at, "www", "api"), point("app2", at, "api"), point("app3", at, "www")}
	if _, err := b.Look(t.Context(), points); err != nil || dials != 1 {
		t.Errorf("%d connections, %v", dials, err)
	}
}

// What a site, or a node's variable in it, might bring near the command line of a socket.
func TestNamesThatWouldBeCommands(t *testing.T) {
	webs := threeWebs(t)
	h := start(t, backend("www", "", webs...))
	at := []string{h.socket()}
	b := haproxy.New(func(context.Context, string) (net.Conn, error) {
		t.Error("it got as far as the socket")
		return nil, io.EOF
	})
	bad := []string{
		"", "app1\nset server www/app2 state maint", "app1;disable server www/app2", "app1 state maint #", "www/app2", "#1", "app1\r", "app1\x00",
		"äpp1", "app1\\;x", "<<", "*", "@1", strings.Repeat("a", 256), "app1\n",
	}
	for _, name := range bad {
		for _, p := range []rollcall.DrainPoint{point(name, at, "www"), point("app1", at, name), point("app1", at, "www", name)} {
			p.Node = "node"
			_, lookErr := b.Look(t.Context(), []rollcall.DrainPoint{p})
			for _, err := range []error{lookErr, b.Drain(t.Context(), p), b.Restore(t.Context(), p)} {
				if rollcall.KindOf(err) != rollcall.KindInvalid || rollcall.HintOf(err) == "" || strings.ContainsAny(err.Error(), "\n\r\x00") {
					t.Errorf("%q: %v", name, err)
				}
			}
		}
	}
	for n := range 3 {
		if s := look(t, point(fmt.Sprintf("app%d", n+1), at, "www")); !s.InService() {
			t.Errorf("app%d: %+v", n+1, s)
		}
	}
}
