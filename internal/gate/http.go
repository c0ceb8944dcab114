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

// answer is what came back, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends one request over a connection of its own.
func ask(ctx context.Context, p rollcall.Probe) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.HTTP, nil)
	if err != nil {
		return answer{}, err
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
	got, err := client.Do(request)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) && p.Faster > 0 {
			return answer{}, fmt.Errorf("it does not answer within %v", p.Faster)
		}
		return answer{}, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(io.LimitReader(got.Body, bodyLimit))
	if err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", err)
	}
	return answer{got.StatusCode, got.Header, string(body)}, nil
}

func checkHTTP(ctx context.Context, p rollcall.Probe) error {
	got, err := ask(ctx, p)
	if err != nil {
		return err
	}
	if err := got.expected(p); err != nil {
		return err
	}
	if p.Body != "" && !strings.Contains(got.body, p.Body) {
		return fmt.Errorf("its answer lacks %q: %s", p.Body, excerpt(got.body))
	}
	if p.Match != "" {
		pattern, err := regexp.Compile(p.Match)
		if err != nil {
			return err
		}
		if !pattern.MatchString(got.body) {
			return fmt.Errorf("its answer does not match %s: %s", p.Match, excerpt(got.body))
		}
	}
	for _, line := range p.Answer {
		name, part, _ := strings.Cut(line, ":")
		part = strings.TrimSpace(part)
		values := got.header.Values(name)
		if len(values) == 0 {
			return fmt.Errorf("its answer has no header %s", name)
		}
		if all := strings.Join(values, ", "); !strings.Contains(all, part) {
			return fmt.Errorf("its answer's header %s lacks %q: %s", name, part, excerpt(all))
		}
	}
	return nil
}

// expected tells, as an error, that another status came than was wanted.
func (a answer) expected(p rollcall.Probe) error {
	want := p.Expect
	if want == 0 {
		want = http.StatusOK
	}
	if a.status != want {
		return fmt.Errorf("it answers %d and not %d: %s", a.status, want, excerpt(a.body))
	}
	return nil
}

func excerpt(body string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(body), "\n")
	if runes := []rune(line); len(runes) > 160 {
		line = string(runes[:160]) + "…"
	}
	return rollcall.Printable(line)
}
