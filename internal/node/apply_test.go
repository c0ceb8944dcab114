package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zeebo/blake3"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

var someToken = rollcall.Token{Record: "r1", Sequence: 5}

// place is a target folder with its state, as a request finds them.
type place struct {
	*folder
	t *testing.T
}

func newPlace(t *testing.T) *place {
	t.Helper()
	dir := quickDir(t)
	target := filepath.Join(dir, "etc")
	if err := os.Mkdir(target, 0o755); err != nil {
		t.Fatal(err)
	}
	p := &place{t: t}
	p.folder = p.opened(filepath.Join(dir, "state"), target)
	if err := p.make(); err != nil {
		t.Fatal(err)
	}
	return p
}

// quickDir is a folder in memory where there is one: what syncs hundreds of times need
// not wait for everybody else's files.
func quickDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "rollcall-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (p *place) opened(state, target string) *folder {
	p.t.Helper()
	f, err := (&Server{State: state}).open(&wire.Request{Folder: target, Layout: rollcall.LayoutInplace})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(f.close)
	return f
}

// holds puts a release into the state, and returns its name. Paths are written as in
// fleettest.NewTree.
func (p *place) holds(files map[string]string) rollcall.ReleaseID {
	p.t.Helper()
	m := &rollcall.Manifest{}
	at := time.Unix(1_700_000_000, 0)
	for name, content := range files {
		e := rollcall.Entry{Path: strings.TrimRight(name, "*/"), Type: rollcall.TypeFile, Mtime: at.Unix()}
		switch target, link := strings.CutPrefix(content, "-> "); {
		case link:
			e.Type, e.Target = rollcall.TypeLink, target
		case strings.HasSuffix(name, "/"):
			e.Type = rollcall.TypeFolder
		default:
			if strings.HasSuffix(name, "*") {
				e.Type = rollcall.TypeExecutable
			}
			e.Size, e.Hash = int64(len(content)), blake3.Sum256([]byte(content))
		}
		m.Entries = append(m.Entries, e)
	}
	slices.SortFunc(m.Entries, func(a, b rollcall.Entry) int { return strings.Compare(a.Path, b.Path) })
	id := nameOf(m)
	stored, err := m.AppendBinary(nil)
	p.must(err, m.Check(), os.WriteFile(p.path(manifests, string(id)), stored, 0o600), os.MkdirAll(p.path(releases, string(id)), 0o755))
	for i := range m.Entries {
		e := &m.Entries[i]
		file := p.path(releases, string(id), e.Path)
		p.must(os.MkdirAll(filepath.Dir(file), 0o755))
		switch e.Type {
		case rollcall.TypeFolder:
			p.must(os.MkdirAll(file, 0o755))
		case rollcall.TypeLink:
			if err := os.Symlink(e.Target, file); !errors.Is(err, fs.ErrExist) {
				p.must(err)
			}
		default:
			r := rights{file: defaultMode}
			p.must(os.WriteFile(file, []byte(files[e.Path]+files[e.Path+"*"]), fs.FileMode(r.of(e))), os.Chtimes(file, at, at))
		}
	}
	return id
}

func (p *place) must(errs ...error) {
	p.t.Helper()
	for _, err := range errs {
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *place) at(name string) string { return filepath.Join(p.target.dir, name) }

func (p *place) roll(from, to rollcall.ReleaseID) {
	p.t.Helper()
	p.must(p.switchTo(someToken, from, to, nil))
	if live, err := p.live(); err != nil || live != to {
		p.t.Fatalf("%s is live, %v", live.Short(), err)
	}
}

// snapshot tells all that stands in the target: types, modes, times of files, contents,
// and which file on disk it is where that must not change.
func (p *place) snapshot(same ...string) string {
	p.t.Helper()
	var b strings.Builder
	p.must(filepath.WalkDir(p.target.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(p.target.dir, name)
		fmt.Fprintf(&b, "%s %v", rel, info.Mode())
		switch {
		case info.Mode().IsRegular():
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %d %q", info.ModTime().UnixNano(), text)
			if slices.Contains(same, rel) {
				fmt.Fprintf(&b, " inode %d", info.Sys().(*syscall.Stat_t).Ino)
			}
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " -> %s", target)
		}
		b.WriteByte('\n')
		return nil
	}))
	return b.String()
}

