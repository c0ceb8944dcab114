// Package xmpp tells notices in a room of an XMPP server (XEP-0045). The connection is
// made with the first notice and kept; a notice is told when the room has sent it back.
package xmpp

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/rollcall-dev/rollcall"
)

const (
	// limit is how long one notice may take, with connecting and joining.
	limit = 20 * time.Second
	// keptLimit is how long a kept connection may be silent until a new one is made.
	keptLimit = 5 * time.Second
)

// Config says which account speaks in which room.
type Config struct {
	JID      string // the account: rollcall@chat.example.com
	Password string
	Room     string // devops@rooms.example.com
	Nick     string // default: the account's name
	Server   string // host:port; empty: what DNS names for the account's domain
	CA       string // a PEM file with who signs the server's certificate; empty: the system's
	// InsecureNoTLS speaks in clear, and only with a server on loopback.
	InsecureNoTLS bool
}

// Announcer is a rollcall.Announcer for one room.
type Announcer struct {
	cfg     Config
	account jid.JID
	room    jid.JID // with the nick
	tls     *tls.Config

	turn    chan struct{} // holds one token: who has it may use what follows
	session *session      // nil while there is none
}

var _ rollcall.Announcer = (*Announcer)(nil)

// New checks what can be checked without the server. KindInvalid says what is wrong.
func New(cfg Config) (*Announcer, error) {
	account, err := jid.Parse(cfg.JID)
	if err != nil || account.Localpart() == "" {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "%q is not an XMPP account", cfg.JID).
			WithHint("write it as name@chat.example.com")
	}
	room, err := jid.Parse(cfg.Room)
	if err != nil || room.Localpart() == "" || room.Resourcepart() != "" {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "%q is not an XMPP room", cfg.Room).
			WithHint("write it as room@rooms.example.com")
	}
	nick := cfg.Nick
	if nick == "" {
		nick = account.Localpart()
	}
	if room, err = room.WithResource(nick); err != nil {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "%q can't be a nick in an XMPP room: %w", nick, err)
	}
	trust := &tls.Config{ServerName: account.Domainpart(), MinVersion: tls.VersionTLS12}
	if cfg.CA != "" {
		pem, err := os.ReadFile(cfg.CA)
		if err != nil {
			return nil, rollcall.Errorf(rollcall.KindInvalid, "cannot read who signs the certificate of %s: %w", account.Domainpart(), err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, rollcall.Errorf(rollcall.KindInvalid, "%s holds no certificate in PEM form", cfg.CA)
		}
	}
	a := &Announcer{cfg: cfg, account: account, room: room, tls: trust, turn: make(chan struct{}, 1)}
	a.turn <- struct{}{}
	return a, nil
}

// Announce says a notice in the room and returns when the room has sent it back. One
// that is in the room's history is not said again.
func (a *Announcer) Announce(ctx context.Context, n rollcall.Notice) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-a.turn:
		defer func() { a.turn <- struct{}{} }()
	case <-ctx.Done():
		return a.failed(ctx, ctx.Err())
	}
	if err := a.connected(ctx); err != nil {
		return a.failed(ctx, err)
	}
	defer cutOff(ctx, a.session.conn)()
	if err := a.session.say(ctx, stanzaID(n.Key), n.Text()); err != nil {
		// What became of the notice is found out by joining again and reading the history.
		a.drop()
		return a.failed(ctx, err)
	}
	return nil
}

// connected sees to it that there is a connection, and that what the room has said on
// it before was heard.
func (a *Announcer) connected(ctx context.Context) error {
	if a.session != nil {
		defer cutOff(ctx, a.session.conn)()
		if a.session.heardAll(ctx) {
			return nil
		}
		a.drop()
	}
	x, conn, err := a.login(ctx)
	if err != nil {
		return err
	}
	defer cutOff(ctx, conn)()
	s := begin(x, conn)
	if err := s.join(ctx, a.room); err != nil {
		s.close()
		return err
	}
	a.session = s
	return nil
}

func (a *Announcer) drop() {
	if a.session != nil {
		a.session.close()
		a.session = nil
	}
}

// failed says for which room, and that the other side is away where nothing else is known.
func (a *Announcer) failed(ctx context.Context, err error) error {
	kind, hint := rollcall.KindUnreachable, rollcall.HintOf(err)
	var known *rollcall.Error
	if errors.As(err, &known) {
		kind = known.Kind
	}
	if ctx.Err() != nil { // a read that was ended says "i/o timeout" of its own
		kind, err = rollcall.KindUnreachable, context.Cause(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w: %w", errNoReply, err)
		}
	}
	return &rollcall.Error{Kind: kind, Op: "tell the room " + a.room.Bare().String(), Hint: hint, Err: err}
}

// Close leaves the room.
func (a *Announcer) Close() error {
	<-a.turn
	defer func() { a.turn <- struct{}{} }()
	a.drop()
	return nil
}

// stanzaID names a notice in the room, in characters that every server keeps.
func stanzaID(key string) string {
	sum := sha256.Sum256([]byte("rollcall notice\n" + key))
	return hex.EncodeToString(sum[:16])
}
