package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// line is one line of a file. Its number stays the same wherever it stands.
type line struct {
	number int
	text   string
}

// file is a file of a branch.
type file struct {
	path  string
	lines []line
}

func (f *file) content() string {
	var b strings.Builder
	for _, l := range f.lines {
		b.WriteString(l.text)
		b.WriteByte('\n')
	}
	return b.String()
}

// branch is what a branch has, by the number of the file, which stays the same when it is moved.
type branch map[int]*file

func (b branch) copy() branch {
	other := branch{}
	for n, f := range b {
		other[n] = &file{f.path, slices.Clone(f.lines)}
	}
	return other
}

// hunk takes lines out of a file and puts others where they were.
type hunk struct {
	file  int
	after int   // the number of the line before; 0: it begins the file
	out   []int // the numbers of the lines that go
	in    []line
}

// changeset is what a developer did.
type changeset struct {
	author, subject string
	hunks           []hunk
	added           map[int]*file // whole files
	gone            []int
	moved           map[int]string // where to
}

// history makes up the changesets of a trunk, the same ones at every time: most edit a few
// lines of one to three files, some files more often than others, and many go on with what
// one of those before has begun.
type history struct {
	random *rand.Rand
	trunk  branch
	files  []int // that are there
	next   int   // number of a file or a line
	recent []hunk
}

const recentHunks = 60

func newHistory(files int) *history {
	h := &history{random: rand.New(rand.NewPCG(20, 26)), trunk: branch{}, next: 1}
	for range files {
		h.add(h.path())
	}
	return h
}

func (h *history) number() int { h.next++; return h.next }

func (h *history) path() string {
	n := h.number()
	return fmt.Sprintf("src/%s/%s/%s%d.php", nouns[n%7], nouns[n/7%len(nouns)], nouns[n%len(nouns)], n)
}

var (
	nouns   = []string{"order", "customer", "invoice", "product", "price", "stock", "payment", "address", "voucher", "basket", "report", "session"}
	authors = []string{"Ada", "Barbara", "Dennis", "Edsger", "Frances", "Grace", "Ken", "Margaret", "Niklaus", "Radia"}
)

func (h *history) noun() string { return nouns[h.random.IntN(len(nouns))] }

func (h *history) line() line {
	n := h.number()
	return line{n, fmt.Sprintf("    $%s = $this->%s(%d, '%s');", h.noun(), h.noun(), n, h.noun())}
}

func (h *history) some(least, most int) []line {
	all := make([]line, least+h.random.IntN(most-least+1))
	for i := range all {
		all[i] = h.line()
	}
	return all
}

func (h *history) add(path string) (int, *file) {
	n := h.number()
	f := &file{path, h.some(40, 160)}
	f.lines[0].text = "<?php"
	h.trunk[n] = f
	h.files = append(h.files, n)
	return n, f
}

// change makes the next changeset, and does it to the trunk.
func (h *history) change() *changeset {
	c := &changeset{author: authors[h.random.IntN(len(authors))], added: map[int]*file{}, moved: map[int]string{}}
	c.subject = fmt.Sprintf("#%d the %s of each %s", 1000+h.random.IntN(9000), h.noun(), h.noun())
	switch dice := h.random.IntN(250); {
	case dice < 4:
		n, f := h.add(h.path())
		c.added[n] = &file{f.path, slices.Clone(f.lines)}
	case dice == 4:
		i := h.random.IntN(len(h.files))
		c.gone = append(c.gone, h.files[i])
		delete(h.trunk, h.files[i])
		h.files = slices.Delete(h.files, i, i+1)
	case dice == 5:
		n := h.files[h.random.IntN(len(h.files))]
		c.moved[n] = h.path()
		h.trunk[n].path = c.moved[n]
	}
	for range 1 + h.random.IntN(2) + h.random.IntN(2) {
		if k, ok := h.hunk(); ok {
			c.hunks = append(c.hunks, k)
			h.trunk.edit(k)
			h.recent = append(h.recent, k)
		}
	}
	h.recent = h.recent[max(0, len(h.recent)-recentHunks):]
	return c
}

func (h *history) hunk() (hunk, bool) {
	var k hunk
	at := -1
	if len(h.recent) > 0 && h.random.IntN(8) == 0 {
		before := h.recent[h.random.IntN(len(h.recent))]
		if f := h.trunk[before.file]; f != nil && len(before.in) > 0 {
			k.file = before.file
			at = f.find(before.in[h.random.IntN(len(before.in))].number)
		}
	}
	if at < 0 {
		// The square of a number below one: some come up more often.
		x := h.random.Float64()
		k.file = h.files[int(x*x*float64(len(h.files)))]
		at = h.random.IntN(max(1, len(h.trunk[k.file].lines)))
	}
	f := h.trunk[k.file]
	if at > 0 {
		k.after = f.lines[at-1].number
	}
	for _, l := range f.lines[min(at, len(f.lines)):min(at+h.random.IntN(4), len(f.lines))] {
		k.out = append(k.out, l.number)
	}
	if len(f.lines) < 180 {
		k.in = h.some(1, 4)
	}
	return k, len(k.in)+len(k.out) > 0
}

