package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// state tells what the node has. It changes nothing.
func (f *folder) state() (rollcall.NodeState, error) {
	var s rollcall.NodeState
	var err error
	if s.Token, err = f.token(); err != nil {
		return s, err
	}
	if s.Foreign, err = f.foreign(); err != nil {
		return s, err
	}
	if s.Current, err = f.live(); err != nil {
		return s, err
	}
	if s.Releases, err = f.retained(); err != nil {
		return s, err
	}
	if s.Applying, err = f.applying(); err != nil {
		return s, err
	}
	s.Free, s.FreeFile, err = f.space()
	return s, err
}

// retained lists the releases that are whole, the one that was live last first.
func (f *folder) retained() ([]rollcall.ReleaseID, error) {
	if f.root == nil {
		return nil, nil
	}
	entries, err := os.ReadDir(f.path(manifests))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the releases: %w", err)
	}
	type aged struct {
		id rollcall.ReleaseID
		at time.Time
	}
	var found []aged
	for _, e := range entries {
		id := rollcall.ReleaseID(e.Name())
		info, err := e.Info()
		if err != nil || !id.Valid() {
			continue
		}
		if dir, err := f.root.Lstat(releases + "/" + e.Name()); err == nil && dir.IsDir() {
			found = append(found, aged{id, info.ModTime()})
		}
	}
	slices.SortFunc(found, func(a, b aged) int { return b.at.Compare(a.at) })
	ids := make([]rollcall.ReleaseID, len(found))
	for i, one := range found {
		ids[i] = one.id
	}
	return ids, nil
}

// space tells the free bytes and inodes where the folder is or will be.
func (f *folder) space() (bytes, files int64, err error) {
	dir := f.dir
	var s syscall.Statfs_t
	for {
		err := syscall.Statfs(dir, &s)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.ENOENT) || dir == "/" {
			return 0, 0, fmt.Errorf("ask for the free space: %w", err)
		}
		dir = filepath.Dir(dir)
	}
	files = int64(s.Ffree)
	if s.Files == 0 {
		files = -1 // a file system without a fixed number of inodes
	}
	return int64(s.Bavail) * s.Bsize, files, nil
}
