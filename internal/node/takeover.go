package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

const (
	adopted    = private + "/adopted"
	takingOver = private + "/takeover"
	// beginning is what becomes private: never is there one without its mark.
	beginning = ".rollcall.beginning"
)

// adoption is what is known of an adopted release besides its manifest.
type adoption struct {
	// Links lead out of the release, as those do that other tools make to their shared
	// folders. No manifest can hold them.
	Links []outerLink `json:"links,omitempty"`
}

// outerLink is made of bytes, as names on a disk are.
type outerLink struct {
	Path   []byte `json:"path"`
	Target []byte `json:"target"`
}

// takeOver makes a release of what lives in the folder, and makes it live.
func (s *Server) takeOver(ctx context.Context, f *folder, q *wire.Request) (rollcall.ReleaseID, error) {
	if f.root == nil || f.target != nil {
		return "", nil // in place, what stands there is asked file by file
	}
	old, err := f.old()
	if err != nil {
		return "", err
	}
	if old.done == "" && old.dir == "" {
		if _, err := f.root.Lstat(takingOver); errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
	}
	if err := f.beginTakingOver(); err != nil {
		return "", err
	}
	if err := f.makeOwn(); err != nil {
		return "", err
	}
	unlock, err := f.guard(q.Token)
	if err != nil {
		return "", err
	}
	if old.dir == "" { // all was done but saying so, or nothing is there any more
		defer unlock()
		return old.done, f.endTakingOver()
	}
	unlock()
	s.sweep(f.dir)
	l, err := f.begin()
	if err != nil {
		return "", err
	}
	defer l.close()
	a, err := l.newAdopter(old)
	if err != nil {
		return "", err
	}
	defer a.close()
	if err := s.watch(ctx, &a.bytes, 0, a.run); err != nil {
		return "", err
	}
	if err := l.sync(); err != nil {
		return "", fmt.Errorf("sync to disk: %w", err)
	}
	return f.takenOver(q.Token, l, a)
}

// oldFolder is what is to be taken over.
type oldFolder struct {
	dir  string // beneath the folder; "." is the folder itself; empty: nothing
	link string // the target of current, where it has one
	done rollcall.ReleaseID
}

// old finds out what lives in the folder.
func (f *folder) old() (oldFolder, error) {
	info, err := f.root.Lstat(current)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.oldFiles()
	case err != nil:
		return oldFolder{}, fmt.Errorf("look at current: %w", err)
	case info.Mode()&fs.ModeSymlink == 0:
		return oldFolder{}, rollcall.Errorf(rollcall.KindRefused, "%s is no link, and must become one", f.path(current)).
			WithHint("on the node: cd %s && mkdir -p releases && mv current releases/old && ln -s releases/old current", f.dir)
	}
	target, err := f.root.Readlink(current)
	if err != nil {
		return oldFolder{}, fmt.Errorf("read current: %w", err)
	}
	if id, ours := releaseOf(target); ours {
		if f.isAdopted(id) {
			return oldFolder{done: id}, nil
		}
		return oldFolder{}, nil
	}
	refused := func(why string) (oldFolder, error) {
		return oldFolder{}, rollcall.Errorf(rollcall.KindRefused, "%s points to %s, %s", f.path(current), target, why).
			WithHint("point it to the release that is to be gone back to, beneath %s, or take it away", f.dir)
	}
	rel := path.Clean(target)
	if path.IsAbs(rel) {
		real, err := filepath.EvalSymlinks(f.dir)
		if err != nil {
			return oldFolder{}, fmt.Errorf("find the folder: %w", err)
		}
		below, ok := strings.CutPrefix(rel, f.dir+"/")
		if !ok {
			below, ok = strings.CutPrefix(rel, real+"/")
		}
		if !ok {
			return refused("which is not beneath the folder")
		}
		rel = below
	}
	if first, _, _ := strings.Cut(rel, "/"); first == ".." || first == "." || first == private || first == current {
		return refused("which is no release of its own")
	}
	if info, err := f.root.Stat(rel); err != nil {
		return refused("which can't be reached there: " + err.Error())
	} else if !info.IsDir() {
		return refused("which is no folder")
	}
	return oldFolder{dir: rel, link: target}, nil
}

// oldFiles tells whether there are files in the folder that were there before us.
func (f *folder) oldFiles() (oldFolder, error) {
	if _, err := f.root.Lstat(private); err == nil {
		if _, err := f.root.Lstat(takingOver); errors.Is(err, fs.ErrNotExist) {
			return oldFolder{}, nil // it is ours, and nothing was live yet
		}
	}
	dir, err := f.root.Open(".")
	if err != nil {
		return oldFolder{}, fmt.Errorf("read the folder: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return oldFolder{}, fmt.Errorf("read the folder: %w", err)
	}
	for _, name := range names {
		if !besideFiles(name) {
			return oldFolder{dir: "."}, nil
		}
	}
	return oldFolder{}, nil
}

// besideFiles tells what is no part of a folder that is copied as a whole.
func besideFiles(name string) bool {
	switch name {
	case shared, releases, private, beginning, "lost+found":
		return true
	}
	return false
}

// beginTakingOver makes the private folder together with the mark that what stands beside
// it is not taken over yet.
func (f *folder) beginTakingOver() error {
	if _, err := f.root.Lstat(private); err == nil {
		return nil
	}
	if err := f.root.MkdirAll(beginning, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", f.path(beginning), err)
	}
	mark := path.Join(beginning, path.Base(takingOver))
	if err := renameio.WriteFile(f.path(mark), nil, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", f.path(mark), err)
	}
	if err := f.syncDir(beginning); err != nil {
		return err
	}
	if err := f.root.Rename(beginning, private); err != nil {
		return fmt.Errorf("make %s: %w", f.path(private), err)
	}
	return f.syncDir(".")
}

func (f *folder) endTakingOver() error {
	if err := f.root.Remove(takingOver); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("end the take-over: %w", err)
	}
	return f.syncDir(private)
}

