package node_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/fleet"
	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
)

// host is a node in this process and a session with it.
type host struct {
	rollcall.Session
	t      *testing.T
	dir    string
	layout rollcall.Layout
	state  string // of a layout in place
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, dir: filepath.Join(t.TempDir(), "srv")}
	h.Session = h.open(5)
	return h
}

func (h *host) open(sequence int64) rollcall.Session {
	h.t.Helper()
	node := rollcall.Node{Name: "n", Address: "localhost", Folder: h.dir, Layout: h.layout}
	s, err := fleet.New(&fleettest.Local{State: h.state}).Open(h.t.Context(), node)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { s.Close() })
	s.Claim(rollcall.Token{Record: "r1", Sequence: sequence})
	return s
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

// bring receives a release and makes it live.
func (h *host) bring(from, to *fleettest.Tree, keep *rollcall.KeepOldFiles, link ...string) rollcall.Received {
	h.t.Helper()
	d := to.DeliverFrom(from)
	d.Link = link
	received, err := h.Receive(h.t.Context(), d, func(string, int64) {})
	if err != nil {
		h.t.Fatal(err)
	}
	h.roll(from, to, keep)
	return received
}

func (h *host) roll(from, to *fleettest.Tree, keep *rollcall.KeepOldFiles) {
	h.t.Helper()
	var live rollcall.ReleaseID
	if from != nil {
		live = from.ID
	}
	if _, err := h.Switch(h.t.Context(), live, to.ID, keep); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) want(name, content string) {
	h.t.Helper()
	if text, err := os.ReadFile(h.path(name)); err != nil || string(text) != content {
		h.t.Errorf("%s is %q, %v; want %q", name, text, err, content)
	}
}

