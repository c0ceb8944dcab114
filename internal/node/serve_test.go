package node

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// serveBytes gives a node what comes in, and what it said.
func serveBytes(in []byte) (string, error) {
	var out bytes.Buffer
	err := (&Server{Version: "test"}).Serve(context.Background(), bytes.NewReader(in), &out)
	return out.String(), err
}

func frames(t testing.TB, send func(c *wire.Conn)) []byte {
	t.Helper()
	var b bytes.Buffer
	send(wire.NewConn(strings.NewReader(""), &b))
	return b.Bytes()
}

func TestGarbageEndsTheNode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "srv")
	receive := frames(t, func(c *wire.Conn) {
		_ = c.Send(wire.KindRequest, wire.Request{Verb: wire.VerbReceive, Folder: dir, Release: someRelease, Receive: &wire.Receive{}})
	})
	for name, in := range map[string][]byte{
		"text":                     []byte("GET / HTTP/1.1\r\n\r\n"),
		"half a head":              {'Q', 0},
		"a frame that is too long": {'Q', 0xff, 0xff, 0xff, 0xff},
		"a frame that ends":        {'Q', 0, 0, 1, 0, 'x'},
		"no request":               {'D', 0, 0, 0, 1, 'x'},
		"no JSON":                  {'Q', 0, 0, 0, 2, '{', '{'},
		"a receive that ends":      receive,
		"a request in the stream":  append(bytes.Clone(receive), receive...),
	} {
		said, err := serveBytes(in)
		if err == nil {
			t.Errorf("%s: no error; it said %q", name, said)
		}
		if !strings.HasPrefix(said, wire.Greeting) {
			t.Errorf("%s: it said %q", name, said)
		}
	}
	if said, err := serveBytes(nil); err != nil || said != wire.Greeting {
		t.Errorf("nothing: %q, %v", said, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".rollcall", "incoming")); err == nil && len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestAPackOfGarbageIsRefusedAndTheSessionGoesOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "srv")
	in := frames(t, func(c *wire.Conn) {
		_ = c.Send(wire.KindRequest, wire.Request{Verb: wire.VerbReceive, Folder: dir, Release: someRelease, Receive: &wire.Receive{}})
		_ = c.SendStream(strings.NewReader(strings.Repeat("garbage", 50_000)), func(int64) {})
		_ = c.Send(wire.KindRequest, wire.Request{Verb: wire.VerbHello, Folder: dir})
		_ = c.Send(wire.KindRequest, wire.Request{Verb: "dance", Folder: dir})
	})
	said, err := serveBytes(in)
	if err != nil {
		t.Fatal(err)
	}
	c := wire.NewConn(strings.NewReader(strings.TrimPrefix(said, wire.Greeting)), io.Discard)
	for i, check := range []func(*wire.Reply) bool{
		func(r *wire.Reply) bool { return r.Error != nil },
		func(r *wire.Reply) bool { return r.State != nil && r.State.Foreign == "" },
		func(r *wire.Reply) bool {
			return r.Error != nil && r.Error.Kind == rollcall.KindInvalid && r.Error.Hint != ""
		},
	} {
		kind, body, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		reply, err := wire.ParseReply(kind, body)
		if err != nil || !check(reply) {
			t.Errorf("reply %d is %+v, %v", i, reply, err)
		}
	}
}

// FuzzServe gives a node anything at all: it must end, and touch nothing outside its folder.
func FuzzServe(f *testing.F) {
	f.Add([]byte("Q\x00\x00\x00\x02{}"))
	f.Add(frames(f, func(c *wire.Conn) {
		_ = c.Send(wire.KindRequest, wire.Request{Verb: wire.VerbHello, Folder: "/nonexistent/rollcall"})
	}))
	f.Fuzz(func(t *testing.T, in []byte) {
		if bytes.Contains(in, []byte(`"run"`)) || bytes.Contains(in, []byte("adopt")) || bytes.Contains(in, []byte("receive")) {
			t.Skip("would do as it is told")
		}
		_, _ = serveBytes(in)
	})
}