// takenOver gives the copy its name and makes it live. That it is adopted is written
// first: from its name on it must never be cleaned.
func (f *folder) takenOver(token rollcall.Token, l *layout, a *adopter) (rollcall.ReleaseID, error) {
	id := nameOf(a.manifest)
	stored, err := a.manifest.AppendBinary(nil)
	if err != nil {
		return "", err
	}
	unlock, err := f.guard(token)
	if err != nil {
		return "", err
	}
	defer unlock()
	if now, err := f.old(); err != nil {
		return "", err
	} else if now != a.old {
		return "", rollcall.Errorf(rollcall.KindConflict, "somebody changed what lives in %s while it was taken over", f.dir).
			WithHint("ask again")
	}
	if err := f.root.MkdirAll(adopted, 0o700); err != nil {
		return "", fmt.Errorf("make %s: %w", f.path(adopted), err)
	}
	if err := f.storeJSON(adopted+"/"+string(id), a.adoption); err != nil {
		return "", err
	}
	name := releases + "/" + string(id)
	if _, err := f.root.Lstat(name); err == nil { // it came this far before
		if err := f.discard(name); err != nil {
			return "", err
		}
	}
	if err := renameio.WriteFile(f.path(manifests, string(id)), stored, 0o600); err != nil {
		return "", fmt.Errorf("write the manifest: %w", err)
	}
	if err := f.syncDir(manifests); err != nil {
		return "", err
	}
	if err := f.root.Rename(l.name, name); err != nil {
		return "", fmt.Errorf("name the release: %w", err)
	}
	if err := f.syncDir(releases); err != nil {
		return "", err
	}
	if err := f.point(id); err != nil {
		return "", err
	}
	return id, f.endTakingOver()
}

func (f *folder) isAdopted(id rollcall.ReleaseID) bool {
	if id == "" || f.root == nil {
		return false
	}
	_, err := f.root.Lstat(adopted + "/" + string(id))
	return err == nil
}

// allAdopted are the releases that were made of what stood there before us.
func (f *folder) allAdopted() (map[rollcall.ReleaseID]bool, error) {
	all := map[rollcall.ReleaseID]bool{}
	entries, err := os.ReadDir(f.path(adopted))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list what was adopted: %w", err)
	}
	for _, e := range entries {
		if id := rollcall.ReleaseID(e.Name()); id.Valid() {
			all[id] = true
		}
	}
	return all, nil
}

func (f *folder) adoption(id rollcall.ReleaseID) (*adoption, error) {
	if !f.isAdopted(id) {
		return nil, nil
	}
	b, err := f.root.ReadFile(adopted + "/" + string(id))
	var a adoption
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil {
		return nil, fmt.Errorf("read what was adopted: %w", err)
	}
	for _, link := range a.Links {
		if err := rollcall.CheckPath(string(link.Path)); err != nil {
			return nil, err
		}
	}
	return &a, nil
}

// adopted makes an audit one of a release that was adopted: its links out are known, and
// its modes are what they were.
func (a *auditor) adopted(f *folder, live rollcall.ReleaseID) error {
	known, err := f.adoption(live)
	if known == nil || err != nil {
		return err
	}
	a.anyMode = true
	for _, link := range known.Links {
		a.known[string(link.Path)] = string(link.Target)
	}
	return nil
}

// carryLinks makes the links out of an adopted release anew.
func (l *layout) carryLinks(live rollcall.ReleaseID) error {
	known, err := l.f.adoption(live)
	if known == nil || err != nil {
		return err
	}
	for _, link := range known.Links {
		name := string(link.Path)
		if err := l.enter(path.Dir(name)); err != nil {
			return err
		}
		if err := unix.Symlinkat(string(link.Target), l.to.fd(), path.Base(name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("link %s: %w", name, err)
		}
	}
	return nil
}

// looksAdopted is looksLike for a release that others' files were linked into: their
// times have parts of a second.
func looksAdopted(s *unix.Stat_t, e *rollcall.Entry) bool {
	return s.Mode&unix.S_IFMT == unix.S_IFREG && s.Size == e.Size && s.Mtim.Sec == e.Mtime &&
		(s.Mode&0o111 != 0) == (e.Type == rollcall.TypeExecutable)
}

// usual tells whether an adopted file is like one that we made, and can be linked into
// releases.
func usual(s *unix.Stat_t) bool { return s.Mtim.Nsec == 0 && int(s.Uid) == os.Geteuid() }
