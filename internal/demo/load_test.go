package demo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestInPlaceWritesTurnTheLoopRed shows that the visitors would see what Rollcall promises
// to keep from them: the same walk, with files written in place, must not stay clean.
func TestInPlaceWritesTurnTheLoopRed(t *testing.T) {
	folders := checkouts(t)
	f := startFleet(t)
	write := func(folder string) {
		for _, node := range f.Nodes {
			if err := WriteInPlace(t.Context(), os.DirFS(folder), node.Current()); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(folders[0])
	if err := f.WaitInService(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	load := StartLoad(t.Context(), f)
	defer load.Stop()
	eventually(t, "pages are read", func() bool { return load.Counts().Pages > 20 })
	if counts := load.Counts(); !counts.Clean() {
		t.Fatalf("not clean before anything was written: %+v", counts)
	}
	// A few writes are enough as a rule; on a busy machine the visitors may be elsewhere.
	ctx := within(t, 20*time.Second)
	rounds := 0
	for counts := load.Counts(); counts.Mixed == 0 || counts.Missing == 0; counts = load.Counts() {
		if ctx.Err() != nil {
			break
		}
		rounds++
		write(folders[rounds%3])
	}
	counts := load.Stop()
	t.Logf("after %d writes: %+v", rounds, counts)
	if counts.Mixed+counts.Missing == 0 {
		t.Error("the visitors saw nothing wrong with files written in place")
	}
}

// TestTheLoopTellsWhatIsWrong spoils one thing at a time, so that each count is known to count.
func TestTheLoopTellsWhatIsWrong(t *testing.T) {
	folders := checkouts(t)
	for name, test := range map[string]struct {
		tier, file string
		spoil      func(file string) error
		seen       func(Counts) bool
	}{
		"a footer of another release": {
			TierApp, "templates/footer.html",
			func(file string) error {
				return os.WriteFile(file, []byte(`<footer data-release="build-00"></footer>`), 0o644)
			},
			func(c Counts) bool { return c.Mixed > 0 && c.Errors+c.Missing == 0 },
		},
		"half a page": {
			TierApp, "templates/footer.html",
			func(file string) error { return os.Truncate(file, 0) },
			func(c Counts) bool { return c.Mixed > 0 && c.Errors+c.Missing == 0 },
		},
		"a stylesheet gone": {
			TierCDN, "assets/app.*.css", os.Remove,
			func(c Counts) bool { return c.Missing > 0 && c.Errors+c.Mixed == 0 },
		},
		"a stylesheet with other content": {
			TierCDN, "assets/app.*.css",
			func(file string) error { return os.Truncate(file, 10) },
			func(c Counts) bool { return c.Errors > 0 && c.Missing+c.Mixed == 0 },
		},
		"code that fails everywhere": {
			TierApp, "config/app.conf",
			func(file string) error { return os.WriteFile(file, []byte("databse = teapots\n"), 0o644) },
			func(c Counts) bool { return c.Errors > 0 && c.Missing+c.Mixed == 0 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFleet(t)
			for _, node := range f.Nodes {
				switchTo(t, node, folders[0])
			}
			if err := f.WaitInService(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			for _, node := range f.Tier(test.tier) {
				files, err := filepath.Glob(filepath.Join(node.Current(), test.file))
				if err != nil || len(files) != 1 {
					t.Fatal(files, err)
				}
				if err := test.spoil(files[0]); err != nil {
					t.Fatal(err)
				}
			}
			load := StartLoad(t.Context(), f)
			defer load.Stop()
			eventually(t, "something is wrong", func() bool { return !load.Counts().Clean() })
			if counts := load.Stop(); !test.seen(counts) || counts.First == "" {
				t.Errorf("visitors saw: %+v", counts)
			}
		})
	}
}

// TestAtomicSwitchKeepsTheLoopGreen is its twin: releases switched by a link, the CDN first
// and with the assets of the release before.
func TestAtomicSwitchKeepsTheLoopGreen(t *testing.T) {
	folders := checkouts(t)
	f := startFleet(t)
	for _, node := range f.Nodes {
		switchTo(t, node, folders[0])
	}
	if err := f.WaitInService(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	load := StartLoad(t.Context(), f)
	defer load.Stop()
	for _, folder := range []string{folders[1], folders[2], folders[0]} {
		for _, node := range f.Nodes {
			switchTo(t, node, folder)
			before := load.Counts().Pages
			eventually(t, "pages are read after a switch", func() bool { return load.Counts().Pages > before+10 })
		}
	}
	counts := load.Stop()
	t.Logf("%+v", counts)
	if !counts.Clean() || counts.Pages < 150 || counts.Assets < counts.Pages {
		t.Errorf("visitors saw: %+v", counts)
	}
}

// TestABadReleaseIsCaughtByItsHealthCheck takes it to one node, whose neighbours answer for
// it, and back.
func TestABadReleaseIsCaughtByItsHealthCheck(t *testing.T) {
	folders := checkouts(t)
	f := startFleet(t)
	app1 := f.Node("app1")
	if status, _ := ask(t, app1.WebURL()+"/health"); status != 503 {
		t.Errorf("before the first release a node answers %d, want 503", status)
	}
	if status, _ := ask(t, f.PagesURL); status != 503 {
		t.Errorf("before the first release the balancer answers %d, want 503", status)
	}
	for _, node := range f.Nodes {
		switchTo(t, node, folders[2])
	}
	if err := f.WaitInService(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if status, body := ask(t, app1.WebURL()+"/health"); status != 200 || body != "ok "+stamp(t, folders[2])+"\n" {
		t.Errorf("a good release: %d %q", status, body)
	}
	load := StartLoad(t.Context(), f)
	defer load.Stop()

	switchTo(t, app1, folders[3])
	for _, path := range []string{"/health", "/", "/about"} {
		status, body := ask(t, app1.WebURL()+path)
		if status != 500 || strings.TrimSpace(body) != "config/app.conf: there is no database warehouse on app1" {
			t.Errorf("a bad release: %s: %d %q", path, status, body)
		}
	}
	before := load.Counts().Pages
	eventually(t, "the other nodes answer", func() bool { return load.Counts().Pages > before+50 })

	switchTo(t, app1, folders[2])
	if err := f.WaitInService(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if counts := load.Stop(); !counts.Clean() {
		t.Errorf("visitors saw: %+v", counts)
	}
}

// switchTo lays a tree into a release of its own and renames a link to it.
func switchTo(t *testing.T, node *Node, folder string) {
	t.Helper()
	releases := filepath.Join(node.WWW, "releases")
	if err := os.MkdirAll(releases, 0o755); err != nil {
		t.Fatal(err)
	}
	release, err := os.MkdirTemp(releases, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(release, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if node.Tier == TierCDN {
		keepOldAssets(t, node.Current(), release)
	}
	link := release + ".link"
	if err := os.Symlink(release, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link, node.Current()); err != nil {
		t.Fatal(err)
	}
}

// keepOldAssets links what current has and release lacks, as keep_old_files does.
func keepOldAssets(t *testing.T, current, release string) {
	t.Helper()
	for _, kind := range []string{"assets", "img"} {
		names, err := filepath.Glob(filepath.Join(current, kind, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			err := os.Link(name, filepath.Join(release, kind, filepath.Base(name)))
			if err != nil && !errors.Is(err, fs.ErrExist) {
				t.Fatal(err)
			}
		}
	}
}