var (
	oneInPlace = map[string]string{
		"same": "s", "changed": "1", "gone": "g", "mode": "m", "link": "-> same", "link2": "-> same", "conf.d/a.conf": "a", "conf.d/b.conf": "b", "old/deep/x": "x",
		"file-to-folder": "f", "folder-to-file/a": "a", "folder-to-file/sub/b": "b", "file-to-link": "f", "link-to-file": "-> same",
		"empty/": "", "empty-to-file/": "", "file-to-empty": "f", "mixed/ours": "o", "foreign/ours": "o",
	}
	twoInPlace = map[string]string{
		"same": "s", "changed": "22", "mode*": "m", "link": "-> changed", "conf.d/a.conf": "aa", "conf.d/c.conf": "c", "new/deep/y": "y",
		"file-to-folder/a": "a", "file-to-folder/sub/b": "b", "folder-to-file": "f", "file-to-link": "-> same", "link-to-file": "f",
		"empty-to-file": "f", "file-to-empty/": "", "found": "found\n", "fo\xfcnd": "f", "m\xe4de/x": "x", "foreign/new": "n", "conf.d/found": "f",
	}
	foreign = []string{"foreign/theirs", "mine", "found", "fo\xfcnd", "conf.d/found", "mixed/theirs"}
)

// stand makes a target in which the first release is live among others' files.
func stand(t *testing.T) (p *place, one, two rollcall.ReleaseID) {
	p = newPlace(t)
	p.must(os.MkdirAll(p.at("foreign"), 0o750), os.MkdirAll(p.at("theirs-alone"), 0o700), os.Symlink("/etc/passwd", p.at("theirs-link")))
	for name, content := range map[string]string{"foreign/theirs": "t", "mine": "m", "found": "found\n", "fo\xfcnd": "f"} {
		p.must(os.WriteFile(p.at(name), []byte(content), 0o600))
	}
	one, two = p.holds(oneInPlace), p.holds(twoInPlace)
	p.roll("", one)
	// In folders that we made.
	p.must(os.WriteFile(p.at("mixed/theirs"), []byte("t"), 0o600), os.WriteFile(p.at("conf.d/found"), []byte("f"), 0o644))
	return p, one, two
}

func TestInPlaceThereAndBackLeavesWhatWasThere(t *testing.T) {
	p := newPlace(t)
	p.must(os.MkdirAll(p.at("foreign"), 0o750), os.WriteFile(p.at("foreign/theirs"), []byte("t"), 0o600), os.WriteFile(p.at("changed"), []byte("1"), 0o600))
	before := p.snapshot("changed")
	one, two := p.holds(oneInPlace), p.holds(twoInPlace)
	p.roll("", one)
	first := p.snapshot("changed")
	if !strings.Contains(first, "old/deep/x -rw-r--r-- 1700000000000000000 \"x\"") || !strings.Contains(first, "link Lrwxrwxrwx -> same") {
		t.Errorf("the first release:\n%s", first)
	}
	p.roll(one, two)
	if second := p.snapshot(); strings.Contains(second, "\nold") || strings.Contains(second, "\ngone") || strings.Contains(second, stagingName) ||
		!strings.Contains(second, "mode -rwxr-xr-x") || !strings.Contains(second, "file-to-folder/sub/b") {
		t.Errorf("the second release:\n%s", second)
	}
	p.roll(two, one)
	if diff := cmp.Diff(first, p.snapshot()); diff != "" && !strings.Contains(diff, "inode") {
		t.Errorf("back at the first:\n%s", diff)
	}
	p.roll(one, "")
	if after := p.snapshot(); strings.Count(after, "\n") != strings.Count(before, "\n") || !strings.Contains(after, "changed") {
		t.Errorf("with nothing live:\n%s\nbefore:\n%s", after, before)
	}
}

