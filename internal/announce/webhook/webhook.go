// Package webhook posts notices as JSON to an HTTP endpoint.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/rollcall-dev/rollcall"
)

const (
	// limit is for one notice, from the connecting to the end of the answer.
	limit = 10 * time.Second
	// answerLimit is how much of an answer is read: enough to use its connection again.
	answerLimit = 64 << 10
)

// Config says where notices go.
type Config struct {
	URL    string
	Secret string       // with one, notices are signed
	Client *http.Client // nil: one of its own
}

// Announcer is a rollcall.Announcer for one URL.
type Announcer struct {
	url    *url.URL
	secret []byte
	client *http.Client
}

var _ rollcall.Announcer = (*Announcer)(nil)

// New checks the URL. KindInvalid says what is wrong with it.
func New(cfg Config) (*Announcer, error) {
	to, err := url.Parse(cfg.URL)
	if err != nil || to.Host == "" || to.Scheme != "https" && to.Scheme != "http" {
		// Its parts may be secret: they are not repeated.
		return nil, rollcall.Errorf(rollcall.KindInvalid, "the webhook's address is not a URL").
			WithHint("write it as https://host/path")
	}
	client := http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	if cfg.Client != nil {
		client = *cfg.Client
	}
	// A redirect turns a POST into a GET, or takes the notice where nobody sent it.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Announcer{url: to, secret: []byte(cfg.Secret), client: &client}, nil
}

// Announce posts a notice. The receiver tells one that it has by its Idempotency-Key.
// KindRefused where it will never take this one, KindUnreachable where it may later.
func (a *Announcer) Announce(ctx context.Context, n rollcall.Notice) error {
	body, err := json.Marshal(printable(n))
	if err != nil {
		return a.failed(rollcall.KindRefused, err)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url.String(), bytes.NewReader(body))
	if err != nil {
		return a.failed(rollcall.KindInvalid, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "rollcall")
	request.Header.Set("Idempotency-Key", rollcall.Printable(n.Key))
	if len(a.secret) > 0 {
		request.Header.Set("Rollcall-Signature", "sha256="+sign(a.secret, body))
	}
	response, err := a.client.Do(request)
	if err != nil {
		var wrapped *url.Error // it repeats the address, which may hold a secret
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return a.failed(rollcall.KindUnreachable, err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, answerLimit)); err != nil && response.StatusCode/100 != 2 {
		return a.failed(rollcall.KindUnreachable, err)
	}
	return a.judge(response)
}

func (a *Announcer) judge(response *http.Response) error {
	answer := errors.New("it answers " + rollcall.Printable(response.Status))
	switch code := response.StatusCode; {
	case code/100 == 2:
		return nil
	case code/100 == 3:
		err := a.failed(rollcall.KindInvalid, answer)
		err.Hint = "redirects are not followed: give the address that it leads to"
		return err
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code/100 != 4:
		return a.failed(rollcall.KindUnreachable, answer)
	default:
		return a.failed(rollcall.KindRefused, answer)
	}
}

func (a *Announcer) failed(kind rollcall.Kind, err error) *rollcall.Error {
	return &rollcall.Error{Kind: kind, Op: "tell the webhook at " + a.url.Host, Err: err}
}

// Close lets go of idle connections.
func (a *Announcer) Close() error {
	a.client.CloseIdleConnections()
	return nil
}

func sign(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// printable makes what came from commits and people safe to show, and lists that are
// empty an empty list.
func printable(n rollcall.Notice) rollcall.Notice {
	n.By, n.Why, n.Partial = rollcall.Printable(n.By), rollcall.Printable(n.Why), rollcall.Printable(n.Partial)
	n.Revision.Author, n.Revision.Subject = rollcall.Printable(n.Revision.Author), rollcall.Printable(n.Revision.Subject)
	n.Changesets, n.Leaving = changesets(n.Changesets), changesets(n.Leaving)
	return n
}

func changesets(list []rollcall.Changeset) []rollcall.Changeset {
	all := make([]rollcall.Changeset, 0, len(list))
	for _, c := range list {
		c.Author, c.Email, c.Subject = rollcall.Printable(c.Author), rollcall.Printable(c.Email), rollcall.Printable(c.Subject)
		c.Tickets, c.Files = each(c.Tickets), each(c.Files)
		if len(c.Authors) > 0 {
			c.Authors = each(c.Authors)
		}
		all = append(all, c)
	}
	return all
}

func each(list []string) []string {
	all := make([]string, 0, len(list))
	for _, text := range list {
		all = append(all, rollcall.Printable(text))
	}
	return all
}
