package node

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/google/renameio/v2"
	"github.com/zeebo/blake3"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/pack"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// spareBytes is what stays free on a node beyond what a release takes.
const spareBytes = 32 << 20

// receive lays out a release beside the live one and puts it on disk. It is made in a
// folder of its own and gets its name last, so that a process that dies leaves only
// what the next one sweeps away.
func (s *Server) receive(f *folder, q *wire.Request) (rollcall.Received, error) {
	var received rollcall.Received
	if err := f.make(); err != nil {
		return received, err
	}
	unlock, err := f.guard(q.Token)
	if err != nil {
		return received, err
	}
	f.sweepTarget()
	unlock()
	s.sweep(f.dir)
	if err := f.enough(q.Receive); err != nil {
		return received, err
	}
	base, err := f.manifest(q.Receive.Base)
	if err != nil {
		return received, err
	}
	if err := f.links(q.Receive.Link); err != nil {
		return received, err
	}
	if err := f.roomInTarget(q.Receive); err != nil {
		return received, err
	}
	rights, err := f.rights(q.Receive.Permissions)
	if err != nil {
		return received, err
	}
	repair, from, err := f.repairs(q)
	if err != nil {
		return received, err
	}
	var layout *layout
	var was *rollcall.Manifest
	if !repair && len(q.Receive.Distrust) == 0 {
		layout, was = f.takeSpare() // which may hold the very files that are not to be trusted
	}
	if layout == nil {
		if layout, err = f.begin(); err != nil {
			return received, err
		}
	}
	defer layout.close()
	layout.distrust = textSet(q.Receive.Distrust)
	layout.adopted = f.isAdopted(from)
	if err := layout.give(rights); err != nil {
		return received, err
	}

	r, err := pack.NewReader(s.stream)
	if err != nil {
		return received, err
	}
	defer r.Close()
	to, err := pack.ApplyChanges(base, r.Changes())
	if err != nil {
		return received, err
	}
	if name := nameOf(to); name != q.Release {
		return received, rollcall.Errorf(rollcall.KindInternal, "the pack makes %s and not %s", name.Short(), q.Release.Short())
	}
	if err := f.fits(to, layout.distrust); err != nil {
		return received, err
	}
	if err := s.conn.SendPhase("linking"); err != nil {
		return received, err
	}
	if err := layout.openBase(from); err != nil {
		return received, err
	}
	wants := pack.Wants(base, to)
	var known []facts
	if was != nil {
		if known, err = layout.reuse(was, to, wants); err != nil {
			return received, fmt.Errorf("make a release out of an old one: %w", err)
		}
	}
	missing, err := layout.lay(wants, known, r, func() error { return s.conn.SendPhase("writing") })
	if err != nil {
		return received, err
	}
	if err := s.stream.Drain(); err != nil {
		return received, err
	}
	received.Bytes = s.stream.Bytes
	if len(missing) > 0 {
		n, err := s.fill(layout, missing)
		if err != nil {
			return received, err
		}
		received.Bytes += n
	}
	slices.Sort(layout.edited)
	received.Edited = slices.Compact(layout.edited)
	if err := layout.rest(to, q.Receive.Link); err != nil {
		return received, err
	}
	if repair {
		if err := layout.carry(q.Release); err != nil {
			return received, err
		}
	}
	if err := s.conn.SendPhase("syncing"); err != nil {
		return received, err
	}
	return received, f.finish(q, layout, to)
}

// fill asks for the contents that the old release should have had.
func (s *Server) fill(layout *layout, missing []pack.Want) (int64, error) {
	paths := make([]string, len(missing))
	for i, want := range missing {
		paths[i] = want.Entry.Path
	}
	if err := s.conn.Send(wire.KindMissing, paths); err != nil {
		return 0, err
	}
	s.stream = s.conn.Stream()
	r, err := pack.NewReader(s.stream)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for i := range missing {
		missing[i] = pack.Want{Entry: missing[i].Entry, How: pack.Content}
	}
	again, err := layout.lay(missing, nil, r, func() error { return nil })
	if err != nil {
		return 0, err
	}
	if len(again) > 0 {
		return 0, rollcall.Errorf(rollcall.KindInternal, "%s came with another content than its manifest says", again[0].Entry.Path)
	}
	return s.stream.Bytes, s.stream.Drain()
}

