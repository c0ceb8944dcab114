// Package announcetest is the suite that every rollcall.Announcer passes.
package announcetest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/rollcall-dev/rollcall"
)

// Channel is the other side.
type Channel struct {
	// Open gives an announcer of its own, as another process would have. The suite closes it.
	Open func(t *testing.T) rollcall.Announcer
	// Shown gives the texts that the channel's readers have read, in their order.
	Shown func(t *testing.T) []string
	// Down ends the other side, Up starts it again at the same place.
	Down, Up func(t *testing.T)
	// At gives an announcer for another side, at host:port.
	At func(t *testing.T, address string) rollcall.Announcer
}

// limit is after how long a side that is down must have been noticed.
const limit = 30 * time.Second

// Run runs the suite. fresh gives a channel that nothing was told in.
func Run(t *testing.T, fresh func(t *testing.T) *Channel) {
	t.Run("what came from commits is told in printable form", func(t *testing.T) {
		c := fresh(t)
		n := Notice(1)
		for i, text := range hostile {
			n.Changesets = append(n.Changesets, rollcall.Changeset{ID: fmt.Sprintf("%040d", i), Author: text, Subject: text, Tickets: []string{text}})
			n.Leaving = append(n.Leaving, rollcall.Changeset{ID: fmt.Sprintf("%040d", i), Author: text, Subject: text})
		}
		n.Why = strings.Join(hostile, " ")
		announce(t, open(t, c), n)
		shows(t, c, n)
		for line := range strings.SplitSeq(c.Shown(t)[0], "\n") {
			if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
				t.Errorf("shown is %q", line)
			}
		}
	})

	t.Run("one key is told once", func(t *testing.T) {
		c := fresh(t)
		a := open(t, c)
		first, second, third := Notice(1), Notice(2), Notice(3)
		announce(t, a, first)
		announce(t, a, second)
		announce(t, a, first)
		other := open(t, c) // which knows of it only from the channel
		announce(t, other, second)
		announce(t, other, third)
		announce(t, a, third)
		shows(t, c, first, second, third)
	})

	t.Run("many at once", func(t *testing.T) {
		c := fresh(t)
		a := open(t, c)
		var wait sync.WaitGroup
		var all []rollcall.Notice
		for i := range 10 {
			n := Notice(i + 1)
			all = append(all, n)
			wait.Go(func() {
				if err := a.Announce(t.Context(), n); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		got, want := slices.Sorted(slices.Values(c.Shown(t))), texts(all)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("shown is %q", got)
		}
	})

	t.Run("the other side is down, and up again", func(t *testing.T) {
		c := fresh(t)
		kept, late := open(t, c), open(t, c)
		announce(t, kept, Notice(1))
		c.Down(t)
		for _, a := range []rollcall.Announcer{kept, late, kept} {
			begun := time.Now()
			if err := a.Announce(t.Context(), Notice(2)); rollcall.KindOf(err) != rollcall.KindUnreachable {
				t.Errorf("Announce = %v", err)
			}
			if took := time.Since(begun); took > limit {
				t.Errorf("it took %s to notice", took)
			}
		}
		c.Up(t)
		announce(t, kept, Notice(2))
		announce(t, late, Notice(3))
		shows(t, c, Notice(1), Notice(2), Notice(3))
	})

	t.Run("the context ends it", func(t *testing.T) {
		c := fresh(t)
		address, accepted := silent(t)
		a := c.At(t, address)
		defer a.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- a.Announce(ctx, Notice(1)) }()
		<-accepted
		cancel()
		select {
		case err := <-done:
			if err == nil {
				t.Error("it was told to nobody")
			}
		case <-time.After(limit):
			t.Error("it goes on")
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := open(t, c).Announce(ended, Notice(1)); err == nil {
			t.Error("told after its context had ended")
		}
		if shown := c.Shown(t); len(shown) != 0 {
			t.Errorf("shown is %q", shown)
		}
	})
}

var hostile = []string{
	"plain, with ümlauts and 日本語",
	"</body></message>]]> & <script>alert(1)</script>",
	"an escape \x1b[2J, a bell \a and a NUL \x00",
	"a line\n+ 0123456789 mallory: another's\r\nend\u2028or not\v\f\u0085",
	"bidi \u202eesrever\u202c \u2066x\u2069 \u200f\u061c",
	"broken \xff\xfe UTF-8, and \U000E0041",
}

// Notice makes one that differs by its number.
func Notice(number int) rollcall.Notice {
	return rollcall.Notice{
		Key: fmt.Sprintf("production/%d/done#%d", number, 3*number), What: "done", Environment: "production", Roll: number,
		Kind: rollcall.KindRoll, By: "ada", From: "4a0c", To: "77be", At: time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC),
		Nodes: rollcall.NodeCounts{OK: 8}, Seconds: 4.2,
		Changesets: []rollcall.Changeset{{ID: "0c5e9d8f4b", Author: "Bo", Subject: "Cart: round once", Tickets: []string{"88"}}},
	}
}

func open(t *testing.T, c *Channel) rollcall.Announcer {
	t.Helper()
	a := c.Open(t)
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func announce(t *testing.T, a rollcall.Announcer, n rollcall.Notice) {
	t.Helper()
	if err := a.Announce(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func shows(t *testing.T, c *Channel, want ...rollcall.Notice) {
	t.Helper()
	if got := c.Shown(t); !slices.Equal(got, texts(want)) {
		t.Fatalf("shown is\n%q, not\n%q", got, texts(want))
	}
}

func texts(list []rollcall.Notice) []string {
	var all []string
	for _, n := range list {
		all = append(all, n.Text())
	}
	return all
}

// silent listens, and says nothing to who comes.
func silent(t *testing.T) (address string, accepted <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	came := make(chan struct{}, 100)
	var wait sync.WaitGroup
	wait.Go(func() {
		var all []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			all = append(all, conn)
			came <- struct{}{}
		}
		for _, conn := range all {
			conn.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		wait.Wait()
	})
	return l.Addr().String(), came
}
