// Package gate finds out whether what must hold on a node holds: an answer over HTTP,
// an open TCP port.
package gate

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
)

const (
	tryLimit  = 5 * time.Second // of one request
	bodyLimit = 1 << 20
)

// Check tries a probe once. Commands are not for it: they run on the node.
func Check(ctx context.Context, p rollcall.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	if p.TCP != "" {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", p.TCP)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	return checkHTTP(ctx, p)
}

// client follows no redirect, keeps no connection and uses no proxy: the node itself
// must answer.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, Proxy: nil},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func checkHTTP(ctx context.Context, p rollcall.Probe) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.HTTP, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "Rollcall")
	for _, line := range p.Header {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "host") {
			request.Host = strings.TrimSpace(value)
			continue
		}
		request.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, bodyLimit))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	expect := p.Expect
	if expect == 0 {
		expect = http.StatusOK
	}
	if answer.StatusCode != expect {
		return fmt.Errorf("it answers %d and not %d: %s", answer.StatusCode, expect, excerpt(body))
	}
	if p.Body != "" && !strings.Contains(string(body), p.Body) {
		return fmt.Errorf("its answer lacks %q: %s", p.Body, excerpt(body))
	}
	return nil
}

func excerpt(body []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if runes := []rune(line); len(runes) > 160 {
		line = string(runes[:160]) + "…"
	}
	return rollcall.Printable(line)
}