func (h *host) gone(name string) {
	h.t.Helper()
	if _, err := os.Lstat(h.path(name)); !errors.Is(err, os.ErrNotExist) {
		h.t.Errorf("%s is there: %v", name, err)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func inode(t *testing.T, name string) uint64 {
	t.Helper()
	info, err := os.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

func TestEqualFilesAreOneOnTheDisk(t *testing.T) {
	h := newHost(t)
	one := fleettest.NewTree(map[string]string{"same": "s", "moved": "m", "mode": "x", "changed": "1"})
	two := fleettest.NewTree(map[string]string{"same": "s", "dir/moved": "m", "mode*": "x", "changed": "2"})
	h.bring(nil, one, nil)
	h.bring(one, two, nil)
	old, next := "releases/"+string(one.ID)+"/", "releases/"+string(two.ID)+"/"
	for from, to := range map[string]string{"same": "same", "moved": "dir/moved"} {
		if inode(t, h.path(old+from)) != inode(t, h.path(next+to)) {
			t.Errorf("%s and %s are two files", from, to)
		}
	}
	for _, name := range []string{"mode", "changed"} {
		if inode(t, h.path(old+name)) == inode(t, h.path(next+name)) {
			t.Errorf("%s is one file in both", name)
		}
	}
	if info, err := os.Stat(h.path(old + "mode")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the old one is now %v, %v", info, err)
	}
}

func TestWhatIsPlantedInTheOldReleaseIsNotFollowed(t *testing.T) {
	h := newHost(t)
	long := strings.Repeat("a line of some length\n", 500)
	one := fleettest.NewTree(map[string]string{"link": "1", "copy": "22", "delta": long + "3", "dir/a": "4444", "sub/b": "5"})
	two := fleettest.NewTree(map[string]string{"link": "1", "copy*": "22", "delta": long + "4", "dir/a": "4444", "sub/b*": "5"})
	h.bring(nil, one, nil)
	secrets := t.TempDir()
	at := time.Unix(1_700_000_000, 0) // as the release's files have it
	for name, content := range map[string]string{"link": "1", "copy": "22", "delta": long + "3", "a": "4444", "b": "5"} {
		must(t, os.WriteFile(filepath.Join(secrets, name), []byte(content), 0o644), os.Chtimes(filepath.Join(secrets, name), at, at))
	}
	live := h.path("current") + "/"
	for _, name := range []string{"link", "copy", "delta"} {
		must(t, os.Remove(live+name), os.Symlink(filepath.Join(secrets, name), live+name))
	}
	must(t, os.RemoveAll(live+"dir"), os.Symlink(secrets, live+"dir"), os.RemoveAll(live+"sub"))
	// And a link that stays within the release.
	must(t, os.Mkdir(live+"other", 0o755), os.WriteFile(live+"other/b", []byte("5"), 0o644), os.Chtimes(live+"other/b", at, at), os.Symlink("other", live+"sub"))

	received := h.bring(one, two, nil)
	if want := []string{"copy", "delta", "dir/a", "link", "sub/b"}; !slices.Equal(received.Edited, want) {
		t.Errorf("edited are %v, want %v", received.Edited, want)
	}
	for name, content := range map[string]string{"link": "1", "copy": "22", "delta": long + "4", "dir/a": "4444", "sub/b": "5"} {
		h.want("current/"+name, content)
		info, err := os.Lstat(live + name)
		if err != nil || !info.Mode().IsRegular() || info.Sys().(*syscall.Stat_t).Nlink != 1 {
			t.Errorf("%s is %v, %v", name, info, err)
		}
	}
	for _, name := range []string{"dir", "sub"} {
		if info, err := os.Lstat(live + name); err != nil || !info.IsDir() {
			t.Errorf("%s is %v, %v", name, info, err)
		}
	}
	for _, name := range []string{"link", "a"} {
		if info, err := os.Lstat(filepath.Join(secrets, name)); err != nil || info.Sys().(*syscall.Stat_t).Nlink != 1 {
			t.Errorf("the secret %s is linked: %v, %v", name, info, err)
		}
	}
}

func TestAnEditThatKeepsSizeAndTimeIsFoundWhereItIsCopied(t *testing.T) {
	h := newHost(t)
	one := fleettest.NewTree(map[string]string{"copy": "good", "delta": "goods"})
	two := fleettest.NewTree(map[string]string{"copy*": "good", "delta": "goodz"})
	h.bring(nil, one, nil)
	at := time.Unix(1_700_000_000, 0)
	for _, name := range []string{"copy", "delta"} {
		file := h.path("current/" + name)
		info, err := os.Stat(file)
		must(t, err, os.WriteFile(file, []byte("evil!")[:info.Size()], 0o644), os.Chtimes(file, at, at))
	}
	received := h.bring(one, two, nil)
	if !slices.Contains(received.Edited, "copy") {
		t.Errorf("edited are %v", received.Edited)
	}
	h.want("current/copy", "good")
	h.want("current/delta", "goodz")
}

func TestAShadowOfARunningReceiveIsLeftAlone(t *testing.T) {
	h := newHost(t)
	tree := fleettest.NewTree(map[string]string{"a": "1"})
	h.bring(nil, tree, nil)
	// What a process that died has left, and what one that lives is making.
	must(t, os.MkdirAll(h.path(".rollcall/incoming/dead/x"), 0o755), os.MkdirAll(h.path(".rollcall/incoming/living"), 0o755))
	living, err := os.Open(h.path(".rollcall/incoming/living"))
	must(t, err)
	defer living.Close()
	must(t, syscall.Flock(int(living.Fd()), syscall.LOCK_EX))
	next := fleettest.NewTree(map[string]string{"a": "2"})
	h.bring(tree, next, nil)
	h.Close() // waits for the sweep
	h.gone(".rollcall/incoming/dead")
	if _, err := os.Stat(h.path(".rollcall/incoming/living")); err != nil {
		t.Error(err)
	}
}

// Many processes receive into one folder while each sweeps what looks dead.
func TestReceivesAndSweepsDoNotMeet(t *testing.T) {
	h := newHost(t)
	var wait sync.WaitGroup
	for i := range 6 {
		s := h.open(5)
		wait.Go(func() {
			for j := range 8 {
				tree := fleettest.NewTree(map[string]string{"a": fmt.Sprint(i, j)})
				if _, err := s.Receive(t.Context(), tree.DeliverFrom(nil), func(string, int64) {}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	state, err := h.Hello(t.Context())
	if err != nil || len(state.Releases) != 48 {
		t.Errorf("%d releases, %v", len(state.Releases), err)
	}
}

func TestOldFilesAreKeptUntilTheirTimeIsOver(t *testing.T) {
	h := newHost(t)
	keep := &rollcall.KeepOldFiles{Files: []string{"*.css"}, For: time.Hour}
	one := fleettest.NewTree(map[string]string{"a.css": "1", "a.txt": "1", "d/b.css": "b"})
	two := fleettest.NewTree(map[string]string{"a.txt": "2"})
	three := fleettest.NewTree(map[string]string{"a.txt": "3", "d": "a file where a folder was"})
	h.bring(nil, one, keep)
	h.bring(one, two, keep)
	h.want("current/a.css", "1")
	h.want("current/d/b.css", "b")
	h.want("current/a.txt", "2")
	h.bring(two, three, keep)
	h.want("current/a.css", "1")
	h.want("current/d", "a file where a folder was")

	short := &rollcall.KeepOldFiles{Files: []string{"*.css"}, For: time.Nanosecond}
	h = newHost(t)
	h.bring(nil, one, short)
	h.bring(one, two, short)
	h.bring(two, three, short)
	h.gone("current/a.css")
}

func TestALinkOfTheNewReleaseDoesNotLeadKeptFilesAway(t *testing.T) {
	h := newHost(t)
	keep := &rollcall.KeepOldFiles{Files: []string{"*.css"}, For: time.Hour}
	must(t, os.MkdirAll(h.path("shared/css"), 0o755))
	one := fleettest.NewTree(map[string]string{"css/a.css": "1"})
	two := fleettest.NewTree(map[string]string{"x": "2"})
	h.bring(nil, one, keep)
	h.bring(one, two, keep, "css")
	h.gone("shared/css/a.css")
}

func TestCleanKeepsWhatIsNamedAndWhatIsLive(t *testing.T) {
	h := newHost(t)
	var trees []*fleettest.Tree
	var last *fleettest.Tree
	for i := range 5 {
		tree := fleettest.NewTree(map[string]string{"a": fmt.Sprint(i)})
		h.bring(last, tree, nil)
		trees, last = append(trees, tree), tree
	}
	h.roll(last, trees[1], nil) // an older one is live
	must(t, os.WriteFile(h.path("releases/notes"), nil, 0o644), h.Clean(t.Context(), 1, []rollcall.ReleaseID{trees[0].ID}))
	state, err := h.Hello(t.Context())
	must(t, err)
	slices.Sort(state.Releases)
	want := []rollcall.ReleaseID{trees[0].ID, trees[1].ID}
	slices.Sort(want)
	if !slices.Equal(state.Releases, want) {
		t.Errorf("left are %v", state.Releases)
	}
	h.want("current/a", "1")
	h.Close()
	entries, err := os.ReadDir(h.path("releases"))
	if err != nil || len(entries) != 3 {
		t.Errorf("in releases: %v, %v", entries, err)
	}
}

func TestSwitchAsksWhatIsLive(t *testing.T) {
	h := newHost(t)
	one, two := fleettest.NewTree(map[string]string{"a": "1"}), fleettest.NewTree(map[string]string{"a": "2"})
	h.bring(nil, one, nil)
	_, err := h.Receive(t.Context(), two.DeliverFrom(one), func(string, int64) {})
	must(t, err)
	if _, err := h.Switch(t.Context(), "", two.ID, nil); rollcall.KindOf(err) != rollcall.KindRefused {
		t.Errorf("from nothing: %v", err)
	}
	if _, err := h.Switch(t.Context(), one.ID, fleettest.NewTree(map[string]string{"a": "3"}).ID, nil); err == nil {
		t.Error("to what is not there")
	}
	h.want("current/a", "1")
}

func TestForeignFoldersAreRefused(t *testing.T) {
	tree := fleettest.NewTree(map[string]string{"a": "1"})
	for name, plant := range map[string]func(h *host) error{
		"files":            func(h *host) error { return os.WriteFile(h.path("index.php"), nil, 0o644) },
		"a hidden file":    func(h *host) error { return os.WriteFile(h.path(".htaccess"), nil, 0o644) },
		"another's layout": func(h *host) error { return os.Symlink("releases/20260101", h.path("current")) },
		"a current folder": func(h *host) error { return os.Mkdir(h.path("current"), 0o755) },
		"a link away":      func(h *host) error { return os.Symlink("/etc", h.path("current")) },
	} {
		h := newHost(t)
		must(t, os.MkdirAll(h.dir, 0o755), plant(h))
		state, err := h.Hello(t.Context())
		if err != nil || state.Foreign == "" || state.Current != "" {
			t.Errorf("%s: %+v, %v", name, state, err)
		}
		if _, err := h.Receive(t.Context(), tree.DeliverFrom(nil), func(string, int64) {}); rollcall.KindOf(err) != rollcall.KindRefused {
			t.Errorf("%s: Receive = %v", name, err)
		}
		h.gone("releases")
	}
	// What an operator makes beforehand is none.
	h := newHost(t)
	must(t, os.MkdirAll(h.path("shared/uploads"), 0o755))
	h.bring(nil, tree, nil, "uploads")
	must(t, os.WriteFile(h.path("current/uploads/x"), nil, 0o644))
	if _, err := os.Stat(h.path("shared/uploads/x")); err != nil {
		t.Error(err)
	}
}
