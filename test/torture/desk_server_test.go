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
func TestDeskServerKilledOnSVN(t *testing.T) {
	t.Parallel()
	for _, d := range deskings {
		if d.short || *all {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				w := fleet.NewDesk(t, "svn", programsFor(t))
				d.serverDies(t, w, w.Serve())
			})
		}
	}
}

func (d desking) serverDies(t *testing.T, w *fleet.DeskWorld, server *fleet.Server) {
	if !d.cold {
		for _, text := range d.before {
			d.prepare(w, text)
		}
	}
	w.Save()
	r, served, commits := server.Counted(w.Words(d.command)...)
	if r.Exit != d.exit {
		t.Fatalf("undisturbed it ended with %d, want %d\n%s%s", r.Exit, d.exit, r.Out, r.Err)
	}
	after := w.DeskDigest()
	d.goOn(w)
	is := w.Digest()

	positions := serverPositions(served, commits)
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
		d.takeUp(t, w, p.String(), strings.Contains(string(p.Phase), "late"), after, is)
		return reached
	})
	t.Logf("COUNT: %s on svn, its server died at %d of %d positions (%d connections), as it should be after %d, not reached %d, exits %v, in %.0f s",
		d.name, tried, len(positions), len(served), done, missed, ends, time.Since(began).Seconds())
}

// serverPositions are all, or those of the commit that tell most.
func serverPositions(served []fleet.Served, commits bool) (positions []fleet.ServerPosition) {
	add := func(p fleet.ServerPosition) {
		positions = append(positions, p)
		if p.Gone = true; *all {
			positions = append(positions, p)
		}
	}
	if commits {
		for _, phase := range []fleet.Phase{fleet.PostCommit, fleet.Late} {
			add(fleet.ServerPosition{Phase: phase})
		}
	}
	if !*all {
		return positions
	}
	if commits {
		for _, phase := range []fleet.Phase{fleet.StartCommit, fleet.PreCommit, fleet.Later, fleet.TooLate} {
			add(fleet.ServerPosition{Phase: phase})
		}
	}
	for i, one := range served {
		positions = append(positions,
			fleet.ServerPosition{Nth: i + 1, Phase: fleet.Told, Bytes: one.Told / 2},
			fleet.ServerPosition{Nth: i + 1, Phase: fleet.Answering, Bytes: one.Said / 2, Gone: true},
			fleet.ServerPosition{Nth: i + 1, Phase: fleet.Unheard, Bytes: one.Said - 1})
	}
	return positions
}