// killed stands for the process's end: nothing of it runs any more.
type killed struct{}

// dying makes a switch that dies before its nth change, and tells whether it came there.
func (p *place) dying(n int, from, to rollcall.ReleaseID) (died bool) {
	p.t.Helper()
	f := p.opened(filepath.Dir(filepath.Dir(p.dir)), p.target.dir)
	f.target.before = func(string) error {
		if n--; n < 0 {
			panic(killed{})
		}
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			died = true
		}
	}()
	p.must(f.switchTo(someToken, from, to, nil))
	return false
}

func TestInPlaceKilledAnywhereIsFinishedOrUndone(t *testing.T) {
	p, one, two := stand(t)
	first := p.snapshot(foreign...)
	p.roll(one, two)
	second := p.snapshot(foreign...)
	p.roll(two, one)
	if diff := cmp.Diff(first, p.snapshot(foreign...)); diff != "" {
		t.Fatalf("back at the first:\n%s", diff)
	}
	three := p.holds(map[string]string{"same": "s", "changed": "3"})
	p.roll(one, three)
	third := p.snapshot(foreign...)
	p.roll(three, one)

	check := func(what string, n int, want string, live rollcall.ReleaseID) {
		t.Helper()
		state, err := p.state()
		if diff := cmp.Diff(want, p.snapshot(foreign...)); diff != "" || err != nil || state.Applying != nil || state.Current != live {
			t.Fatalf("killed before change %d, %s: %+v, %v\n%s", n, what, state, err, diff)
		}
	}
	n := 0
	for ; ; n++ {
		if !p.dying(n, one, two) {
			break
		}
		if state, err := p.state(); err != nil || state.Applying == nil || *state.Applying != (rollcall.Applying{From: one, To: two}) {
			t.Fatalf("killed before change %d, it says %+v, %v", n, state, err)
		}
		p.must(p.clean(someToken, 0, nil)) // leaves what is needed
		switch n % 4 {
		case 0: // finished
			p.roll(one, two)
			check("finished", n, second, two)
			p.roll(two, one)
		case 1: // undone
			p.must(p.switchTo(someToken, two, one, nil))
			check("undone", n, first, one)
		case 2: // undone, killed again meanwhile, and undone
			p.dying(n/2, two, one)
			p.must(p.switchTo(someToken, two, one, nil))
			check("undone in two", n, first, one)
		case 3: // another is asked for
			live, err := p.live()
			p.must(err)
			if live == two { // all was done but saying so: what was found is ours until we are gone
				p.roll(two, one)
				check("back", n, first, one)
				break
			}
			three = p.holds(map[string]string{"same": "s", "changed": "3"})
			p.roll(live, three)
			check("another", n, third, three)
			one = p.holds(oneInPlace)
			p.roll(three, one)
		}
		one, two = p.holds(oneInPlace), p.holds(twoInPlace)
		check("at the end", n, first, one)
		// The other way of going on, at the same place.
		if p.dying(n, one, two) && n%2 == 0 {
			p.must(p.switchTo(someToken, two, one, nil))
			check("undone", n, first, one)
		} else if n%2 == 1 {
			p.dying(n/3, one, two)
			p.roll(one, two)
			check("finished in two", n, second, two)
			p.roll(two, one)
		}
	}
	if n < 40 {
		t.Errorf("it made only %d changes", n)
	}
	p.must(p.switchTo(someToken, two, one, nil))
	check("whole, and back", n, first, one)
}

