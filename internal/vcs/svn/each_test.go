package svn

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

// What is tried at once comes out as what is tried alone, and leaves nothing behind.
func TestEach(t *testing.T) {
	d := newDesk(t, map[string]string{"a": "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "d/x": "x\n", "d/y": "y\n", "gone": "g\n"})
	var steps []rollcall.DeskStep
	step := func(id string) { steps = append(steps, pick(id)) }
	step(d.change("trunk", map[string]string{"a": "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"}))
	step(d.change("trunk", map[string]string{"a": "1\n2\n3\n4\nFIVE\n6\n7\n8\n9\n"})) // needs the one before
	step(d.change("trunk", map[string]string{"n/deep/er": "n\n", "d/x": "X\n"}))
	step(d.by("Bo", []string{"rm", "-q", "trunk/d"}))
	step(d.by("Bo", []string{"propset", "-q", "color", "red", "trunk/a"}))
	step(d.by("Bo", []string{"propset", "-q", "svn:ignore", "red", "trunk"}))
	step(d.by("Bo", []string{"mv", "-q", "trunk/gone", "trunk/g2"}))
	step(d.change("trunk", map[string]string{"same": "s\n"}))
	step(d.by("Bo", []string{"propset", "-q", propBlocked, "1 by bo: x", "trunk"}))
	d.change(production, map[string]string{"same": "s\n", "d/y": "Y\n"})
	d.fresh()
	var want []rollcall.Applied
	for _, one := range steps {
		want = append(want, d.apply(one))
		d.reset()
	}
	if !want[0].Changed || len(want[1].Conflicts) != 1 || want[7].Changed || want[8].Changed || len(want[3].Conflicts) == 0 {
		t.Fatalf("the test does not test: %+v", want)
	}
	got := make([]rollcall.Applied, len(steps))
	err := d.b.Each(t.Context(), append(slices.Clone(steps), pick("r99999")), func(i int, applied rollcall.Applied, err error) {
		switch {
		case i == len(steps):
			if rollcall.KindOf(err) != rollcall.KindNotFound {
				t.Errorf("a step that is none: %v", err)
			}
		case err != nil:
			t.Errorf("step %d: %v", i, err)
		default:
			got[i] = applied
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range steps {
		if got[i].Changed != want[i].Changed || len(got[i].Conflicts) != len(want[i].Conflicts) {
			t.Errorf("step %d: %+v, alone %+v", i, got[i], want[i])
		}
		for n, c := range got[i].Conflicts {
			if c.Fingerprint() != want[i].Conflicts[n].Fingerprint() || c.Words != want[i].Conflicts[n].Words {
				t.Errorf("step %d: %+v, alone %+v", i, c, want[i].Conflicts[n])
			}
		}
	}
	if err := d.b.mustBeClean(t.Context()); err != nil {
		t.Error(err)
	}
	// What is on the bench stays there.
	d.clean(steps[0])
	if err := d.b.Each(t.Context(), steps[1:2], func(_ int, applied rollcall.Applied, err error) {
		if err != nil || len(applied.Conflicts) != 1 {
			t.Errorf("on the base alone: %+v, %v", applied, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	d.clean(steps[1])
}

// BenchmarkDesk measures a trunk of 2,000 files on a server, 100 changesets ahead of production.
func BenchmarkDesk(b *testing.B) {
	d := benchmarkDesk(b)
	ctx := b.Context()
	all, err := d.r.Standees(ctx, "trunk", production, false)
	if err != nil {
		b.Fatal(err)
	}
	var steps []rollcall.DeskStep
	for _, s := range all {
		steps = append(steps, pick(s.ID))
	}
	b.Run("standees", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.r.Standees(ctx, "trunk", production, false); err != nil {
				b.Fatal(err)
			}
		}
	})
	bench, err := d.r.bench(ctx, "", production, d.r.head)
	if err != nil {
		b.Fatal(err)
	}
	defer bench.Close()
	b.Run("each", func(b *testing.B) {
		for b.Loop() {
			if err := bench.Each(ctx, steps, func(_ int, _ rollcall.Applied, err error) {
				if err != nil {
					b.Error(err)
				}
			}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*len(steps)), "ms/changeset")
	})
	b.Run("apply", func(b *testing.B) {
		for b.Loop() {
			if _, err := bench.Apply(ctx, steps[0], nil); err != nil {
				b.Fatal(err)
			}
			if err := bench.Reset(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("freeze", func(b *testing.B) {
		for b.Loop() {
			if _, err := bench.Freeze(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("touched", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := d.r.Touched(ctx, "trunk", production, steps[i%len(steps)].ID); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchmarkDesk(b *testing.B) *desk {
	b.Helper()
	w := newWorld(b)
	d := &desk{deskHistory: deskHistory{w}}
	files := map[string]string{}
	for i := range 2000 {
		content := ""
		for line := range 200 {
			content += fmt.Sprintln(i, line)
		}
		files[fmt.Sprintf("d%d/f%d", i%40, i)] = content
	}
	w.svn("mkdir", "-q", "-m", "begin", w.url("branches"))
	w.svn("update", "-q")
	for name, content := range files {
		w.write("trunk/"+name, content)
	}
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "begin")
	w.svn("copy", "-q", "-m", "branch", w.url("trunk"), w.url(production))
	w.svn("update", "-q")
	for i := range 100 {
		name := fmt.Sprintf("d%d/f%d", i%40, i)
		w.write("trunk/"+name, files[name]+fmt.Sprintln("more", i))
		w.commit("Bo", "change")
	}
	d.address = serve(b, w, "[general]\nanon-access = write\n") + "/" + url.PathEscape(filepath.Base(w.dir))
	r, err := Open(b.Context(), Options{Address: d.address, Mirror: filepath.Join(b.TempDir(), "m")})
	if err != nil {
		b.Fatal(err)
	}
	d.r = r
	if _, err := r.Tip(b.Context(), production); err != nil { // as avail does
		b.Fatal(err)
	}
	return d
}
