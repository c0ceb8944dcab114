package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// client follows no redirect, keeps no connection and uses no proxy: the node itself
// must answer.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, Proxy: nil},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// ask sends one request over a connection of its own.
func ask(ctx context.Context, p rollcall.Probe) (*http.Response, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.HTTP, nil)
	if err != nil {
		return nil, "", err
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
		if errors.Is(err, context.DeadlineExceeded) && p.Faster > 0 {
			return nil, "", fmt.Errorf("it does not answer within %v", p.Faster)
		}
		return nil, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, bodyLimit))
	if err != nil {
		return nil, "", fmt.Errorf("read the answer: %w", err)
	}
	return answer, string(body), nil
}

func checkHTTP(ctx context.Context, p rollcall.Probe) error {
	answer, body, err := ask(ctx, p)
	if err != nil {
		return err
	}
	if expect := expected(p); answer.StatusCode != expect {
		return fmt.Errorf("it answers %d and not %d: %s", answer.StatusCode, expect, excerpt(body))
	}
	if p.Body != "" && !strings.Contains(body, p.Body) {
		return fmt.Errorf("its answer lacks %q: %s", p.Body, excerpt(body))
	}
	if p.Match != "" {
		pattern, err := regexp.Compile(p.Match)
		if err != nil {
			return err
		}
		if !pattern.MatchString(body) {
			return fmt.Errorf("its answer does not match %s: %s", p.Match, excerpt(body))
		}
	}
	for _, line := range p.Answer {
		name, part, _ := strings.Cut(line, ":")
		part = strings.TrimSpace(part)
		values := answer.Header.Values(name)
		if len(values) == 0 {
			return fmt.Errorf("its answer has no header %s", name)
		}
		if all := strings.Join(values, ", "); !strings.Contains(all, part) {
			return fmt.Errorf("its answer's header %s lacks %q: %s", name, part, excerpt(all))
		}
	}
	return nil
}

func expected(p rollcall.Probe) int {
	if p.Expect == 0 {
		return http.StatusOK
	}
	return p.Expect
}

func excerpt(body string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(body), "\n")
	if runes := []rune(line); len(runes) > 160 {
		line = string(runes[:160]) + "…"
	}
	return rollcall.Printable(line)
}
