package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	visitors      = 8
	loadPerSecond = 600 // requests of all visitors together; the machine has other work to do
	visitorWaits  = 10 * time.Second
	toldInFull    = 5 // problems that Counts.First keeps
)

var (
	stampsOfPage = regexp.MustCompile(`data-release="([^"]*)"`)
	assetsOfPage = regexp.MustCompile(`(?:href|src)="([^"]+\.[a-z]+)"`)
	hashOfAsset  = regexp.MustCompile(`\.([0-9a-f]{8})\.[a-z]+$`)
)

// stampedParts are the parts of a page that carry a stamp: header, content and footer.
const stampedParts = 3

// Counts is what visitors got so far. The last three are zero while nobody saw anything wrong.
type Counts struct {
	Pages   int    // answers to requests for pages, whatever they were
	Assets  int    // likewise for what pages name
	Errors  int    // no answer, a status that is neither 200 nor 404 of an asset, wrong content
	Mixed   int    // pages made of more than one release
	Missing int    // assets that a page names and the CDN does not have
	First   string // the first problems, a line each
}

// Clean tells whether nobody saw anything wrong.
func (c Counts) Clean() bool { return c.Errors+c.Mixed+c.Missing == 0 }

// Load is a number of visitors who ask for pages and all that they name, over and over.
type Load struct {
	fleet   *Fleet
	client  *http.Client
	cancel  context.CancelFunc
	workers sync.WaitGroup

	mu     sync.Mutex
	counts Counts
	first  []string
	next   time.Time // when the next request may be sent
}

// StartLoad lets visitors in, until Stop or until ctx is done.
func StartLoad(ctx context.Context, f *Fleet) *Load {
	ctx, cancel := context.WithCancel(ctx)
	l := &Load{
		fleet: f,
		client: &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: visitors, DisableCompression: true},
			Timeout:   visitorWaits,
		},
		cancel: cancel,
	}
	for i := range visitors {
		l.workers.Go(func() { l.visit(ctx, i) })
	}
	return l
}

// Counts is what visitors got so far.
func (l *Load) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := l.counts
	counts.First = strings.Join(l.first, "\n")
	return counts
}

// Stop sends the visitors away, waits until they are gone, and returns the last counts. It
// may be called again.
func (l *Load) Stop() Counts {
	l.cancel()
	l.workers.Wait()
	l.client.CloseIdleConnections()
	return l.Counts()
}

// visit asks for one page after the other, beginning with another one than its neighbours.
func (l *Load) visit(ctx context.Context, i int) {
	pages := []string{"/", "/shop", "/about"}
	for ; ctx.Err() == nil; i++ {
		page := l.fleet.PagesURL + pages[i%len(pages)]
		assets := l.page(ctx, page)
		// A browser asks for what a page names a moment after the page: long enough for a
		// switch in between, which is when an asset must not be gone.
		sleep(ctx, rand.N(50*time.Millisecond))
		for _, asset := range assets {
			l.asset(ctx, page, asset)
		}
	}
}

// page asks for a page and returns the assets that it names.
func (l *Load) page(ctx context.Context, page string) (assets []string) {
	answer := l.get(ctx, page)
	if ctx.Err() != nil {
		return nil // an answer cut short by Stop says nothing
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Pages++
	if answer.err != nil || answer.status != http.StatusOK {
		l.counts.Errors++
		l.tell("%s: %s", page, answer)
		return nil
	}
	stamps := all(stampsOfPage, answer.body)
	for _, stamp := range stamps {
		if stamp != stamps[0] || len(stamps) != stampedParts {
			l.counts.Mixed++
			l.tell("%s from %s: made of %s", page, answer.node, strings.Join(stamps, ", "))
			break
		}
	}
	for _, asset := range all(assetsOfPage, answer.body) {
		if strings.HasPrefix(asset, l.fleet.CDNURL+"/") {
			assets = append(assets, asset)
		}
	}
	if len(stamps) == 0 || len(assets) == 0 {
		l.counts.Errors++
		l.tell("%s from %s: not a page of the site", page, answer.node)
	}
	return assets
}

// asset asks for an asset and holds it against the hash in its name.
func (l *Load) asset(ctx context.Context, page, asset string) {
	answer := l.get(ctx, asset)
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Assets++
	switch name := path.Base(asset); {
	case answer.err == nil && answer.status == http.StatusNotFound:
		l.counts.Missing++
		l.tell("%s names %s, which %s does not have", page, name, answer.node)
	case answer.err != nil || answer.status != http.StatusOK:
		l.counts.Errors++
		l.tell("%s: %s", asset, answer)
	case strings.Join(all(hashOfAsset, name), "") != shortHash([]byte(answer.body)):
		l.counts.Errors++
		l.tell("%s from %s: not the content that its name promises", asset, answer.node)
	}
}

// tell keeps the first problems. It is called under mu.
func (l *Load) tell(format string, arguments ...any) {
	if len(l.first) < toldInFull {
		l.first = append(l.first, fmt.Sprintf(format, arguments...))
	}
}

// all returns the first group of each match.
func all(pattern *regexp.Regexp, text string) (found []string) {
	for _, match := range pattern.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}