// finish puts the release on disk and then gives it its name.
func (f *folder) finish(q *wire.Request, layout *layout, to *rollcall.Manifest) error {
	stored, err := to.AppendBinary(nil)
	if err != nil {
		return err
	}
	if err := layout.sync(); err != nil {
		return fmt.Errorf("sync to disk: %w", err)
	}
	unlock, err := f.guard(q.Token)
	if err != nil {
		return err
	}
	defer unlock()
	name := releases + "/" + string(q.Release)
	if live, err := f.live(); err != nil {
		return err
	} else if live == q.Release {
		return f.mend(layout, to, stored)
	}
	if _, err := f.root.Lstat(name); err == nil {
		// Left by somebody who died between the two names, or edited into being.
		if err := f.discard(name); err != nil {
			return err
		}
	}
	if err := renameio.WriteFile(f.path(manifests, string(q.Release)), stored, 0o600); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	// Its name is on disk before the release's: a release without one is none.
	if err := f.syncDir(manifests); err != nil {
		return err
	}
	if err := f.root.Rename(layout.name, name); err != nil {
		return fmt.Errorf("name the release: %w", err)
	}
	return f.syncDir(releases)
}

func (f *folder) syncDir(name string) error {
	dir, err := f.root.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync %s to disk: %w", f.path(name), err)
	}
	return nil
}

// enough refuses a release that would not fit, before its first byte is written.
func (f *folder) enough(r *wire.Receive) error {
	bytes, files, err := f.space()
	if err != nil {
		return err
	}
	need := r.Bytes + spareBytes
	if bytes < need || files >= 0 && files < int64(r.Created)+100 {
		f.dropSpare()
		if bytes, files, err = f.space(); err != nil {
			return err
		}
	}
	if bytes < need {
		return rollcall.Errorf(rollcall.KindBroken, "the disk of %s has %d MB free, and the release takes %d MB", f.dir, bytes>>20, need>>20).
			WithHint("free some space there, or lower the environment's keep: in rollcall.yaml")
	}
	if files >= 0 && files < int64(r.Created)+100 {
		return rollcall.Errorf(rollcall.KindBroken, "the disk of %s has %s free, and the release takes %d", f.dir, rollcall.Plural(int(files), "inode", "inodes"), r.Created+100).
			WithHint("remove files there, or lower the environment's keep: in rollcall.yaml")
	}
	return nil
}

// manifest reads the manifest of a release that is here; the empty name has the empty one.
func (f *folder) manifest(id rollcall.ReleaseID) (*rollcall.Manifest, error) {
	if id == "" {
		return &rollcall.Manifest{}, nil
	}
	b, err := f.root.ReadFile(manifests + "/" + string(id))
	if err != nil {
		return nil, fmt.Errorf("read the manifest of %s: %w", id.Short(), err)
	}
	m, err := rollcall.ParseManifest(b)
	if err != nil {
		return nil, fmt.Errorf("read the manifest of %s: %w", id.Short(), err)
	}
	return m, nil
}

// links finds out before anything is written whether the node's own files are there.
func (f *folder) links(links []string) error {
	if f.target != nil && len(links) > 0 {
		return rollcall.Errorf(rollcall.KindRefused, "link: is not for files in place").
			WithHint("what is the node's own can stand in %s beside the release's files", f.target.dir)
	}
	for _, link := range links {
		if _, err := f.root.Stat(shared + "/" + link); errors.Is(err, fs.ErrNotExist) {
			return rollcall.Errorf(rollcall.KindBroken, "%s is linked into every release and does not exist", f.path(shared, link)).
				WithHint("make it on the node: what stands there is the node's own and is never sent")
		} else if err != nil {
			return fmt.Errorf("look at %s: %w", f.path(shared, link), err)
		}
	}
	return nil
}

// sweep removes, beside what else is done, what was taken away and what processes that
// died left on its way.
func (s *Server) sweep(dir string) {
	s.sweeps.Go(func() {
		f, err := openFolder(dir)
		if err != nil || f.root == nil {
			return
		}
		defer f.close()
		f.sweep()
	})
}

func (f *folder) sweep() {
	for _, place := range []string{incoming, trash} {
		entries, err := os.ReadDir(f.path(place))
		if err != nil {
			continue
		}
		for _, e := range entries {
			name := place + "/" + e.Name()
			dir, err := f.root.Open(name)
			if err != nil {
				continue
			}
			if syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
				f.root.RemoveAll(name)
			}
			dir.Close()
		}
	}
}

// discard takes something away in one step; its files go when there is time.
func (f *folder) discard(name string) error {
	if err := f.root.Rename(name, trash+"/"+rand.Text()); err != nil {
		return fmt.Errorf("remove %s: %w", f.path(name), err)
	}
	return nil
}

func nameOf(m *rollcall.Manifest) rollcall.ReleaseID {
	h := blake3.New()
	_ = m.WriteName(h) // a hash takes everything
	return rollcall.ReleaseID(hex.EncodeToString(h.Sum(nil)))
}
