package fleet

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	visitors  = 8
	perSecond = 400 // requests of all visitors together; the machine has other work to do
)

// Shop is a site of pages that are put together from parts, all of which carry the
// stamp of their release, and of assets on the CDN whose names hold their hash.
func (w *World) Shop(number int) map[string]string {
	cdn := fmt.Sprintf("http://127.0.0.1:%d", w.HAProxy.Ports["cdn"])
	files := map[string]string{"health": "ok\n", "RELEASE": fmt.Sprintf("%d\n", number)}
	var head strings.Builder
	for i := range 12 {
		changed := number / (i/3 + 1) // some with every release, some now and then
		content := fmt.Sprintf("/* asset %d, the %dth */\n%s", i, changed, strings.Repeat("a { b: c }\n", 50*i))
		name := fmt.Sprintf("assets/a%d.%x.css", i, sha256.Sum256([]byte(content)))
		name = name[:strings.LastIndexByte(name, '.')][:len(fmt.Sprintf("assets/a%d.", i))+8] + ".css"
		files[name] = content
		fmt.Fprintf(&head, "<link href=\"%s/%s\">\n", cdn, name)
	}
	stamp := fmt.Sprintf("<i data-release=\"%d\"></i>\n", number)
	files["parts/header.html"] = stamp + head.String()
	files["parts/footer.html"] = stamp
	for i := range 20 {
		files[fmt.Sprintf("page%d.html", i)] = "<!--#include virtual=\"/parts/header.html\" -->\n" + stamp + strings.Repeat("<p>text</p>\n", 40) +
			"<!--#include virtual=\"/parts/footer.html\" -->\n"
	}
	for i := range 200 {
		files[fmt.Sprintf("lib/%02d/%d.php", i%20, i)] = fmt.Sprintf("<?php // %d\n%s", number/(i%7+1), strings.Repeat("// code\n", 100))
	}
	return files
}

// Counts is what visitors got. The last three are zero while nobody saw anything wrong.
type Counts struct {
	Pages, Assets          int
	Errors, Mixed, Missing int
	First                  []string // the first problems
	Releases               map[string]bool
}

// Clean tells whether nobody saw anything wrong.
func (c Counts) Clean() bool { return c.Errors+c.Mixed+c.Missing == 0 }

func (c Counts) String() string {
	return fmt.Sprintf("%d pages and %d assets: %d errors, %d pages made of two releases, %d missing assets", c.Pages, c.Assets, c.Errors, c.Mixed, c.Missing)
}

// Visitors ask for pages through HAProxy, and then for all that these name.
type Visitors struct {
	url    string
	client *http.Client
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu     sync.Mutex
	counts Counts
	next   time.Time
}

// Visit lets visitors in until Stop.
func (w *World) Visit() *Visitors {
	ctx, cancel := context.WithCancel(context.Background())
	v := &Visitors{
		url: fmt.Sprintf("http://127.0.0.1:%d", w.HAProxy.Ports["app"]), cancel: cancel,
		client: &http.Client{Timeout: Patience, Transport: &http.Transport{MaxIdleConnsPerHost: visitors, DisableCompression: true}},
		counts: Counts{Releases: map[string]bool{}},
	}
	for range visitors {
		v.wait.Go(func() {
			for ctx.Err() == nil {
				v.visit(ctx)
			}
		})
	}
	return v
}

// Stop sends them away.
func (v *Visitors) Stop() Counts {
	v.cancel()
	v.wait.Wait()
	v.client.CloseIdleConnections()
	return v.counts
}

var (
	stamps = regexp.MustCompile(`data-release="(\d+)"`)
	named  = regexp.MustCompile(`href="(http[^"]+)"`)
	hash   = regexp.MustCompile(`\.([0-9a-f]{8})\.css$`)
)

func (v *Visitors) visit(ctx context.Context) {
	page := fmt.Sprintf("%s/page%d.html", v.url, rand.N(20))
	status, body, err := v.get(ctx, page)
	if ctx.Err() != nil {
		return // an answer cut short says nothing
	}
	found := stamps.FindAllStringSubmatch(body, -1)
	assets := named.FindAllStringSubmatch(body, -1)
	v.mu.Lock()
	v.counts.Pages++
	switch {
	case err != nil || status != http.StatusOK:
		v.counts.Errors++
		v.tell("%s: %d %v", page, status, err)
	case len(found) == 3 && found[0][1] == found[1][1] && found[1][1] == found[2][1] && len(assets) > 0:
		v.counts.Releases[found[0][1]] = true
	case len(found) > 0:
		v.counts.Mixed++
		v.tell("%s: made of %v", page, found)
	default:
		v.counts.Errors++
		v.tell("%s: not a page of the site: %.100q", page, body)
	}
	v.mu.Unlock()
	// A browser asks for what a page names a moment later: long enough for a switch in between.
	select {
	case <-time.After(rand.N(50 * time.Millisecond)):
	case <-ctx.Done():
		return
	}
	for _, asset := range assets {
		status, body, err := v.get(ctx, asset[1])
		if ctx.Err() != nil {
			return
		}
		v.mu.Lock()
		v.counts.Assets++
		name := hash.FindStringSubmatch(path.Base(asset[1]))
		switch {
		case err == nil && status == http.StatusNotFound:
			v.counts.Missing++
			v.tell("%s of %s is missing", asset[1], page)
		case err != nil || status != http.StatusOK:
			v.counts.Errors++
			v.tell("%s: %d %v", asset[1], status, err)
		case name == nil || !strings.HasPrefix(fmt.Sprintf("%x", sha256.Sum256([]byte(body))), name[1]):
			v.counts.Errors++
			v.tell("%s has not the content that its name promises", asset[1])
		}
		v.mu.Unlock()
	}
}

// tell keeps the first problems. It is called under mu.
func (v *Visitors) tell(format string, args ...any) {
	if len(v.counts.First) < 10 {
		v.counts.First = append(v.counts.First, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

func (v *Visitors) get(ctx context.Context, url string) (status int, body string, err error) {
	v.mu.Lock()
	now := time.Now()
	if v.next.Before(now) {
		v.next = now
	}
	wait := v.next.Sub(now)
	v.next = v.next.Add(time.Second / perSecond)
	v.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return 0, "", ctx.Err()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := v.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b), err
}