func (f *file) find(number int) int {
	return slices.IndexFunc(f.lines, func(l line) bool { return l.number == number })
}

// edit does a hunk as well as it can be done: as somebody who merges it would.
func (b branch) edit(k hunk) bool {
	f := b[k.file]
	if f == nil {
		return false
	}
	at := f.find(k.after) + 1
	if at == 0 && k.after != 0 {
		at = len(f.lines)
	}
	for _, number := range k.out {
		if i := f.find(number); i >= 0 {
			at = i
			f.lines = slices.Delete(f.lines, i, i+1)
		}
	}
	f.lines = slices.Insert(f.lines, at, k.in...)
	return true
}

// done is what a changeset did to a branch.
type done struct {
	written map[string]string // the contents of files
	moved   [][2]string
	gone    []string
}

// apply does a whole changeset to a branch.
func (b branch) apply(c *changeset) done {
	d := done{written: map[string]string{}}
	written := map[int]bool{}
	for n, f := range c.added {
		b[n] = &file{f.path, slices.Clone(f.lines)}
		written[n] = true
	}
	for n, path := range c.moved {
		if f := b[n]; f != nil {
			d.moved = append(d.moved, [2]string{f.path, path})
			f.path = path
			written[n] = true
		}
	}
	for _, k := range c.hunks {
		if b.edit(k) {
			written[k.file] = true
		}
	}
	for _, n := range c.gone {
		if f := b[n]; f != nil {
			d.gone = append(d.gone, f.path)
			delete(b, n)
		}
	}
	for n := range written {
		if f := b[n]; f != nil {
			d.written[f.path] = f.content()
		}
	}
	return d
}

// size is how large a history is made.
type size struct {
	trunk    int // changesets of the trunk
	since    int // those since production parted from it
	eligible int // those of them that production lacks
	files    int
	batch    int // changesets that are promoted at once
}

// story is what a repository's history is written from, in order.
type story struct {
	changed  func(i int, c *changeset, d done) // the trunk
	parted   func()                            // production is made of the trunk
	promoted func(which []int, all []*changeset, d done)
	hotfixed func(d done) // on production, by hand
}

// lag is how far behind the trunk things are promoted.
const lag = 40

// tell makes up a whole history. What production lacks are most of the newest and some
// older ones.
func (s *story) tell(z size) {
	h := newHistory(z.files)
	trunk, random := h.trunk.copy(), rand.New(rand.NewPCG(10, 1))
	lacking := map[int]bool{}
	for i := z.trunk - 1; len(lacking) < z.eligible*2/5; i-- {
		if random.IntN(5) > 0 {
			lacking[i] = true
		}
	}
	for len(lacking) < z.eligible {
		lacking[z.trunk-z.since+random.IntN(z.since)] = true
	}
	var production branch
	made := map[int]*changeset{}
	var waiting []int
	promote := func(least int) {
		for len(waiting) >= least && len(waiting) > 0 {
			which := waiting[:min(z.batch, len(waiting))]
			waiting = waiting[len(which):]
			all := done{written: map[string]string{}}
			var changesets []*changeset
			for _, i := range which {
				all.add(production.apply(made[i]))
				changesets = append(changesets, made[i])
				delete(made, i)
			}
			s.promoted(which, changesets, all)
			if random.IntN(60) == 0 {
				s.hotfixed(production.apply(h.hotfix(production)))
			}
		}
	}
	for i := range z.trunk {
		if i == z.trunk-z.since {
			production = trunk.copy()
			s.parted()
		}
		c := h.change()
		s.changed(i, c, trunk.apply(c))
		if production == nil || lacking[i] {
			continue
		}
		made[i] = c
		waiting = append(waiting, i)
		promote(lag)
	}
	promote(1)
}

// hotfix is a line that is put into a file of production by hand.
func (h *history) hotfix(production branch) *changeset {
	c := &changeset{}
	for n := range 1000 {
		number := h.files[(n*37)%len(h.files)]
		if f := production[number]; f != nil && len(f.lines) > 2 {
			c.hunks = []hunk{{file: number, after: f.lines[len(f.lines)/2].number, in: []line{{-h.number(), "    // mended in a hurry"}}}}
			break
		}
	}
	return c
}

// add puts what was done later behind it.
func (d *done) add(later done) {
	for _, path := range later.gone {
		delete(d.written, path)
		d.gone = append(d.gone, path)
	}
	for _, m := range later.moved {
		delete(d.written, m[0])
		d.moved = append(d.moved, m)
	}
	for path, text := range later.written {
		d.written[path] = text
	}
}
