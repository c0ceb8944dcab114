package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Where Rollcall keeps things beneath a node's folder.
const (
	private  = ".rollcall"
	spares   = ".rollcall/spare"
	releases = "releases"
)

// snapshot keeps everything of a state but the releases' files: those do not change
// once they are there. Only one that was let go, which the next is made out of, does:
// of that, which is the same on all nodes, one copy is kept.
func (f *fleet) snapshot(ctx context.Context, name string) error {
	to := f.path("disk", "snapshots", name)
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(to, "spare"), 0o755); err != nil {
		return err
	}
	if _, err := command(ctx, "/", "cp", "-a", f.state(), filepath.Join(to, "state")); err != nil {
		return err
	}
	for _, id := range folders(f.nodes[0].rollcall, spares) {
		if _, err := command(ctx, "/", "cp", "-a", filepath.Join(f.nodes[0].rollcall, spares, id), filepath.Join(to, "spare")); err != nil {
			return err
		}
	}
	return f.each(func(n *node) error {
		own := filepath.Join(to, n.name)
		if err := os.Mkdir(own, 0o755); err != nil {
			return err
		}
		if err := f.copyPrivate(ctx, n.rollcall, own); err != nil {
			return err
		}
		_, err := command(ctx, n.rollcall, "cp", "-a", "current", own)
		return err
	})
}

// copyPrivate copies what Rollcall keeps beside the releases, without what was let go.
func (f *fleet) copyPrivate(ctx context.Context, from, to string) error {
	_, err := command(ctx, "/", "rsync", "-a", "--delete", "--exclude=/spare/*/", filepath.Join(from, private)+"/", filepath.Join(to, private)+"/")
	return err
}

func folders(dir ...string) []string {
	entries, err := os.ReadDir(filepath.Join(dir...))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// restore brings a snapshot back: its files, and away with every release that it does
// not know. The name may have traits behind a colon: "empty" takes the nodes' folders
// away, "unpacked" the controller's packs, and "young" what was let go.
func (f *fleet) restore(ctx context.Context, name string) error {
	name, traits, _ := strings.Cut(name, ":")
	from := f.path("disk", "snapshots", name)
	if err := os.RemoveAll(f.state()); err != nil {
		return err
	}
	if _, err := command(ctx, "/", "cp", "-a", filepath.Join(from, "state"), f.state()); err != nil {
		return err
	}
	if strings.Contains(traits, "unpacked") {
		if err := os.RemoveAll(filepath.Join(f.state(), "releases", "packs")); err != nil {
			return err
		}
	}
	if strings.Contains(traits, "empty") {
		return f.wipe(false)
	}
	return f.each(func(n *node) error {
		if err := f.restoreReleases(ctx, n, from); err != nil {
			return err
		}
		if err := f.copyPrivate(ctx, filepath.Join(from, n.name), n.rollcall); err != nil {
			return err
		}
		if strings.Contains(traits, "young") {
			if err := os.RemoveAll(filepath.Join(n.rollcall, spares)); err != nil {
				return err
			}
		}
		current := filepath.Join(n.rollcall, "current")
		if err := os.Remove(current); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_, err := command(ctx, filepath.Join(from, n.name), "cp", "-a", "current", n.rollcall)
		return err
	})
}

// restoreReleases brings back a release that was let go since, makes the spare again
// out of the release that was made out of it, and removes what is new.
func (f *fleet) restoreReleases(ctx context.Context, n *node, from string) error {
	at := func(parts ...string) string { return filepath.Join(append([]string{n.rollcall}, parts...)...) }
	var keep []string
	manifests, err := os.ReadDir(filepath.Join(from, n.name, private, "manifests"))
	if err != nil {
		return err
	}
	for _, m := range manifests {
		keep = append(keep, m.Name())
		if _, err := os.Stat(at(releases, m.Name())); err == nil {
			continue
		}
		if err := os.Rename(at(spares, m.Name()), at(releases, m.Name())); err != nil {
			return fmt.Errorf("bring a release back: %w", err)
		}
	}
	wanted := folders(from, "spare")
	for _, id := range folders(n.rollcall, releases) {
		if slices.Contains(keep, id) {
			continue
		}
		if len(wanted) == 1 && !slices.Contains(folders(n.rollcall, spares), wanted[0]) {
			if err := os.MkdirAll(at(spares), 0o700); err != nil {
				return err
			}
			if err := os.Rename(at(releases, id), at(spares, wanted[0])); err != nil {
				return err
			}
			continue
		}
		if err := os.RemoveAll(at(releases, id)); err != nil {
			return err
		}
	}
	for _, id := range folders(n.rollcall, spares) {
		if !slices.Contains(wanted, id) {
			if err := os.RemoveAll(at(spares, id)); err != nil {
				return err
			}
		}
	}
	for _, id := range wanted {
		if err := os.MkdirAll(at(spares), 0o700); err != nil {
			return err
		}
		if _, err := command(ctx, "/", "rsync", "-a", "--delete", filepath.Join(from, "spare", id)+"/", at(spares, id)+"/"); err != nil {
			return err
		}
		if _, err := command(ctx, "/", "chown", "-R", fmt.Sprintf("%d:%d", n.id, n.id), at(spares)); err != nil {
			return err
		}
	}
	return nil
}
