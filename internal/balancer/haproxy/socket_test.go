package haproxy_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/balancer/haproxy"
)

func TestParseSocket(t *testing.T) {
	for text, want := range map[string]haproxy.Socket{
		"/run/haproxy/admin.sock":                   {Path: "/run/haproxy/admin.sock"},
		"/run/odd:name@x.sock":                      {Path: "/run/odd:name@x.sock"},
		"/run/odd:/x.sock":                          {Path: "/run/odd:/x.sock"},
		"lb1.example.com:9999":                      {Address: "lb1.example.com:9999"},
		"127.0.0.1:9999":                            {Address: "127.0.0.1:9999"},
		"[::1]:9999":                                {Address: "[::1]:9999"},
		"lb1.example.com:/run/haproxy/admin.sock":   {Host: "lb1.example.com", Path: "/run/haproxy/admin.sock"},
		"ops@lb1:/run/haproxy/admin.sock":           {User: "ops", Host: "lb1", Path: "/run/haproxy/admin.sock"},
		"ops@[2001:db8::1]:/run/haproxy/admin.sock": {User: "ops", Host: "2001:db8::1", Path: "/run/haproxy/admin.sock"},
	} {
		if got, err := haproxy.ParseSocket(text); err != nil || got != want {
			t.Errorf("%q = %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "/", "admin.sock", "run/admin.sock", "lb1", "lb1:", "lb1:http", "lb1:0", "lb1:65536", "lb1:+1", ":9999", "::1:9999",
		"ops@lb1:9999", "@lb1:/x", "-oProxyCommand=sh:/x", "-x@lb1:/x", "ops@-lb1:/x", "ops@:/x", "o ps@lb1:/x", "lb1:/x/../y", "/run//x", "/run/x/",
		"/run/x\n", "lb1:/x\x00", "a b:/x", "$(id):/x", "/" + strings.Repeat("x", 107), "lb1://x",
	} {
		if got, err := haproxy.ParseSocket(text); rollcall.KindOf(err) != rollcall.KindInvalid || rollcall.HintOf(err) == "" {
			t.Errorf("%q = %+v, %v", text, got, err)
		}
	}
}

func FuzzParseSocket(f *testing.F) {
	for _, text := range []string{"/run/haproxy/admin.sock", "lb1:9999", "[::1]:9999", "ops@lb1:/run/x", "-o@x:/y"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := haproxy.ParseSocket(text)
		if err != nil {
			return
		}
		if (s.Path == "") == (s.Address == "") || s.Host != "" && s.Path == "" || s.User != "" && s.Host == "" {
			t.Errorf("%q = %+v", text, s)
		}
		for _, argument := range []string{s.Host, s.User, s.Address, s.Path} {
			if strings.HasPrefix(argument, "-") || strings.ContainsAny(argument, "\x00\n\r") {
				t.Errorf("%q = %+v", text, s)
			}
		}
	})
}

func TestDialOverSSHIsTheApps(t *testing.T) {
	if _, err := haproxy.Dial(t.Context(), "lb1:/run/haproxy/admin.sock"); rollcall.KindOf(err) != rollcall.KindInvalid {
		t.Errorf("%v", err)
	}
	// A dial that explains itself is not explained again.
	own := rollcall.Errorf(rollcall.KindUnreachable, "connect to lb1: its host key changed").WithHint("compare it")
	b := haproxy.New(func(context.Context, string) (net.Conn, error) { return nil, own })
	p := point("app1", []string{"lb1:/run/haproxy/admin.sock"}, "www")
	err := b.Drain(t.Context(), p)
	if !errors.Is(err, own.Err) || rollcall.HintOf(err) != "compare it" || !strings.HasPrefix(err.Error(), "app1: connect to lb1") {
		t.Errorf("%v (hint: %s)", err, rollcall.HintOf(err))
	}
}

func TestUnreachable(t *testing.T) {
	dir, err := os.MkdirTemp("", "rc-sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	serve := func(name string, answer func(net.Conn)) string {
		l, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				answer(conn)
			}
		}()
		return filepath.Join(dir, name)
	}
	for _, c := range []struct {
		socket, hint string
		slow         bool
	}{
		{filepath.Join(dir, "missing"), "HAProxy runs", false},
		{serve("mute", func(c net.Conn) { c.Close() }), "restarted", false},
		{serve("other", func(c net.Conn) { c.Write([]byte("220 mail.example.com ESMTP\n")); c.(*net.UnixConn).CloseWrite() }), "stats socket", false},
		{serve("hangs", func(net.Conn) {}), "hangs", true},
		{serve("keeps", func(c net.Conn) { c.Write([]byte("admin\n\nUnknown command, but maybe\n")) }), "master", true},
	} {
		t.Run(filepath.Base(c.socket), func(t *testing.T) {
			t.Parallel()
			b := haproxy.New(haproxy.Dial)
			if c.slow {
				b.Hasten()
			}
			_, err := b.Look(t.Context(), []rollcall.DrainPoint{point("app1", []string{c.socket}, "www")})
			if rollcall.KindOf(err) != rollcall.KindUnreachable || !strings.Contains(rollcall.HintOf(err), c.hint) || !strings.Contains(err.Error(), c.socket) {
				t.Errorf("%v (hint: %s)", err, rollcall.HintOf(err))
			}
		})
	}
}
