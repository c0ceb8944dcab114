package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/google/renameio/v2"

	"github.com/rollcall-dev/rollcall"
)

// keptFiles are what a release holds besides its manifest, and until when.
type keptFiles map[string]time.Time

// keepOld links into a release the files of the live one that it lacks, as far as the
// patterns name them: a page rendered a moment ago still finds its assets. What an
// earlier release had left in the live one is passed on until its time is over. It goes
// in both directions: a rollback needs it as much.
func (f *folder) keepOld(live, to rollcall.ReleaseID, keep *rollcall.KeepOldFiles, now time.Time) error {
	old, err := f.manifest(live)
	if err != nil {
		return err
	}
	next, err := f.manifest(to)
	if err != nil {
		return err
	}
	passed, err := f.kept(live)
	if err != nil {
		return err
	}
	stay, err := f.kept(to)
	if err != nil {
		return err
	}
	wanted := keptFiles{}
	for name, until := range passed {
		if until.After(now) {
			wanted[name] = until
		}
	}
	for i := range old.Entries {
		e := &old.Entries[i]
		if e.IsFile() && rollcall.MatchAny(keep.Files, e.Path) {
			wanted[e.Path] = now.Add(keep.For)
		}
	}
	linked := false
	for name, until := range wanted {
		if next.Find(name) != nil {
			continue
		}
		switch err := f.linkOld(live, to, name); {
		case err == nil:
			linked = true
		case errors.Is(err, fs.ErrExist): // kept from the other direction
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, errNoFolder):
			continue // gone by hand, or a file stands where its folder would be
		default:
			return err
		}
		if until.After(stay[name]) {
			stay[name] = until
		}
	}
	if len(stay) == 0 {
		return nil
	}
	b, err := json.Marshal(stay)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(f.path(kept, string(to)+".json"), b, 0o600); err != nil {
		return fmt.Errorf("list the kept files: %w", err)
	}
	if linked {
		return f.syncDir(releases + "/" + string(to))
	}
	return nil
}

var errNoFolder = errors.New("no folder")

func (f *folder) linkOld(live, to rollcall.ReleaseID, name string) error {
	release := releases + "/" + string(to)
	if dir := path.Dir(name); dir != "." {
		// Through the release's own root: a link of the new release must not lead the
		// old file elsewhere.
		root, err := f.root.OpenRoot(release)
		if err != nil {
			return err
		}
		defer root.Close()
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return errNoFolder
		}
	}
	return f.root.Link(releases+"/"+string(live)+"/"+name, release+"/"+name)
}

func (f *folder) kept(id rollcall.ReleaseID) (keptFiles, error) {
	b, err := f.root.ReadFile(kept + "/" + string(id) + ".json")
	if errors.Is(err, os.ErrNotExist) {
		return keptFiles{}, nil
	}
	files := keptFiles{}
	if err == nil {
		err = json.Unmarshal(b, &files)
	}
	if err != nil {
		return nil, fmt.Errorf("read the kept files of %s: %w", id.Short(), err)
	}
	for name := range files {
		if err := rollcall.CheckPath(name); err != nil {
			return nil, err
		}
	}
	return files, nil
}
