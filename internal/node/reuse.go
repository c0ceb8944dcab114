package node

import (
	"sort"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/pack"
)

// facts are what is known of a file before it is laid.
type facts byte

const (
	wasAlike   facts = 1 << iota // the spare's manifest has it as it shall be
	isThere                      // and so it stands in the layout
	baseWhole                    // the base's file, to be linked, is what its manifest says
	baseEdited                   // it is not
)

// reuseAtOnce is how many folders are looked at together. An old release is seldom in
// the node's memory, and disks answer many questions as soon as one.
const reuseAtOnce = 16

// reuse leaves in a spare only what the new release has too, looks at each of those
// files as it would before linking it, and tells which are there. What else stands in
// its folders goes: also what somebody or something wrote there meanwhile. The base's
// files are looked at on the same way.
func (l *layout) reuse(was, to *rollcall.Manifest, wants []pack.Want) ([]facts, error) {
	r := &reuser{l: l, to: to, wants: wants, facts: make([]facts, len(wants)), slots: make(chan struct{}, reuseAtOnce)}
	r.markAlike(was)
	own, err := unix.Openat(int(l.own.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	base := -1
	if l.base != nil {
		if base, err = unix.Openat(int(l.base.Fd()), ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			base = -1
		}
		r.oneDisk = base >= 0 && deviceOf(own) == deviceOf(base)
	}
	r.folder(pair{own, base}, make([]byte, listBuffer), "", 0, len(wants))
	r.wait.Wait()
	return r.facts, r.err
}

// deviceOf is the number of a folder's file system.
func deviceOf(folder int) uint64 {
	var s unix.Stat_t
	if unix.Fstat(folder, &s) != nil {
		return 0
	}
	return s.Dev
}

// listBuffer is how many bytes of names are asked for at once.
const listBuffer = 16 << 10

type reuser struct {
	l     *layout
	to    *rollcall.Manifest
	wants []pack.Want
	facts []facts // of the wants; each belongs to who looks at its folder
	// oneDisk tells that spare and base are on one file system: there, one number is one file.
	oneDisk bool
	slots   chan struct{}
	wait    sync.WaitGroup

	mu  sync.Mutex
	err error
}

// pair is one folder, open in the spare and, where it is there, in the base: else -1.
type pair struct{ own, base int }

func (p pair) close() {
	_ = unix.Close(p.own)
	if p.base >= 0 {
		_ = unix.Close(p.base)
	}
}

// markAlike finds the files that the spare's manifest and the new one hold alike, their
// times included.
func (r *reuser) markAlike(was *rollcall.Manifest) {
	i := 0
	for j := range r.wants {
		e := r.wants[j].Entry
		for i < len(was.Entries) && was.Entries[i].Path < e.Path {
			i++
		}
		if i < len(was.Entries) && was.Entries[i].Path == e.Path && was.Entries[i].Same(e) && was.Entries[i].Mtime == e.Mtime {
			r.facts[j] = wasAlike
		}
	}
}

// folder does one folder, whose files are the wants from begin to end, and closes it.
func (r *reuser) folder(dir pair, buf []byte, prefix string, begin, end int) {
	err := r.look(dir, buf, prefix, begin, end)
	dir.close()
	if err != nil {
		r.mu.Lock()
		if r.err == nil {
			r.err = err
		}
		r.mu.Unlock()
	}
}

// look does one folder, and those below it beside or after it. Names and wants are in
// one order, so that each name is met where its want is.
func (r *reuser) look(dir pair, buf []byte, prefix string, begin, end int) error {
	names, err := list(dir.own, buf)
	if err == nil {
		err = r.l.rights.mend(dir.own)
	}
	if err != nil {
		return err
	}
	rest := func(i int) string { return r.wants[i].Entry.Path[len(prefix):] }
	at := begin
	for _, one := range names {
		for at < end && rest(at) < one.key {
			at++
		}
		switch {
		case one.kind == unix.DT_DIR:
			first := at
			for at < end && strings.HasPrefix(rest(at), one.key) {
				at++
			}
			if at > first || hasBelow(r.to, prefix+one.name) {
				err = r.below(dir, buf, one.name, prefix+one.key, first, at)
			} else {
				err = r.l.root.RemoveAll(prefix + one.name)
			}
		case one.kind == unix.DT_REG && at < end && rest(at) == one.name && r.keeps(dir, at, one):
			r.facts[at] |= isThere
		default:
			err = unix.Unlinkat(dir.own, one.name, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keeps tells whether a file of the spare is as it shall be.
func (r *reuser) keeps(dir pair, i int, one listed) bool {
	want := &r.wants[i]
	if r.facts[i]&wasAlike == 0 {
		return false
	}
	var s unix.Stat_t
	var of facts
	if want.How == pack.Link && want.From.Path == want.Entry.Path && dir.base >= 0 {
		whole := looksLike(dir.base, want.From, &s)
		if whole && r.oneDisk && s.Ino == one.inode && r.l.rights.fit(&s, want.Entry) {
			r.facts[i] |= baseWhole // they are one file, which was looked at
			return true
		}
		of = baseEdited
		if whole || r.l.adopted && looksAdopted(&s, want.From) {
			of = baseWhole
		}
	}
	if !looksLike(dir.own, want.Entry, &s) || !r.l.rights.fit(&s, want.Entry) {
		return false
	}
	r.facts[i] |= of
	return true
}

func (r *reuser) below(above pair, buf []byte, name, prefix string, begin, end int) error {
	const flags = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	own, err := unix.Openat(above.own, name, unix.O_RDONLY|flags, 0)
	if err != nil {
		return err
	}
	dir := pair{own, -1}
	if above.base >= 0 {
		if dir.base, err = unix.Openat(above.base, name, unix.O_PATH|flags, 0); err != nil {
			dir.base = -1 // whoever lays a file of it finds out why
		}
	}
	select {
	case r.slots <- struct{}{}:
		r.wait.Go(func() {
			defer func() { <-r.slots }()
			r.folder(dir, make([]byte, listBuffer), prefix, begin, end)
		})
	default:
		r.folder(dir, buf, prefix, begin, end)
	}
	return nil
}

// hasBelow tells whether a manifest has anything in a folder, or the folder itself.
func hasBelow(m *rollcall.Manifest, dir string) bool {
	i := sort.Search(len(m.Entries), func(i int) bool { return m.Entries[i].Path >= dir+"/" })
	if i < len(m.Entries) && strings.HasPrefix(m.Entries[i].Path, dir+"/") {
		return true
	}
	e := m.Find(dir)
	return e != nil && e.Type == rollcall.TypeFolder
}
