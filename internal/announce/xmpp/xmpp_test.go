package xmpp

import (
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"
	mellium "mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/muc"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/announce/announcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var roomNumber atomic.Int64

func newRoom() string { return fmt.Sprintf("devops%d@%s", roomNumber.Add(1), rooms) }

// announcer fills in what a configuration leaves out.
func (p *prosody) announcer(t *testing.T, cfg Config) *Announcer {
	t.Helper()
	if cfg.JID == "" {
		cfg.JID, cfg.Password = "rollcall@"+domain, passwordOf("rollcall")
	}
	if cfg.Server == "" {
		cfg.Server = p.address()
	}
	if cfg.CA == "" {
		cfg.CA = filepath.Join(p.Folder, "cert.pem")
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The bot makes the room, which is locked until it says how it shall be; what it said
// is read from the room's history.
func TestAnnouncerInRoomsOfItsOwn(t *testing.T) {
	p := (&prosody{Locking: true, Persistent: true}).start(t)
	announcetest.Run(t, func(*testing.T) *announcetest.Channel {
		room := newRoom()
		return &announcetest.Channel{
			Open: func(t *testing.T) rollcall.Announcer { return p.announcer(t, Config{Room: room}) },
			At: func(t *testing.T, at string) rollcall.Announcer {
				return p.announcer(t, Config{Room: room, Server: at})
			},
			Shown: func(t *testing.T) []string { return p.enter(t, room, "witness", "50").heard(t) },
			Down:  p.down, Up: p.up,
		}
	})
}

// Somebody else is in the room and hears all of it. The room lives only as long.
func TestAnnouncerInRoomsOfOthers(t *testing.T) {
	p := (&prosody{}).start(t)
	announcetest.Run(t, func(t *testing.T) *announcetest.Channel {
		room := newRoom()
		w, before := p.enter(t, room, "witness", "0"), []string(nil)
		return &announcetest.Channel{
			Open: func(t *testing.T) rollcall.Announcer { return p.announcer(t, Config{Room: room, Nick: "Roll Call"}) },
			At: func(t *testing.T, at string) rollcall.Announcer {
				return p.announcer(t, Config{Room: room, Server: at})
			},
			Shown: func(t *testing.T) []string { return append(before, w.heard(t)...) },
			Down: func(t *testing.T) {
				before = w.heard(t)
				p.down(t)
			},
			Up: func(t *testing.T) {
				p.up(t)
				w = p.enter(t, room, "witness", "0")
			},
		}
	})
}

func TestTheRoomSendsTheBotOut(t *testing.T) {
	p := (&prosody{}).start(t)
	room := newRoom()
	w := p.enter(t, room, "witness", "0")
	a := p.announcer(t, Config{Room: room})
	defer a.Close()
	for i := range 3 {
		if err := a.Announce(t.Context(), announcetest.Notice(i+1)); err != nil {
			t.Fatal(err)
		}
		kick := element(muc.NSAdmin, "query", element("", "item", nil, "nick", "rollcall", "role", "none"))
		if err := w.x.UnmarshalIQElement(t.Context(), kick, toRoom(w.room), nil); err != nil {
			t.Fatal(err)
		}
	}
	if heard := w.heard(t); len(heard) != 3 {
		t.Errorf("heard %q", heard)
	}
}

// Whoever knows how keys are hashed can say something under our nick while we are away.
func TestAnotherHasUsedTheNick(t *testing.T) {
	p := (&prosody{Persistent: true}).start(t)
	room, n := newRoom(), announcetest.Notice(1)
	w := p.enter(t, room, "rollcall", "0")
	if err := w.x.Send(t.Context(), saying(w.room.Bare(), stanzaID(n.Key), "nothing was rolled")); err != nil {
		t.Fatal(err)
	}
	a := p.announcer(t, Config{Room: room})
	defer a.Close()
	if err := a.Announce(t.Context(), n); rollcall.KindOf(err) != rollcall.KindUnreachable || rollcall.HintOf(err) == "" {
		t.Errorf("with the nick taken: %v", err)
	}
	w.leave()
	if err := a.Announce(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if heard := p.enter(t, room, "witness", "50").heard(t); len(heard) != 2 || heard[1] != n.Text() {
		t.Errorf("heard %q", heard)
	}
}

// None of these mend by waiting.
func TestWhatTheServerRefuses(t *testing.T) {
	p := (&prosody{}).start(t)
	room := newRoom()
	w := p.enter(t, room, "witness", "0")
	other := t.TempDir()
	certificate(t, other)
	for name, c := range map[string]struct {
		cfg     Config
		prepare xml.TokenReader
	}{
		"a wrong password":       {cfg: Config{JID: "rollcall@" + domain, Password: "guess", Room: room}},
		"an account that is not": {cfg: Config{JID: "nobody@" + domain, Password: "guess", Room: room}},
		"another's certificate":  {cfg: Config{CA: filepath.Join(other, "cert.pem"), Room: room}},
		"an account that is kept out": {
			cfg:     Config{Room: room},
			prepare: element(muc.NSAdmin, "query", element("", "item", nil, "jid", "rollcall@"+domain, "affiliation", "outcast")),
		},
	} {
		if c.prepare != nil {
			if err := w.x.UnmarshalIQElement(t.Context(), c.prepare, toRoom(w.room), nil); err != nil {
				t.Fatal(err)
			}
		}
		a := p.announcer(t, c.cfg)
		err := a.Announce(t.Context(), announcetest.Notice(1))
		if rollcall.KindOf(err) != rollcall.KindInvalid || rollcall.HintOf(err) == "" || strings.Contains(err.Error(), "guess") {
			t.Errorf("%s: %v", name, err)
		}
		a.Close()
	}
	if heard := w.heard(t); len(heard) != 0 {
		t.Errorf("heard %q", heard)
	}
}

func TestNobodySpeaksInClearUnlessToldTo(t *testing.T) {
	p := (&prosody{NoTLS: true}).start(t)
	room := newRoom()
	a := p.announcer(t, Config{Room: room})
	defer a.Close()
	if err := a.Announce(t.Context(), announcetest.Notice(1)); err == nil {
		t.Error("told in clear")
	}
	if said := p.said(); strings.Contains(said, "Authenticated") {
		t.Errorf("logged in: %s", said)
	}
	clear := p.announcer(t, Config{Room: room, InsecureNoTLS: true})
	defer clear.Close()
	if err := clear.Announce(t.Context(), announcetest.Notice(1)); err != nil {
		t.Fatal(err)
	}
	if clear.session.x.State()&mellium.Authn == 0 || clear.session.x.ConnectionState().Version != 0 {
		t.Error("it is not what was meant to be tested")
	}
}

// Prosody ends the connection for a message of more than 256 KiB: it would never be told,
// and nothing behind it.
func TestAMessageThatIsTooLong(t *testing.T) {
	p := (&prosody{}).start(t)
	room := newRoom()
	w := p.enter(t, room, "witness", "0")
	a := p.announcer(t, Config{Room: room})
	defer a.Close()
	n := announcetest.Notice(1)
	n.Changesets[0].Subject = strings.Repeat("läng ", 100_000)
	for range 2 {
		if err := a.Announce(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if heard := w.heard(t); len(heard) != 1 || !strings.HasPrefix(n.Text(), strings.TrimSuffix(heard[0], "…")) || len(heard[0]) < 7000 {
		t.Errorf("heard %d messages", len(heard))
	}
}

func TestWhatXMLCannotSay(t *testing.T) {
	if got := body("a\ufffeb\uffff"); got != "a\ufffdb\ufffd" {
		t.Errorf("%q", got)
	}
	for i := range 4 {
		if got := body(strings.Repeat("x", i) + strings.Repeat("€", 4000)); len(got) > longest+3 || !utf8.ValidString(got) {
			t.Errorf("%d bytes, %q", len(got), got[len(got)-9:])
		}
	}
}

func TestTLS12(t *testing.T) {
	p := (&prosody{}).start(t)
	a := p.announcer(t, Config{Room: newRoom()})
	defer a.Close()
	a.tls.MaxVersion = tls.VersionTLS12 // its channel bindings are others
	if err := a.Announce(t.Context(), announcetest.Notice(1)); err != nil {
		t.Fatal(err)
	}
	if got := a.session.x.ConnectionState().Version; got != tls.VersionTLS12 {
		t.Errorf("TLS version %x", got)
	}
}

func TestConfigurations(t *testing.T) {
	good := Config{JID: "rollcall@chat.test", Room: "devops@rooms.chat.test"}
	for name, change := range map[string]func(*Config){
		"no account":       func(c *Config) { c.JID = "" },
		"a server alone":   func(c *Config) { c.JID = "chat.test" },
		"no room":          func(c *Config) { c.Room = "" },
		"a room with nick": func(c *Config) { c.Room += "/nick" },
		"a bad nick":       func(c *Config) { c.Nick = "a\x00b" },
		"a CA that is not": func(c *Config) { c.CA = "/nonexistent" },
		"a CA without any": func(c *Config) { c.CA = "/dev/null" },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg); rollcall.KindOf(err) != rollcall.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

func TestErrorsOfTheRoom(t *testing.T) {
	with := func(kind, name string) *stanzaError {
		e := &stanzaError{Type: kind, All: make([]condition, 1)}
		e.All[0].XMLName.Local = name
		return e
	}
	room := jid.MustParse("devops@rooms.chat.test/rollcall")
	for _, c := range []struct {
		e    *stanzaError
		want rollcall.Kind
	}{
		{with("modify", "policy-violation"), rollcall.KindRefused},
		{with("modify", "bad-request"), rollcall.KindRefused},
		{with("wait", "policy-violation"), rollcall.KindUnreachable},
		{with("auth", "forbidden"), rollcall.KindInvalid},
		{with("modify", "not-acceptable"), rollcall.KindUnreachable},
		{with("wait", "resource-constraint"), rollcall.KindUnreachable},
		{&stanzaError{}, rollcall.KindUnreachable},
		{nil, rollcall.KindUnreachable},
	} {
		if err := c.e.speaking(room); rollcall.KindOf(err) != c.want {
			t.Errorf("%v: %v", c.e, err)
		}
	}
}
