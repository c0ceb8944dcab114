package xmpp

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"net"
	"time"

	"mellium.im/sasl"
	mellium "mellium.im/xmpp"
	"mellium.im/xmpp/dial"
	"mellium.im/xmpp/stream"

	"github.com/rollcall-dev/rollcall"
)

// dialLimit is for one of the addresses that DNS names.
const dialLimit = 5 * time.Second

// login connects. Nothing is sent in clear but on loopback where the configuration says so.
func (a *Announcer) login(ctx context.Context) (*mellium.Session, net.Conn, error) {
	conn, err := a.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	login := mellium.SASL("", a.cfg.Password, sasl.ScramSha256Plus, sasl.ScramSha1Plus, sasl.ScramSha256, sasl.ScramSha1, sasl.Plain)
	features := []mellium.StreamFeature{mellium.StartTLS(a.tls), login, mellium.BindResource()}
	var state mellium.SessionState
	if a.cfg.InsecureNoTLS {
		if !loopback(conn) {
			conn.Close()
			return nil, nil, rollcall.Errorf(rollcall.KindInvalid, "%s is not on loopback: it is not spoken to without TLS", conn.RemoteAddr())
		}
		features, state = features[1:], mellium.Secure
	}
	defer cutOff(ctx, conn)()
	x, err := mellium.NewSession(ctx, a.account.Domain(), a.account, conn, state, mellium.NewNegotiator(
		func(*mellium.Session, *mellium.StreamConfig) mellium.StreamConfig {
			return mellium.StreamConfig{Features: features}
		}))
	if err == nil && x.State()&mellium.Authn == 0 {
		err = errors.New("the server asks for no password")
	}
	if err != nil {
		conn.Close()
		return nil, nil, a.explain(err)
	}
	return x, conn, nil
}

func (a *Announcer) dial(ctx context.Context) (net.Conn, error) {
	if a.cfg.Server != "" {
		d := net.Dialer{Timeout: dialLimit}
		return d.DialContext(ctx, "tcp", a.cfg.Server)
	}
	direct := a.tls.Clone()
	direct.NextProtos = []string{"xmpp-client"}
	d := dial.Dialer{Dialer: net.Dialer{Timeout: dialLimit}, NoTLS: a.cfg.InsecureNoTLS, TLSConfig: direct}
	return d.Dial(ctx, "tcp", a.account)
}

// cutOff closes the connection when the context ends. The library sets a deadline and
// takes it back at once, which a waiting read may miss.
func cutOff(ctx context.Context, conn net.Conn) (done func()) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	return func() { stop() }
}

func loopback(conn net.Conn) bool {
	addr, ok := conn.RemoteAddr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// explain tells what the configuration must be blamed for from what may pass by itself.
func (a *Announcer) explain(err error) error {
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return rollcall.Errorf(rollcall.KindInvalid, "the server's certificate is not trusted: %w", err).
			WithHint("it must be valid for %s; name who signs it with ca_file:", a.account.Domainpart())
	}
	if errors.Is(err, stream.UnsupportedStanzaType) { // the answer to STARTTLS where it is not on offer
		return rollcall.Errorf(rollcall.KindInvalid, "the server offers no encryption (STARTTLS), and no password is sent in clear").
			WithHint("give it a certificate, and let it require encryption of clients")
	}
	switch condition := saslCondition(err); condition {
	case "", "temporary-auth-failure":
		return err
	default:
		return rollcall.Errorf(rollcall.KindInvalid, "%s cannot log in: %s", a.account.Bare(), condition).
			WithHint("check the account and its password")
	}
}

// saslCondition is the name of the failure where err is one of SASL. Its type is not
// exported; its XML is.
func saslCondition(err error) string {
	var failure interface {
		error
		TokenReader() xml.TokenReader
	}
	if !errors.As(err, &failure) {
		return ""
	}
	r := failure.TokenReader()
	for depth := 0; ; {
		t, err := r.Token()
		if start, ok := t.(xml.StartElement); ok {
			if depth == 0 && start.Name.Local != "failure" {
				return ""
			}
			if depth == 1 {
				return start.Name.Local
			}
			depth++
		}
		if err != nil {
			return ""
		}
	}
}
