package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Sight is what a person sees of a page who asks for it once.
type Sight struct {
	Status int
	Node   string // who answered
	Stamp  string // of the build; empty: no page came
	Assets []string
}

// Look asks for a page.
func Look(ctx context.Context, url string) (Sight, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Sight{}, fmt.Errorf("cannot ask for %s: %w", url, err)
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Sight{}, fmt.Errorf("cannot ask for %s: %w", url, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return Sight{}, fmt.Errorf("cannot read %s: %w", url, err)
	}
	seen := Sight{Status: response.StatusCode, Node: response.Header.Get("X-Node"), Assets: all(assetsOfPage, string(body))}
	if stamps := all(stampsOfPage, string(body)); len(stamps) > 0 {
		seen.Stamp = stamps[0]
	}
	return seen, nil
}
