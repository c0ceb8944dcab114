package gate

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/rollcall-dev/rollcall"
)

// proveAtOnce is how many connections ask together: each is likely to meet another
// worker of the web server.
const proveAtOnce = 4

// prove asks over many connections, some at a time, and wants every answer to name the
// release: a worker that still serves the old one must not go unseen.
func prove(ctx context.Context, p rollcall.Probe, release rollcall.ReleaseID) error {
	ctx, cancel := context.WithTimeout(ctx, max(tryLimit, p.Within))
	defer cancel()
	var wait sync.WaitGroup
	var mu sync.Mutex
	var first error
	slots := make(chan struct{}, proveAtOnce)
	for range p.Proves {
		slots <- struct{}{}
		mu.Lock()
		failed := first != nil
		mu.Unlock()
		if failed {
			break
		}
		wait.Go(func() {
			defer func() { <-slots }()
			if err := names(ctx, p, release); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if first == nil {
					first = err
				}
			}
		})
	}
	wait.Wait()
	return first
}

func names(ctx context.Context, p rollcall.Probe, release rollcall.ReleaseID) error {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	got, err := ask(ctx, p)
	if err != nil {
		return err
	}
	if err := got.expected(p); err != nil {
		return err
	}
	if !strings.Contains(got.body, string(release)) {
		return fmt.Errorf("a worker does not serve %s yet: it answers %s", release.Short(), excerpt(got.body))
	}
	return nil
}
