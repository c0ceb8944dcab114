package xmpp

import (
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/muc"
	"mellium.im/xmpp/stanza"

	"github.com/rollcall-dev/rollcall"
)

// history is how many of the room's messages are asked for; a server may give fewer.
const history = 50

const (
	nsOrigin = "urn:xmpp:sid:0" // XEP-0359
	nsForm   = "jabber:x:data"
)

// Statuses of XEP-0045.
const (
	statusSelf    = 110
	statusCreated = 201
)

type message struct {
	From    string  `xml:"from,attr"`
	ID      string  `xml:"id,attr"`
	Type    string  `xml:"type,attr"`
	Subject *string `xml:"subject"`
	Body    *string `xml:"body"`
	Origin  struct {
		ID string `xml:"id,attr"`
	} `xml:"urn:xmpp:sid:0 origin-id"`
	Error *stanzaError `xml:"error"`
}

type presence struct {
	From string `xml:"from,attr"`
	Type string `xml:"type,attr"`
	User struct {
		Status []struct {
			Code int `xml:"code,attr"`
		} `xml:"status"`
	} `xml:"http://jabber.org/protocol/muc#user x"`
	Error *stanzaError `xml:"error"`
}

func (p *presence) has(code int) bool {
	for _, status := range p.User.Status {
		if status.Code == code {
			return true
		}
	}
	return false
}

type stanzaError struct {
	Type string      `xml:"type,attr"` // wait, auth, modify, cancel, continue
	All  []condition `xml:",any"`
}

type condition struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
}

// is tells whether the condition is one of those.
func (e *stanzaError) is(names ...string) bool {
	return e != nil && slices.ContainsFunc(e.All, func(c condition) bool { return slices.Contains(names, c.XMLName.Local) })
}

// words is the error for people.
func (e *stanzaError) words() string {
	words := "error"
	if e == nil {
		return words
	}
	for i, one := range e.All {
		switch {
		case one.XMLName.Local == "text":
			words += " (" + rollcall.Printable(one.Text) + ")"
		case i == 0:
			words = rollcall.Printable(one.XMLName.Local)
		}
	}
	return words
}

// joining is why the room can't be entered.
func (e *stanzaError) joining(room jid.JID) error {
	switch {
	case e.is("conflict"):
		return rollcall.Errorf(rollcall.KindUnreachable, "the nick %s is taken: %s", room.Resourcepart(), e.words()).
			WithHint("give it another nick:")
	case e.is("forbidden", "registration-required", "not-authorized", "not-allowed", "jid-malformed"):
		return rollcall.Errorf(rollcall.KindInvalid, "the account may not enter: %s", e.words()).
			WithHint("let it in: as a member, without a password")
	}
	return rollcall.Errorf(rollcall.KindUnreachable, "the room cannot be entered: %s", e.words())
}

// speaking is why the room does not take a message. Only what is wrong with the
// message itself is KindRefused: all else may be mended, and then it is told.
func (e *stanzaError) speaking(room jid.JID) error {
	switch {
	case e.is("bad-request", "policy-violation") && e.Type != "wait":
		return rollcall.Errorf(rollcall.KindRefused, "the room does not take it: %s", e.words())
	case e.is("forbidden"):
		return rollcall.Errorf(rollcall.KindInvalid, "%s may not speak there: %s", room.Resourcepart(), e.words()).
			WithHint("give it voice")
	}
	return rollcall.Errorf(rollcall.KindUnreachable, "the room does not take it: %s", e.words())
}

// element makes one; attrs are names and values by turns.
func element(space, local string, inner xml.TokenReader, attrs ...string) xml.TokenReader {
	start := xml.StartElement{Name: xml.Name{Space: space, Local: local}}
	for attr := range slices.Chunk(attrs, 2) {
		start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Local: attr[0]}, Value: attr[1]})
	}
	return xmlstream.Wrap(inner, start)
}

func joining(room jid.JID) xml.TokenReader {
	return stanza.Presence{ID: "join", To: room}.Wrap(
		element(muc.NS, "x", element("", "history", nil, "maxstanzas", strconv.Itoa(history))))
}

func saying(room jid.JID, id, text string) xml.TokenReader {
	return stanza.Message{ID: id, To: room, Type: stanza.GroupChatMessage}.Wrap(xmlstream.MultiReader(
		element("", "body", xmlstream.Token(xml.CharData(text))),
		element(nsOrigin, "origin-id", nil, "id", id)))
}

// defaultForm takes the room as the server would make it.
func defaultForm() xml.TokenReader {
	return element(muc.NSOwner, "query", element(nsForm, "x", nil, "type", "submit"))
}

func toRoom(room jid.JID) stanza.IQ { return stanza.IQ{Type: stanza.SetIQ, To: room.Bare()} }

// longest is what every server takes (RFC 6120, 13.12), in bytes. One whose limit is
// passed ends the connection, and would again: a commit's subject could keep a channel shut.
const longest = 8000

// body is the text as XML can say it and servers take it.
func body(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == 0xFFFE || r == 0xFFFF { // not of XML
			return utf8.RuneError
		}
		return r
	}, text)
	if len(text) <= longest {
		return text
	}
	end := longest
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
