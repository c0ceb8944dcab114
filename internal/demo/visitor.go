package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

type answer struct {
	status int
	node   string // who answered
	body   string
	err    error
}

func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	line, _, _ := strings.Cut(strings.TrimSpace(a.body), "\n")
	return fmt.Sprintf("%d from %s: %.200s", a.status, a.node, line)
}

func (l *Load) get(ctx context.Context, address string) answer {
	l.pace(ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{err: err}
	}
	response, err := l.client.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header.Get("X-Node"), string(body), err}
}

// pace waits until the next request may be sent.
func (l *Load) pace(ctx context.Context) {
	l.mu.Lock()
	now := time.Now()
	if l.next.Before(now) {
		l.next = now
	}
	wait := l.next.Sub(now)
	l.next = l.next.Add(time.Second / loadPerSecond)
	l.mu.Unlock()
	sleep(ctx, wait)
}

// sleep waits for d or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