func TestInPlaceAFaultIsUndoneAtOnce(t *testing.T) {
	p, one, two := stand(t)
	first := p.snapshot(foreign...)
	for n := 0; ; n++ {
		left, last := n, ""
		p.target.before = func(what string) error {
			last = what
			if left--; left == -1 {
				return fmt.Errorf("%s: %w", what, syscall.ENOSPC)
			}
			return nil
		}
		err := p.switchTo(someToken, one, two, nil)
		p.target.before = nil
		if err == nil {
			break
		}
		state, helloErr := p.state()
		p.must(helloErr)
		if last == "end the journal" && state.Current == two { // all was done but saying so
			p.must(p.switchTo(someToken, two, one, nil))
			continue
		}
		if kind := rollcall.KindOf(explain(err)); kind != rollcall.KindBroken || !strings.Contains(err.Error(), "undone") {
			t.Errorf("a fault at change %d: %v", n, err)
		}
		if diff := cmp.Diff(first, p.snapshot(foreign...)); diff != "" || state.Applying != nil || state.Current != one {
			t.Fatalf("after a fault at change %d: %+v\n%s", n, state, diff)
		}
	}
	// Where nothing can be written at all any more, the journal stays, and undoes it later.
	p.roll(two, one)
	full := false
	p.target.before = func(what string) error {
		if full = full || strings.HasPrefix(what, "remove "); full {
			return fmt.Errorf("%s: %w", what, syscall.EIO)
		}
		return nil
	}
	if err := p.switchTo(someToken, one, two, nil); err == nil || !strings.Contains(err.Error(), "could not be undone") {
		t.Errorf("Switch = %v", err)
	}
	p.target.before = nil
	if state, err := p.state(); err != nil || state.Applying == nil {
		t.Errorf("%+v, %v", state, err)
	}
	p.must(p.switchTo(someToken, two, one, nil))
	if diff := cmp.Diff(first, p.snapshot(foreign...)); diff != "" {
		t.Errorf("undone later:\n%s", diff)
	}
}

func TestInPlaceAParentThatIsSwappedForALinkIsNotFollowed(t *testing.T) {
	p, one, two := stand(t)
	outside := t.TempDir()
	p.must(os.WriteFile(filepath.Join(outside, "a.conf"), []byte("theirs"), 0o644), os.WriteFile(filepath.Join(outside, "b.conf"), []byte("b"), 0o644))
	p.target.before = func(what string) error {
		if what == "place conf.d/a.conf" { // after every check
			return errors.Join(os.Rename(p.at("conf.d"), p.at("moved")), os.Symlink(outside, p.at("conf.d")))
		}
		return nil
	}
	if err := p.switchTo(someToken, one, two, nil); err == nil {
		t.Error("it went through a link")
	}
	entries, err := os.ReadDir(outside)
	if text, _ := os.ReadFile(filepath.Join(outside, "a.conf")); err != nil || len(entries) != 2 || string(text) != "theirs" {
		t.Errorf("outside are %v, %q, %v", entries, text, err)
	}
	// Put right by hand, it goes on.
	p.target.before = nil
	p.must(os.Remove(p.at("conf.d")), os.Rename(p.at("moved"), p.at("conf.d")), p.switchTo(someToken, two, one, nil))
	p.roll(one, two)
}

func TestInPlaceFoldersOfStateAreTold(t *testing.T) {
	s := &Server{State: "/s"}
	seen := map[string]string{}
	long := "/" + strings.Repeat("a", 250)
	for _, target := range []string{"/etc/apache2", "/etc/apache2-x", "/etc/apache2/x", "/etc%2Fapache2", long + "/b", long + "/c", "/ä/\xff"} {
		dir, err := s.stateFolder(target)
		if err != nil || filepath.Dir(dir) != "/s/inplace" || len(filepath.Base(dir)) > 255 || seen[dir] != "" {
			t.Errorf("the state of %s is in %s, as of %s, %v", target, dir, seen[dir], err)
		}
		seen[dir] = target
	}
	if _, err := s.open(&wire.Request{Folder: "/etc", Layout: "sideways"}); rollcall.KindOf(err) != rollcall.KindInvalid {
		t.Errorf("an unknown layout: %v", err)
	}
}
