package webhook

import (
	"crypto/hmac"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/announce/announcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "correct horse"

// receiver is what somebody behind a webhook writes: it checks the signature and takes
// each key once.
type receiver struct {
	address string
	server  *httptest.Server

	mu    sync.Mutex
	keys  []string
	shown []string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	signature := request.Header.Get("Rollcall-Signature")
	if err != nil || request.Method != http.MethodPost || !hmac.Equal([]byte(signature), []byte("sha256="+sign([]byte(secret), body))) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	var n rollcall.Notice
	if err := json.Unmarshal(body, &n); err != nil || n.Key != request.Header.Get("Idempotency-Key") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.keys, n.Key) {
		r.keys = append(r.keys, n.Key)
		r.shown = append(r.shown, n.Text())
	}
}

func (r *receiver) up(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	r.address = l.Addr().String()
	r.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: r}}
	r.server.Start()
}

func (r *receiver) down(*testing.T) {
	r.server.CloseClientConnections()
	r.server.Close()
}

func TestAnnouncer(t *testing.T) {
	announcetest.Run(t, func(t *testing.T) *announcetest.Channel {
		r := &receiver{address: "127.0.0.1:0"}
		r.up(t)
		t.Cleanup(func() { r.down(t) })
		at := func(t *testing.T, address string) rollcall.Announcer {
			a, err := New(Config{URL: "http://" + address + "/hook", Secret: secret})
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		return &announcetest.Channel{
			Open: func(t *testing.T) rollcall.Announcer { return at(t, r.address) },
			At:   at, Down: r.down, Up: r.up,
			Shown: func(*testing.T) []string {
				r.mu.Lock()
				defer r.mu.Unlock()
				return slices.Clone(r.shown)
			},
		}
	})
}

func TestAnswers(t *testing.T) {
	for code, want := range map[int]rollcall.Kind{
		200: "", 202: "", 204: "",
		301: rollcall.KindInvalid, 307: rollcall.KindInvalid,
		400: rollcall.KindRefused, 401: rollcall.KindRefused, 404: rollcall.KindRefused, 410: rollcall.KindRefused, 422: rollcall.KindRefused,
		408: rollcall.KindUnreachable, 429: rollcall.KindUnreachable, 500: rollcall.KindUnreachable, 503: rollcall.KindUnreachable,
	} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		}))
		a, err := New(Config{URL: server.URL + "/token-8d1f"})
		if err != nil {
			t.Fatal(err)
		}
		err = a.Announce(t.Context(), announcetest.Notice(1))
		if want == "" && err != nil || want != "" && (err == nil || rollcall.KindOf(err) != want || strings.Contains(err.Error(), "8d1f")) {
			t.Errorf("%d: %v", code, err)
		}
		a.Close()
		server.Close()
		if asked != 1 {
			t.Errorf("%d: asked %d times", code, asked)
		}
	}
}

func TestWhatIsPosted(t *testing.T) {
	var body []byte
	var header http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		header = r.Header
	}))
	defer server.Close()
	a, err := New(Config{URL: server.URL, Client: &http.Client{Transport: &http.Transport{}}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	const bad = "a\x1b[1m\u202eb\nc\xff"
	n := announcetest.Notice(1)
	n.By, n.Why, n.Partial = bad, bad, bad
	n.Revision = rollcall.Revision{Author: bad, Subject: bad}
	n.Changesets = []rollcall.Changeset{{Author: bad, Email: bad, Subject: bad, Tickets: []string{bad}, Files: []string{bad}}}
	if err := a.Announce(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	text := string(body)
	for _, never := range []string{`\u001b`, "\x1b", "\u202e", `\u202e`, `\n`, "null"} {
		if strings.Contains(text, never) {
			t.Errorf("posted %q in %s", never, text)
		}
	}
	if header.Get("Rollcall-Signature") != "" || header.Get("Content-Type") != "application/json" || header.Get("Idempotency-Key") != n.Key {
		t.Errorf("the header is %v", header)
	}
	if n.Changesets[0].Subject != bad {
		t.Error("the caller's notice has changed")
	}
}

func TestAddresses(t *testing.T) {
	for _, bad := range []string{"", "host/path", "ftp://host/", "http://", "://", "https:///path"} {
		if _, err := New(Config{URL: bad}); rollcall.KindOf(err) != rollcall.KindInvalid || rollcall.HintOf(err) == "" {
			t.Errorf("New(%q) = %v", bad, err)
		}
	}
}
