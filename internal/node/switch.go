package node

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// switchTo makes a release live: one rename, so that there is never a moment without
// `current`. Asked again for what is live already, it does nothing.
func (f *folder) switchTo(token rollcall.Token, from, to rollcall.ReleaseID, keep *rollcall.KeepOldFiles) error {
	if f.root == nil {
		return rollcall.Errorf(rollcall.KindBroken, "%s does not exist", f.dir)
	}
	unlock, err := f.guard(token)
	if err != nil {
		return err
	}
	defer unlock()
	foreign, err := f.foreign()
	if err != nil {
		return err
	}
	if foreign != "" {
		return rollcall.Errorf(rollcall.KindRefused, "%s holds something else: %s", f.dir, foreign)
	}
	if f.target != nil {
		return f.switchInPlace(from, to, keep)
	}
	live, err := f.live()
	if err != nil {
		return err
	}
	if live == to {
		return nil
	}
	if live != from {
		return notLive(live, from)
	}
	if to == "" {
		if err := f.root.Remove(current); err != nil {
			return fmt.Errorf("take current away: %w", err)
		}
		return f.syncDir(".")
	}
	if _, err := f.root.Stat(releases + "/" + string(to)); err != nil {
		return fmt.Errorf("look for the release: %w", err)
	}
	if keep != nil && live != "" {
		if err := f.keepOld(live, to, keep, time.Now()); err != nil {
			return fmt.Errorf("keep old files: %w", err)
		}
	}
	if err := f.point(to); err != nil {
		return err
	}
	return f.noteLive(live, to)
}

func notLive(live, from rollcall.ReleaseID) error {
	return rollcall.Errorf(rollcall.KindRefused, "%s is live and not %s: somebody else switched here", live.Short(), from.Short()).
		WithHint("see rollcall log, then roll again")
}

// noteLive sets the times that order the releases for clean: the one that goes was live
// until now.
func (f *folder) noteLive(live, to rollcall.ReleaseID) error {
	now := time.Now()
	for i, id := range []rollcall.ReleaseID{live, to} {
		if id != "" {
			at := now.Add(time.Duration(i) * time.Millisecond)
			if err := f.root.Chtimes(manifests+"/"+string(id), at, at); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("note when it was live: %w", err)
			}
		}
	}
	return nil
}

func (f *folder) point(to rollcall.ReleaseID) error {
	tmp := private + "/current." + rand.Text()
	if err := f.root.Symlink(releases+"/"+string(to), tmp); err != nil {
		return fmt.Errorf("switch: %w", err)
	}
	// renameat replaces the old link in one step; only the node's power could come
	// between it and the sync.
	if err := f.root.Rename(tmp, current); err != nil {
		f.root.Remove(tmp)
		return fmt.Errorf("switch: %w", err)
	}
	return f.syncDir(".")
}

// clean removes all releases but the newest ones, the live one and those named.
func (f *folder) clean(token rollcall.Token, keep int, always []rollcall.ReleaseID) error {
	if f.root == nil {
		return nil
	}
	unlock, err := f.guard(token)
	if err != nil {
		return err
	}
	defer unlock()
	live, err := f.live()
	if err != nil {
		return err
	}
	ids, err := f.retained()
	if err != nil {
		return err
	}
	stays, err := f.pinned()
	if err != nil {
		return err
	}
	stays[live] = true
	for _, id := range always {
		stays[id] = true
	}
	for i, id := range ids {
		if i < keep || stays[id] {
			continue
		}
		if err := f.letGo(id); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(f.path(releases))
	if err != nil {
		return fmt.Errorf("list the releases: %w", err)
	}
	for _, e := range entries {
		if !rollcall.ReleaseID(e.Name()).Valid() {
			continue // not ours
		}
		if _, err := f.root.Lstat(manifests + "/" + e.Name()); errors.Is(err, fs.ErrNotExist) && rollcall.ReleaseID(e.Name()) != live {
			if err := f.discard(releases + "/" + e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}
