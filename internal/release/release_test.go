package release

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/pack"
)

// repository holds trees in memory and counts how often a blob is read. A path that
// ends in "*" is executable, a content that begins with "-> " a link.
type repository struct {
	rollcall.Repository
	mu    sync.Mutex
	trees map[string]map[string]string
	reads map[string]int
}

func newRepository() *repository {
	return &repository{trees: map[string]map[string]string{}, reads: map[string]int{}}
}

func (r *repository) entries(tree string) map[string]*rollcall.TreeEntry {
	all := map[string]*rollcall.TreeEntry{}
	for name, content := range r.trees[tree] {
		e := &rollcall.TreeEntry{Path: name, Type: rollcall.TypeFile}
		if bare, ok := strings.CutSuffix(name, "*"); ok {
			e.Path, e.Type = bare, rollcall.TypeExecutable
		}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			e.Type, content = rollcall.TypeLink, target
		}
		sum := sha1.Sum([]byte(content))
		e.Blob = hex.EncodeToString(sum[:])
		all[e.Path] = e
	}
	return all
}

func (r *repository) Changes(_ context.Context, from, to string) ([]rollcall.TreeChange, error) {
	old, next := r.entries(from), r.entries(to)
	var changes []rollcall.TreeChange
	for _, name := range slices.Sorted(maps.Keys(next)) {
		if o := old[name]; o == nil || *o != *next[name] {
			changes = append(changes, rollcall.TreeChange{Path: name, New: next[name]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if next[name] == nil {
			changes = append(changes, rollcall.TreeChange{Path: name})
		}
	}
	return changes, nil
}

func (r *repository) Blobs(_ context.Context, blobs []string, fn func(int, int64, io.Reader) error) error {
	contents := map[string]string{}
	for _, tree := range r.trees {
		for _, content := range tree {
			content = strings.TrimPrefix(content, "-> ")
			sum := sha1.Sum([]byte(content))
			contents[hex.EncodeToString(sum[:])] = content
		}
	}
	for i, blob := range blobs {
		content, ok := contents[blob]
		if !ok {
			return fmt.Errorf("no blob %s", blob)
		}
		r.mu.Lock()
		r.reads[content]++
		r.mu.Unlock()
		if err := fn(i, int64(len(content)), strings.NewReader(content)); err != nil {
			return err
		}
	}
	return nil
}

// slow is a repository that does something else before it gives contents.
type slow struct {
	*repository
	meanwhile func()
}

func (r slow) Blobs(ctx context.Context, blobs []string, fn func(int, int64, io.Reader) error) error {
	r.meanwhile()
	return r.repository.Blobs(ctx, blobs, fn)
}

func (r *repository) most() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, reads := range r.reads {
		n = max(n, reads)
	}
	return n
}

func openStore(t *testing.T, dir string, limit int64) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func build(t *testing.T, s *Store, repo *repository, code *rollcall.Code, tree string, at int64) rollcall.Release {
	t.Helper()
	r, err := s.Build(t.Context(), code, repo, rollcall.Revision{ID: "revision-" + tree, Tree: tree, Time: time.Unix(at, 0)}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func deliver(t *testing.T, s *Store, repo *repository, code *rollcall.Code, from, to rollcall.ReleaseID) rollcall.Delivery {
	t.Helper()
	d, err := s.Deliver(t.Context(), code, repo, from, to, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A first roll may read for minutes: other commands of the same state go on.
func TestReadingKeepsNobodyOut(t *testing.T) {
	dir := t.TempDir()
	repo := newRepository()
	repo.trees["one"] = map[string]string{"a": "a", "b": "b"}
	repo.trees["two"] = map[string]string{"a": "a", "b": "other"}
	one, two := openStore(t, dir, DefaultLimit), openStore(t, dir, DefaultLimit)
	code := &rollcall.Code{Name: "www"}
	meanwhile := func() {
		began := time.Now()
		build(t, two, repo, code, "two", 20)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("another command waited %v", took)
		}
	}
	revision := rollcall.Revision{ID: "revision-one", Tree: "one", Time: time.Unix(10, 0)}
	if _, err := one.Build(t.Context(), code, slow{repo, meanwhile}, revision, func(string) {}); err != nil {
		t.Fatal(err)
	}
}

// contentsOf reads a pack as a node does, and gives its contents by path.
func contentsOf(t *testing.T, d rollcall.Delivery, base map[string]string, manifest *rollcall.Manifest) map[string]string {
	t.Helper()
	file, err := d.Pack()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := pack.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	to, err := pack.ApplyChanges(manifest, r.Changes())
	if err != nil {
		t.Fatal(err)
	}
	if nameOf(to) != d.Release {
		t.Fatalf("the pack makes %s", nameOf(to).Short())
	}
	got := map[string]string{}
	var order []string
	for _, want := range pack.Wants(manifest, to) {
		if want.How != pack.Content {
			continue
		}
		var b bytes.Buffer
		err := r.Next(&b, want.Entry.Size, pack.Places{
			Old: func() (io.ReaderAt, int64, error) {
				old := base[want.From.Path]
				return strings.NewReader(old), int64(len(old)), nil
			},
			Same: func(i int) (io.Reader, error) { return strings.NewReader(got[order[i]]), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		got[want.Entry.Path] = b.String()
		order = append(order, want.Entry.Path)
	}
	return got
}

var www = &rollcall.Code{Name: "www"}

func TestNoBlobIsReadTwice(t *testing.T) {
	repo := newRepository()
	repo.trees["one"] = map[string]string{"a": "a1", "b": "b", "copy of b": "b", "run*": "x", "link": "-> a"}
	repo.trees["two"] = map[string]string{"a": "a2", "b": "b", "new": "n", "run": "x"}
	dir := t.TempDir()
	s := openStore(t, dir, DefaultLimit)
	one := build(t, s, repo, www, "one", 1000)
	d := deliver(t, s, repo, www, "", one.ID)
	if n := repo.most(); n != 1 {
		t.Errorf("a blob was read %d times for a release and its pack: %v", n, repo.reads)
	}
	got := contentsOf(t, d, nil, &rollcall.Manifest{})
	if got["a"] != "a1" || got["copy of b"] != "b" || got["run"] != "x" || len(got) != 4 {
		t.Errorf("the pack holds %v", got)
	}

	// However many nodes, and however many at once: one pack.
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if _, err := s.Deliver(t.Context(), www, repo, "", one.ID, func(string) {}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := repo.most(); n != 1 {
		t.Errorf("a blob was read %d times for many nodes", n)
	}
	s.Close()

	// Another process knows what this one read: only what is new is read, and that once.
	repo.reads = map[string]int{}
	s = openStore(t, dir, DefaultLimit)
	two := build(t, s, repo, www, "two", 2000)
	if want := map[string]int{"a2": 1, "n": 1}; !maps.Equal(repo.reads, want) {
		t.Errorf("read for the manifest: %v, want %v", repo.reads, want)
	}
	manifest, err := s.Manifest(one.ID)
	if err != nil {
		t.Fatal(err)
	}
	got = contentsOf(t, deliver(t, s, repo, www, one.ID, two.ID), repo.trees["one"], manifest)
	if want := map[string]string{"a": "a2", "new": "n"}; !maps.Equal(got, want) {
		t.Errorf("the pack holds %v", got)
	}
	if want := map[string]int{"a2": 1, "n": 1}; !maps.Equal(repo.reads, want) {
		t.Errorf("read for the pack too: %v, want %v", repo.reads, want)
	}

	// A tree that is known is only looked up.
	repo.reads = map[string]int{}
	if again := build(t, s, repo, www, "one", 9000); again.ID != one.ID || len(repo.reads) != 0 {
		t.Errorf("again: %s, read %v", again.ID.Short(), repo.reads)
	}
}

// What is kept of contents can go, or with the machine's power be cut short or changed: the
// repository has them still.
func TestKeptContentsAreNotTrusted(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"gone":      os.Remove,
		"cut short": func(path string) error { return os.Truncate(path, 3) },
		"changed":   func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte{'x'}, 100), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			repo := newRepository()
			repo.trees["one"] = map[string]string{"a": "a1", "b": "b1", "c": "c1"}
			repo.trees["two"] = map[string]string{"a": "a2", "b": "b2", "d": "d1"}
			dir := t.TempDir()
			s := openStore(t, dir, DefaultLimit)
			one := build(t, s, repo, www, "one", 1000)
			two := build(t, s, repo, www, "two", 1000)
			s.Close()
			kept := keptContents(t, dir)
			if len(kept) != 1 {
				t.Errorf("two builds after each other made %d segments", len(kept))
			}
			for _, path := range kept {
				if err := harm(path); err != nil {
					t.Fatal(err)
				}
			}
			s = openStore(t, dir, DefaultLimit)
			manifest, err := s.Manifest(one.ID)
			if err != nil {
				t.Fatal(err)
			}
			// A disk's own error is found by the node, which asks once more.
			again, _, err := deliver(t, s, repo, www, "", two.ID).Missing(t.Context(), []string{"a", "b", "d"})
			if err != nil {
				t.Fatal(err)
			}
			r, err := pack.NewReader(again)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"a", "b", "d"} {
				var content strings.Builder
				if err := r.Next(&content, 2, pack.Places{}); err != nil || content.String() != repo.trees["two"][path] {
					t.Errorf("asked for once more: %q, %v", content.String(), err)
				}
			}
			r.Close()
			again.Close()
			s.segments.boot++ // the machine was started anew
			got := contentsOf(t, deliver(t, s, repo, www, one.ID, two.ID), repo.trees["one"], manifest)
			if !maps.Equal(got, repo.trees["two"]) {
				t.Errorf("the pack holds %v", got)
			}
		})
	}
}

func keptContents(t *testing.T, dir string) []string {
	t.Helper()
	kept, err := filepath.Glob(filepath.Join(dir, "contents", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// forgetContents makes what was read be read again.
func forgetContents(t *testing.T, dir string) {
	t.Helper()
	for _, path := range keptContents(t, dir) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNamesAndTimes(t *testing.T) {
	repo := newRepository()
	repo.trees["one"] = map[string]string{"a": "1", "b": "2", "c": "3"}
	repo.trees["two"] = map[string]string{"a": "1", "b": "22", "moved": "3", "d": "4"}
	repo.trees["three"] = map[string]string{"a": "1", "b": "222", "moved": "3", "d": "4"}
	s := openStore(t, t.TempDir(), DefaultLimit)
	one := build(t, s, repo, www, "one", 1000)
	two := build(t, s, repo, www, "two", 2000)
	three := build(t, s, repo, www, "three", 1500) // an older clock
	times := func(id rollcall.ReleaseID) string {
		m, err := s.Manifest(id)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, e := range m.Entries {
			fmt.Fprintf(&b, "%s=%d ", e.Path, e.Mtime)
		}
		return b.String()
	}
	for id, want := range map[rollcall.ReleaseID]string{
		one.ID: "a=1000 b=1000 c=1000 ", two.ID: "a=1000 b=2000 d=2000 moved=1000 ", three.ID: "a=1000 b=2001 d=2000 moved=1000 ",
	} {
		if got := times(id); got != want {
			t.Errorf("times are %s, want %s", got, want)
		}
	}
	// The name is the content's alone.
	other := openStore(t, t.TempDir(), DefaultLimit)
	if again := build(t, other, repo, www, "three", 77); again.ID != three.ID {
		t.Error("the same files have another name elsewhere")
	}
}

// A controller that lost its state takes the times that stand on the nodes, also where
// an earlier process of it made the release and was refused.
func TestALostStateTakesTheNodesTimes(t *testing.T) {
	repo := newRepository()
	repo.trees["one"] = map[string]string{"a": "1", "b": strings.Repeat("long ", 1000)}
	repo.trees["two"] = map[string]string{"a": "1", "b": strings.Repeat("long ", 1000) + "!"}
	repo.trees["three"] = map[string]string{"a": "1", "b": "3"}
	s := openStore(t, t.TempDir(), DefaultLimit)
	one := build(t, s, repo, www, "one", 1000)
	stands, err := s.Manifest(one.ID)
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	lost := openStore(t, dir, DefaultLimit)
	build(t, lost, repo, www, "two", 5000)
	lost.Close()
	lost = openStore(t, dir, DefaultLimit)
	three := build(t, lost, repo, www, "three", 6000)
	two := build(t, lost, repo, www, "two", 5000)
	if err := lost.Adopt(one.ID, stands); err != nil {
		t.Fatal(err)
	}
	for _, id := range []rollcall.ReleaseID{two.ID, three.ID} {
		if err := lost.Align(id, one.ID); err != nil {
			t.Fatal(err)
		}
		m, err := lost.Manifest(id)
		if err != nil || m.Find("a").Mtime != 1000 || m.Find("b").Mtime <= 1000 {
			t.Errorf("times are %+v, %v", m, err)
		}
	}
	// What was never read here can't be the base of a delta: it goes whole.
	got := contentsOf(t, deliver(t, lost, repo, www, one.ID, two.ID), repo.trees["one"], stands)
	if len(got) != 1 || got["b"] != repo.trees["two"]["b"] {
		t.Errorf("the pack holds %d contents", len(got))
	}
	// From now on it stands on nodes, and its times stay.
	other := &rollcall.Manifest{Entries: slices.Clone(stands.Entries)}
	for i := range other.Entries {
		other.Entries[i].Mtime = 77
	}
	other.Entries = other.Entries[:1]
	if err := lost.Adopt(nameOf(other), other); err != nil {
		t.Fatal(err)
	}
	if err := lost.Align(two.ID, nameOf(other)); err != nil {
		t.Fatal(err)
	}
	if m, err := lost.Manifest(two.ID); err != nil || m.Find("a").Mtime != 1000 {
		t.Errorf("times moved: %+v, %v", m, err)
	}
}

func TestAManifestUnderAnothersNameIsNotAdopted(t *testing.T) {
	s := openStore(t, t.TempDir(), DefaultLimit)
	err := s.Adopt(rollcall.ReleaseID(strings.Repeat("0", 64)), &rollcall.Manifest{})
	if rollcall.KindOf(err) != rollcall.KindBroken {
		t.Errorf("Adopt = %v", err)
	}
}

func TestPacksAndContentsStayWithinTheLimit(t *testing.T) {
	repo := newRepository()
	dir := t.TempDir()
	s := openStore(t, dir, 3000)
	var ids []rollcall.ReleaseID
	for i := range 6 {
		tree := fmt.Sprint(i)
		content := strings.Builder{}
		for j := range 200 { // about 1 kB that can't be compressed much
			sum := sha1.Sum(fmt.Appendf(nil, "%d %d", i, j))
			content.WriteString(hex.EncodeToString(sum[:])[:10])
		}
		repo.trees[tree] = map[string]string{"a": content.String()}
		ids = append(ids, build(t, s, repo, www, tree, 1000).ID)
		d := deliver(t, s, repo, www, "", ids[i])
		if err := s.packsKept(); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(filepath.Join(dir, "packs", "-"+string(ids[i])), at, at); err != nil {
			t.Fatal(err)
		}
		if d.Size > 3000 {
			t.Fatalf("a pack has %d bytes", d.Size)
		}
	}
	// Another process uses the oldest: it is the newest now.
	s.Close()
	for _, path := range keptContents(t, dir) {
		long := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
	}
	s = openStore(t, dir, 3000)
	open, err := deliver(t, s, repo, www, "", ids[0]).Pack()
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := s.Evict(); err != nil {
		t.Fatal(err)
	}
	if kept := keptContents(t, dir); len(kept) != 0 {
		t.Errorf("contents are left: %v", kept)
	}
	var total int64
	var left []string
	entries, err := os.ReadDir(filepath.Join(dir, "packs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
		left = append(left, e.Name())
	}
	if total > 3000 || len(left) == 0 || !slices.Contains(left, "-"+string(ids[0])) || slices.Contains(left, "-"+string(ids[1])) {
		t.Errorf("%d bytes are left: %v", total, left)
	}
	if _, err := io.Copy(io.Discard, open); err != nil {
		t.Error(err)
	}
	// What is gone is made again.
	s.Close()
	s = openStore(t, dir, 3000)
	deliver(t, s, repo, www, "", ids[1])
}

func TestAMissingManifestIsMadeAgain(t *testing.T) {
	repo := newRepository()
	repo.trees["one"] = map[string]string{"a": "1"}
	dir := t.TempDir()
	s := openStore(t, dir, DefaultLimit)
	one := build(t, s, repo, www, "one", 1000)
	s.Close()
	if err := os.Remove(s.manifestPath(one.ID)); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, DefaultLimit)
	if _, err := s.Manifest(one.ID); rollcall.KindOf(err) != rollcall.KindNotFound {
		t.Errorf("Manifest = %v", err)
	}
	if again := build(t, s, repo, www, "one", 1000); again.ID != one.ID {
		t.Error("another name")
	}
	if _, err := s.Manifest(one.ID); err != nil {
		t.Error(err)
	}
}

func TestWhatATreeMayNotHold(t *testing.T) {
	for name, tree := range map[string]map[string]string{
		"an absolute link":       {"a": "-> /etc"},
		"a link out":             {"d/a": "-> ../../x"},
		"a control character":    {"a\nb": "x"},
		"a dash and an ESC":      {"-\x1b": "x"},
		"a path above":           {"../a": "x"},
		"a large-file pointer":   {"a": "version https://git-lfs.github.com/spec/v1\noid"},
		"nothing":                {},
		"only what is left out":  {"tests/a": "x"},
		"a file below a link":    {"a": "-> b", "a/c": "x"},
		"a link below, up again": {"a": "-> b/../../c"},
	} {
		repo := newRepository()
		repo.trees["one"] = tree
		s := openStore(t, t.TempDir(), DefaultLimit)
		code := &rollcall.Code{Name: "www", Exclude: []string{"tests/"}}
		_, err := s.Build(t.Context(), code, repo, rollcall.Revision{ID: "r", Tree: "one"}, func(string) {})
		if rollcall.KindOf(err) != rollcall.KindRefused {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.ContainsAny(strings.ReplaceAll(err.Error(), "\n  ", ""), "\x1b\n") {
			t.Errorf("%s: %q", name, err)
		}
	}
}

func TestABrokenRepositoryLeavesNoPack(t *testing.T) {
	repo := newRepository()
	repo.trees["one"] = map[string]string{"a": "1", "b": "2"}
	dir := t.TempDir()
	s := openStore(t, dir, DefaultLimit)
	one := build(t, s, repo, www, "one", 1000)
	s.Close()
	forgetContents(t, dir)
	s = openStore(t, dir, DefaultLimit)
	broken := &failing{repository: repo}
	if _, err := s.Deliver(t.Context(), www, broken, "", one.ID, func(string) {}); !errors.Is(err, errBroken) {
		t.Fatalf("Deliver = %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "packs")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	s.Close()
	s = openStore(t, dir, DefaultLimit)
	deliver(t, s, repo, www, "", one.ID)
}

var errBroken = errors.New("the disk is gone")

type failing struct{ *repository }

func (f *failing) Blobs(ctx context.Context, blobs []string, fn func(int, int64, io.Reader) error) error {
	if err := f.repository.Blobs(ctx, blobs[:1], fn); err != nil {
		return err
	}
	return errBroken
}

func TestALargePackIsSentWhileItIsMade(t *testing.T) {
	repo := newRepository()
	repo.trees["one"] = map[string]string{"a": strings.Repeat("a", sentEarly), "b": "2", "c": "2"}
	dir := t.TempDir()
	s := openStore(t, dir, DefaultLimit)
	one := build(t, s, repo, www, "one", 1000)
	s.Close()
	forgetContents(t, dir)
	s = openStore(t, dir, DefaultLimit)
	held := &holding{repository: repo, hold: make(chan struct{})}
	d, err := s.Deliver(t.Context(), www, held, "", one.ID, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	early, err := d.Pack()
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	close(held.hold)
	got, err := io.ReadAll(early)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Evict(); err != nil { // from now on it has its name
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "packs", "-"+string(one.ID)))
	if err != nil || !bytes.Equal(got, kept) {
		t.Errorf("sent were %d bytes and kept %d, %v", len(got), len(kept), err)
	}
	if got := contentsOf(t, d, nil, &rollcall.Manifest{}); !maps.Equal(got, repo.trees["one"]) {
		t.Error("it holds something else")
	}

	dir = t.TempDir()
	s = openStore(t, dir, DefaultLimit)
	build(t, s, repo, www, "one", 1000)
	s.Close()
	forgetContents(t, dir)
	s = openStore(t, dir, DefaultLimit)
	if d, err = s.Deliver(t.Context(), www, &failing{repository: repo}, "", one.ID, func(string) {}); err != nil {
		t.Fatal(err)
	}
	file, err := d.Pack()
	if err == nil {
		defer file.Close()
		_, err = io.Copy(io.Discard, file)
	}
	if !errors.Is(err, errBroken) {
		t.Errorf("a broken pack: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "packs")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// holding gives nothing before it is let go.
type holding struct {
	*repository
	hold chan struct{}
}

func (h *holding) Blobs(ctx context.Context, blobs []string, fn func(int, int64, io.Reader) error) error {
	<-h.hold
	return h.repository.Blobs(ctx, blobs, fn)
}
