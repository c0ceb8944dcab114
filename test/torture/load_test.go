package torture

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall/test/fleet"
)

const loadSite = `keep: 3
tiers:
  cdn:
    batch: 1
    keep_old_files: {files: ["assets/*"], for: 1h}
    verify:
      - http: http://{address}:{web}/health
  app:
    batch: [1, 2]
    min_in_service: 1
    drain: {haproxy: "{{haproxy}}", backend: app, wait: 20s}
    verify:
      - http: http://{address}:{web}/health
`

func shop(t *testing.T) (*fleet.World, func(int) map[string]string) {
	w := fleet.New(t, fleet.Options{CDN: 2, App: 3, Site: loadSite, Web: fleet.Nginx, BalanceCDN: true})
	return w, w.Shop
}

// Visitors ask for pages and what they name through the whole of many rolls, and none
// of them may see anything of it.
func TestUnderLoad(t *testing.T) {
	t.Parallel()
	rolls, rollbacks := 3, 1
	if *all {
		rolls, rollbacks = 50, 20
	}
	w, tree := shop(t)
	w.Repo.Commit(tree)
	w.Must(0, "roll", fleet.Environment, "--yes")
	w.Ready()
	began := time.Now()
	visitors := w.Visit()
	back := 0
	for i := range rolls {
		w.Repo.Commit(tree)
		w.Must(0, "roll", fleet.Environment, "--yes", "--accept-risk=rolled-back")
		if (i+1)*rollbacks/rolls > back {
			back++
			w.Must(0, "rollback", fleet.Environment, "--yes")
		}
	}
	counts := visitors.Stop()
	t.Logf("COUNT: %d rolls and %d rollbacks in %.0f s under load: %s", rolls, back, time.Since(began).Seconds(), counts)
	if !counts.Clean() {
		t.Errorf("visitors saw it\n%s", strings.Join(counts.First, "\n"))
	}
	if back != rollbacks || len(counts.Releases) < rolls/2 || counts.Assets < counts.Pages {
		t.Errorf("%d rollbacks, pages of %d releases: the test looks in the wrong place", back, len(counts.Releases))
	}
}

// The same visitors see what rsync does to the same site: their silence above means something.
func TestUnderLoadRsyncIsSeen(t *testing.T) {
	t.Parallel()
	rounds := 3
	if *all {
		rounds = 20
	}
	w, tree := shop(t)
	rsync := func() {
		for _, n := range w.Nodes { // the CDN first, and one after the other, as somebody would who means well
			if out, err := exec.Command("rsync", "-a", "--delete", "--exclude=.git", w.Path("www")+"/", n.Srv("current")+"/").CombinedOutput(); err != nil {
				t.Fatalf("rsync: %v\n%s", err, out)
			}
		}
	}
	for _, n := range w.Nodes {
		if err := os.MkdirAll(n.Srv("current"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.Repo.Commit(tree)
	rsync()
	w.Ready()
	visitors := w.Visit()
	for range rounds {
		w.Repo.Commit(tree)
		rsync()
		time.Sleep(200 * time.Millisecond) // visitors between two rounds
	}
	counts := visitors.Stop()
	t.Logf("COUNT: %d times rsync -a --delete under load: %s", rounds, counts)
	if counts.Mixed+counts.Missing == 0 {
		t.Errorf("rsync in place, and nobody saw it: %s", counts)
	}
}
