package demo

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestAFleetEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	f, err := Start(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	addresses := []string{strings.TrimPrefix(f.PagesURL, "http://"), strings.TrimPrefix(f.CDNURL, "http://")}
	for _, node := range append(slices.Clone(f.Nodes), f.Staging) {
		names = append(names, node.Name)
		addresses = append(addresses, sshAddress(node), net.JoinHostPort(host, strconv.Itoa(node.WebPort)))
	}
	if want := []string{"cdn1", "cdn2", "app1", "app2", "app3", "app4", "stage1"}; !slices.Equal(names, want) {
		t.Errorf("nodes are %v, want %v", names, want)
	}
	if info, err := os.Stat(filepath.Join(dir, "site", "keys", "deploy")); err != nil || info.Mode() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
	cancel()
	for range 2 {
		if err := f.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	for _, address := range addresses {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			t.Errorf("something still listens on %s", address)
		}
	}
}

func TestAStagingNodeIsAWholeSite(t *testing.T) {
	folders := checkouts(t)
	f := startFleet(t)
	switchTo(t, f.Staging, folders[3]) // no visitor of it is anybody's
	seen, err := Look(t.Context(), f.Staging.WebURL()+"/about")
	if err != nil {
		t.Fatal(err)
	}
	if seen.Status != 200 || seen.Node != "stage1" || seen.Stamp != stamp(t, folders[3]) || len(seen.Assets) < 4 {
		t.Errorf("seen: %+v", seen)
	}
	for _, asset := range seen.Assets {
		if status, _ := ask(t, f.Staging.WebURL()+asset); status != 200 {
			t.Errorf("%s: %d", asset, status)
		}
	}
}

func TestACDNShowsTheAssetsAndNothingElse(t *testing.T) {
	folders := checkouts(t)
	f := startFleet(t)
	for _, node := range f.Tier(TierCDN) {
		switchTo(t, node, folders[0])
	}
	if err := f.cdn.waitInService(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/config/app.conf":               404,
		"/assets/":                       404,
		"/assets/../config/app.conf":     404,
		"/assets/%2e%2e/config/app.conf": 404,
		"/img/none.00000000.png":         404,
		"/health":                        200,
	} {
		if status, _ := ask(t, f.CDNURL+path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	// An asset that one node of two lacks is missing for every other visitor.
	logos, err := filepath.Glob(filepath.Join(f.Node("cdn2").Current(), "img", "logo.*.png"))
	if err != nil || len(logos) != 1 {
		t.Fatal(logos, err)
	}
	if err := os.Remove(logos[0]); err != nil {
		t.Fatal(err)
	}
	first, _ := ask(t, f.CDNURL+"/img/"+filepath.Base(logos[0]))
	second, _ := ask(t, f.CDNURL+"/img/"+filepath.Base(logos[0]))
	if first+second != 200+404 {
		t.Errorf("answers are %d and %d, want 200 and 404", first, second)
	}
}
