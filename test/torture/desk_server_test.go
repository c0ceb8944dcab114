package torture

import (
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall/test/fleet"
)

// Subversion's server dies under every command of the desk: in the middle of each
// connection, and at each hook of a commit, so also where the revision is made and the
// answer lost; or the connection is lost, and it commits when nobody waits for it any
// more. Then a person gives the same command again, and the day must end as ever.
func TestDeskServerKilledOnSVN(t *testing.T) { deskServerMatrix(t, "svn") }

// Apache takes a commit in many requests, and svn may ask once more what it has lost.
func TestDeskServerKilledOnHTTP(t *testing.T) {
	needsAll(t)
	deskServerMatrix(t, "http")
}

func deskServerMatrix(t *testing.T, scheme string) {
	t.Parallel()
	for _, d := range deskings {
		if d.short || *all {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				w := fleet.NewDesk(t, "svn", programsFor(t))
				d.serverDies(t, w, scheme)
			})
		}
	}
}

func (d desking) serverDies(t *testing.T, w *fleet.DeskWorld, scheme string) {
	server := w.Serve(scheme)
	if !d.cold {
		for _, text := range d.before {
			d.prepare(w, text)
		}
	}
	w.Save()
	r, served := server.Counted(w.Words(d.command)...)
	if r.Exit != d.exit {
		t.Fatalf("undisturbed it ended with %d, want %d\n%s%s", r.Exit, d.exit, r.Out, r.Err)
	}
	after := w.DeskDigest()
	d.goOn(w)
	is := w.Digest()

	positions := serverPositions(served)
	began, ends := time.Now(), map[int]int{}
	tried, done, missed := inPieces(t, positions, func(t *testing.T, p fleet.ServerPosition) bool {
		w := w.For(t)
		w.Restore()
		r, reached := server.Kill(p, w.Words(d.command)...)
		if !reached && p.Nth == 0 {
			t.Fatalf("it was never reached: the run ended with %d\n%s\n%s", r.Exit, r.Out, r.Err)
		}
		if reached {
			ends[r.Exit]++
		}
		if r.Exit != d.exit && r.Exit != 1 {
			t.Errorf("the server died, and it ended with %d\n%s\n%s", r.Exit, r.Out, r.Err)
		}
		w.Must(0, "desk", "www") // it stands in the record
		server.Back()
		d.takeUp(t, w, p.String(), strings.Contains(string(p.Phase), "late"), after, is)
		return reached
	})
	t.Logf("COUNT: %s on %s://, its server died at %d of %d positions (%d connections), as it should be after %d, not reached %d, exits %v, in %.0f s",
		d.name, scheme, tried, len(positions), len(served), done, missed, ends, time.Since(began).Seconds())
}

// lastWords are bytes that end an answer. Over HTTP svn waits for ever, and busily, where
// only the last one or two are missing.
const lastWords = 10

// serverPositions are all, or those of the commit that tell most. To a command a
// connection that only reads is lost in one way.
func serverPositions(served []fleet.Served) (positions []fleet.ServerPosition) {
	for i, one := range served {
		for _, phase := range []fleet.Phase{fleet.Renaming, fleet.Syncing} {
			for n := range one.Calls[phase] {
				if *all {
					positions = append(positions, fleet.ServerPosition{Nth: i + 1, Phase: phase, Bytes: n + 1})
				}
			}
		}
		if one.Commits {
			for _, phase := range []fleet.Phase{fleet.PostCommit, fleet.Late, fleet.StartCommit, fleet.PreCommit, fleet.Later, fleet.TooLate} {
				positions = append(positions, fleet.ServerPosition{Phase: phase}, fleet.ServerPosition{Phase: phase, Gone: true})
				if phase == fleet.Late && !*all {
					return positions
				}
			}
			positions = append(positions,
				fleet.ServerPosition{Nth: i + 1, Phase: fleet.Told, Bytes: one.Told / 2},
				fleet.ServerPosition{Nth: i + 1, Phase: fleet.Unheard, Bytes: one.Said - lastWords})
		}
		if *all {
			positions = append(positions, fleet.ServerPosition{Nth: i + 1, Phase: fleet.Answering, Bytes: one.Said / 2, Gone: i%2 == 0})
		}
	}
	return positions
}
