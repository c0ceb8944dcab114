package node

import (
	"io"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-dev/rollcall/internal/wire"
)

// A controller that is cut off in the middle of a release says nothing more, not even that
// it goes: its release must not lie there, locked, until TCP finds out. Between two
// requests it may be silent for as long as it likes.
func TestAControllerThatIsCutOff(t *testing.T) {
	for name, within := range map[string]bool{"within a release": true, "between requests": false} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "srv")
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				abandoned := make(chan struct{})
				s := &Server{Version: "test", Abandoned: func() { close(abandoned) }}
				served := make(chan error, 1)
				go func() { served <- s.Serve(t.Context(), there, there) }()
				go func() { _, _ = io.Copy(io.Discard, here) }()
				verb := wire.VerbHello
				if within {
					verb = wire.VerbReceive
				}
				request := wire.Request{Verb: verb, Folder: dir, Release: someRelease}
				if within {
					request.Receive = &wire.Receive{}
				}
				if err := wire.NewConn(here, here).Send(wire.KindRequest, request); err != nil {
					t.Fatal(err)
				}
				is := false
				select {
				case <-abandoned:
					is = true
				case <-time.After(abandonedAfter + time.Minute):
				}
				if is != within {
					t.Errorf("it is taken for abandoned: %t, want %t", is, within)
				}
				here.Close()
				<-served
			})
		})
	}
}
