package svn

import (
	"net/url"
	"path/filepath"
	"testing"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/vcs/vcstest"
)

// deskHistory is a world whose changesets are merged.
type deskHistory struct{ *world }

func newDeskHistory(t *testing.T) deskHistory {
	w := newWorld(t)
	w.svn("mkdir", "-q", "--username", "Ada", "-m", "begin", w.url("branches"))
	return deskHistory{w}
}

func (h deskHistory) Names() (trunk, production, developer string) {
	return "trunk", "branches/production", "branches/dev-dee"
}

func (h deskHistory) Commit(t *testing.T, c vcstest.Commit) string {
	t.Helper()
	h.svn("update", "-q")
	return history(h).Commit(t, c)
}

func (h deskHistory) Repository(t *testing.T) rollcall.Repository { return h.Merger(t) }

func (h deskHistory) Merger(t *testing.T) rollcall.Merger { return h.other(t) }

// other opens the repository as another machine would: with a mirror of its own.
func (h deskHistory) other(t *testing.T) *Repository {
	t.Helper()
	address := h.address
	if address == "" {
		address = h.dir
	}
	r, err := Open(t.Context(), Options{Address: address, Mirror: filepath.Join(t.TempDir(), "www.svn"), Branches: []string{"branches/production", "trunk"}})
	if err != nil {
		t.Fatalf("%v\nhint: %s", err, rollcall.HintOf(err))
	}
	return r
}

func (h deskHistory) Branch(t *testing.T, name, from string) {
	t.Helper()
	h.svn("copy", "-q", "--username", "Ada", "-m", "branch", h.url(from), h.url(name))
	h.svn("update", "-q")
}

func (h deskHistory) Bring(t *testing.T, from, into, id string, edits map[string]string) string {
	t.Helper()
	h.svn("update", "-q")
	h.svn("merge", "-q", "-c", id[1:], h.url(from), into)
	for name, content := range edits {
		h.write(into+"/"+name, content)
	}
	h.svn("add", "-q", "--force", "--no-auto-props", "--no-ignore", into)
	return h.commit("Cy", "brought "+id)
}

func TestMergerOnDisk(t *testing.T) {
	t.Parallel()
	vcstest.RunMerger(t, func(t *testing.T) vcstest.MergerHistory { return newDeskHistory(t) })
}

func TestMergerOnAServer(t *testing.T) {
	t.Parallel()
	vcstest.RunMerger(t, func(t *testing.T) vcstest.MergerHistory {
		h := newDeskHistory(t)
		h.address = serve(t, h.world, "[general]\nanon-access = write\n") + "/" + url.PathEscape(filepath.Base(h.dir))
		return h
	})
}
