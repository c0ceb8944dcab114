package xmpp

import (
	"encoding/xml"
	"net"
	"slices"
	"sync"
	"testing"

	"mellium.im/xmlstream"
	mellium "mellium.im/xmpp"
	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/muc"
	"mellium.im/xmpp/stanza"
)

// witness is somebody else in the room, who keeps what everybody says.
type witness struct {
	x    *mellium.Session
	conn net.Conn
	room jid.JID
	in   chan struct{} // closed when we are in and have read the history
	read sync.WaitGroup

	mu     sync.Mutex
	bodies []string
}

// enter lets the account "witness" come in under a nick, and read the last messages.
func (p *prosody) enter(t *testing.T, room, nick, last string) *witness {
	t.Helper()
	a := p.announcer(t, Config{JID: "witness@" + domain, Password: passwordOf("witness"), Room: room, Nick: nick})
	x, conn, err := a.login(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{x: x, conn: conn, room: a.room, in: make(chan struct{})}
	w.read.Go(func() { x.Serve(w) })
	t.Cleanup(w.leave)
	presence := stanza.Presence{To: a.room}.Wrap(element(muc.NS, "x", element("", "history", nil, "maxstanzas", last)))
	if err := x.Send(t.Context(), presence); err != nil {
		t.Fatal(err)
	}
	<-w.in
	return w
}

// HandleXMPP keeps what is said.
func (w *witness) HandleXMPP(r xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	if start.Name.Local != "message" {
		return nil
	}
	var m message
	if err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), r)).Decode(&m); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case m.Type != "groupchat":
	case m.Body != nil:
		w.bodies = append(w.bodies, *m.Body)
	case m.Subject != nil:
		close(w.in)
	}
	return nil
}

// heard gives what was said so far. The server answers in order: what it sent before
// its answer has been heard.
func (w *witness) heard(t *testing.T) []string {
	t.Helper()
	if _, err := disco.GetInfo(t.Context(), "", w.room.Bare(), w.x); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.bodies)
}

func (w *witness) leave() {
	w.x.Close()
	w.conn.Close()
	w.read.Wait()
}
