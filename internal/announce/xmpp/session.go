package xmpp

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"mellium.im/xmlstream"
	mellium "mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/rollcall-dev/rollcall"
)

// closeLimit is how long a goodbye may take.
const closeLimit = 2 * time.Second

var (
	errNoReply = errors.New("no reply in time")
	errEnded   = errors.New("the connection ended")
)

// session is one connection, and what the room has said on it.
type session struct {
	x    *mellium.Session
	conn net.Conn
	done chan struct{} // closed when nothing is read any more

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when something below changes
	room    jid.JID       // with the nick, as the server writes it
	joined  bool
	created bool // by our joining: it is locked until it is configured
	caught  bool // up: the history has been read
	said    map[string]string
	refused map[string]*stanzaError
	ended   error
}

// begin reads from a connection; close ends that.
func begin(x *mellium.Session, conn net.Conn) *session {
	s := &session{
		x: x, conn: conn, done: make(chan struct{}), changed: make(chan struct{}),
		said: map[string]string{}, refused: map[string]*stanzaError{},
	}
	go s.serve()
	return s
}

// serve reads until the connection ends.
func (s *session) serve() {
	defer close(s.done)
	err := s.x.Serve(s)
	s.change(func() {
		switch {
		case s.ended != nil:
		case err != nil:
			s.ended = fmt.Errorf("%w: %w", errEnded, err)
		default:
			s.ended = errEnded
		}
	})
}

// HandleXMPP takes what the server sends, one stanza at a time.
func (s *session) HandleXMPP(r xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	d := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), r))
	switch start.Name.Local {
	case "message":
		var m message
		if err := d.Decode(&m); err != nil {
			return err
		}
		s.change(func() { s.heard(&m) })
	case "presence":
		var p presence
		if err := d.Decode(&p); err != nil {
			return err
		}
		s.change(func() { s.met(&p) })
	}
	return nil
}

func (s *session) heard(m *message) {
	from, err := jid.Parse(m.From)
	if err != nil || !from.Bare().Equal(s.room.Bare()) {
		return
	}
	switch {
	case m.Type == "error":
		s.refused[m.ID] = cmp.Or(m.Error, &stanzaError{})
	case m.Type != "groupchat":
	case m.Body == nil && m.Subject != nil:
		s.caught = true // the subject comes behind the history
	case m.Body != nil && from.Equal(s.room):
		// Some servers give the reflection an id of their own and keep the origin's.
		s.said[m.ID] = *m.Body
		s.said[m.Origin.ID] = *m.Body
	}
}

func (s *session) met(p *presence) {
	from, err := jid.Parse(p.From)
	if err != nil || !from.Bare().Equal(s.room.Bare()) {
		return
	}
	us := p.has(statusSelf) || from.Equal(s.room)
	switch {
	case p.Type == "error":
		s.ended = p.Error.joining(s.room)
	case p.Type == "unavailable" && us:
		s.ended = errors.New("the room has sent us out")
	case p.Type == "" && us:
		s.room, s.joined = from, true // the nick may be another than the one asked for
		s.created = s.created || p.has(statusCreated)
	}
}

// join enters the room and reads its history.
func (s *session) join(ctx context.Context, room jid.JID) error {
	s.change(func() { s.room = room })
	if err := s.x.Send(ctx, joining(room)); err != nil {
		return err
	}
	if err := s.wait(ctx, func() bool { return s.joined && (s.created || s.caught) }); err != nil {
		return err
	}
	if !s.created {
		return nil
	}
	// Without this nobody else may come in, and some servers send nothing back.
	if err := s.x.UnmarshalIQElement(ctx, defaultForm(), toRoom(room), nil); err != nil {
		return rollcall.Errorf(rollcall.KindUnreachable, "the new room cannot be opened: %w", err)
	}
	return nil
}

// say sends a message unless the room had it, and waits until the room has it.
func (s *session) say(ctx context.Context, id, text string) error {
	text = body(text)
	if s.has(id, text) {
		return nil
	}
	s.mu.Lock()
	delete(s.said, id) // by somebody else, or in other words
	s.mu.Unlock()
	if err := s.x.Send(ctx, saying(s.place(), id, text)); err != nil {
		return err
	}
	// Only we speak under our nick while we are in: the text needs no second look.
	err := s.wait(ctx, func() bool {
		_, said := s.said[id]
		return said || s.refused[id] != nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if refused := s.refused[id]; err == nil && refused != nil {
		delete(s.refused, id)
		return refused.speaking(s.room)
	}
	return err
}

// has compares the text too: before we came, another may have used our nick.
func (s *session) has(id, text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	said, ok := s.said[id]
	return ok && said == text
}

// heardAll tells whether the connection still works. The server answers in order: what
// the room said before its answer, to another process under our nick too, has been heard.
func (s *session) heardAll(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, keptLimit)
	defer cancel()
	var answer stanza.Error // is an answer too
	err := s.x.UnmarshalIQElement(ctx, element("urn:xmpp:ping", "ping", nil), stanza.IQ{Type: stanza.GetIQ, To: s.place()}, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	return (err == nil || errors.As(err, &answer)) && s.ended == nil
}

// place is the room without the nick.
func (s *session) place() jid.JID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.room.Bare()
}

func (s *session) change(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait returns when what is asked is so.
func (s *session) wait(ctx context.Context, so func() bool) error {
	for {
		s.mu.Lock()
		met, ended, changed := so(), s.ended, s.changed
		s.mu.Unlock()
		switch {
		case met:
			return nil
		case ended != nil:
			return ended
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// close says goodbye and returns when nothing is read any more.
func (s *session) close() {
	s.conn.SetDeadline(time.Now().Add(closeLimit))
	s.x.Close()
	s.conn.Close()
	<-s.done
}
