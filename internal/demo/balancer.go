package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"
)

const (
	healthEvery  = 100 * time.Millisecond
	healthWithin = time.Second
)

// balancer hands requests to the nodes of a tier in turn. A node is in service while its
// /health says 200.
//
// A node that answers a GET with 5xx, or not at all, is out of service until its health
// check passes again, and the next node is asked instead: HAProxy does so with `option
// redispatch`, `retry-on 500` and `observe layer7`. The demo needs it because Rollcall's
// drains come in a later version: a node with bad code would otherwise be asked by
// visitors between its switch and its next health check. Any other answer is the answer,
// 404 too: a missing asset is seen as one.
type balancer struct {
	proxy     http.Handler
	transport *http.Transport
	backends  []*backend
	turn      atomic.Uint64

	mu      sync.Mutex
	changed chan struct{} // closed and made anew when a node goes in or out of service

	cancel  context.CancelFunc
	polling sync.WaitGroup
}

type backend struct {
	node      *Node
	inService bool // under the balancer's mu
}

var errNoNode = errors.New("no node is in service")

// newBalancer starts the health checks of nodes.
func newBalancer(nodes []*Node) *balancer {
	ctx, cancel := context.WithCancel(context.Background())
	b := &balancer{
		transport: &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true},
		changed:   make(chan struct{}),
		cancel:    cancel,
	}
	b.proxy = &httputil.ReverseProxy{
		Rewrite:   func(*httputil.ProxyRequest) {}, // RoundTrip says where to
		Transport: b,
		ErrorLog:  nowhere,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			status := http.StatusBadGateway
			if errors.Is(err, errNoNode) {
				status = http.StatusServiceUnavailable
			}
			http.Error(w, err.Error(), status)
		},
	}
	for _, node := range nodes {
		one := &backend{node: node}
		b.backends = append(b.backends, one)
		b.polling.Go(func() { b.poll(ctx, one) })
	}
	return b
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.proxy.ServeHTTP(w, r) }

// RoundTrip asks the node whose turn it is, and for a GET the others after it.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	candidates := b.candidates()
	if len(candidates) == 0 {
		return nil, errNoNode
	}
	if r.Method != http.MethodGet || r.Body != nil { // can't be asked again
		candidates = candidates[:1]
	}
	for i, one := range candidates {
		to := r.Clone(r.Context())
		to.URL.Scheme, to.URL.Host = "http", fmt.Sprintf("%s:%d", host, one.node.WebPort)
		answer, err := b.transport.RoundTrip(to)
		if r.Context().Err() != nil {
			return answer, err // the visitor went away, which says nothing about the node
		}
		if err == nil && answer.StatusCode < http.StatusInternalServerError {
			return answer, nil
		}
		b.setInService(one, false)
		if i == len(candidates)-1 {
			return answer, err
		}
		if err == nil {
			_ = answer.Body.Close()
		}
	}
	panic("unreachable: the last candidate's answer is returned")
}

// candidates are the backends in service, from the one whose turn it is.
func (b *balancer) candidates() []*backend {
	first := b.turn.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	var in []*backend
	for i := range b.backends {
		one := b.backends[(first+uint64(i))%uint64(len(b.backends))]
		if one.inService {
			in = append(in, one)
		}
	}
	return in
}

func (b *balancer) setInService(one *backend, inService bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one.inService != inService {
		one.inService = inService
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// poll checks the health of one node until ctx is done.
func (b *balancer) poll(ctx context.Context, one *backend) {
	ticker := time.NewTicker(healthEvery)
	defer ticker.Stop()
	for {
		b.setInService(one, b.healthy(ctx, one.node))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (b *balancer) healthy(ctx context.Context, node *Node) bool {
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, node.WebURL()+"/health", nil)
	if err != nil {
		return false
	}
	answer, err := b.transport.RoundTrip(request)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// waitInService returns when every node is in service.
func (b *balancer) waitInService(ctx context.Context) error {
	for {
		b.mu.Lock()
		changed, out := b.changed, ""
		for _, one := range b.backends {
			if !one.inService {
				out = one.node.Name
				break
			}
		}
		b.mu.Unlock()
		if out == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not in service: %w", out, context.Cause(ctx))
		case <-changed:
		}
	}
}

// Close ends the health checks. The server before the balancer must have ended.
func (b *balancer) Close() error {
	b.cancel()
	b.polling.Wait()
	b.transport.CloseIdleConnections()
	return nil
}
