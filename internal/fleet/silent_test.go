package fleet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// hanging is a transport to a rollcall-node that reads so many bytes and then hangs, as on
// a disk that does not answer; sshd below it goes on, and answers every keep-alive.
type hanging struct{ after int64 }

type hangingConn struct{ net.Conn }

func (hangingConn) Stderr() string { return "" }

func (h hanging) Connect(context.Context, rollcall.Node) (rollcall.Conn, error) {
	here, there := net.Pipe()
	go func() { _, _ = io.CopyN(io.Discard, there, h.after) }() // ends with the other end
	return hangingConn{here}, nil
}

func (hanging) Close() error { return nil }

// A node that hangs while it receives is lost, not waited for for ever: in the middle of
// the pack, and when it has all of it.
func TestANodeThatHangsWhileItReceives(t *testing.T) {
	for name, after := range map[string]int64{"in the middle": 200 << 10, "at the end": 1 << 40} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := New(hanging{after})
				defer f.Close()
				s, err := f.Open(t.Context(), rollcall.Node{Name: "web1", Address: "web1"})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				began := time.Now()
				_, err = s.Receive(t.Context(), rollcall.Delivery{
					Release: rollcall.ReleaseID(strings.Repeat("a", 64)),
					Pack: func() (io.ReadCloser, error) {
						return io.NopCloser(bytes.NewReader(make([]byte, 10*wire.DataSize))), nil
					},
				}, func(string, int64) {})
				var e *rollcall.Error
				if !errors.As(err, &e) || e.Kind != rollcall.KindUnreachable || e.Hint == "" {
					t.Errorf("Receive = %v", err)
				}
				if took := time.Since(began); took < receiveLimit || took > receiveLimit+time.Minute {
					t.Errorf("it was waited for %v", took)
				}
			})
		})
	}
}
