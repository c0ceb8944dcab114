package svn

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// candidate is a changeset of a source branch with what the ledger of the target says.
type candidate struct {
	touch
	entry *logRecord // nil until somebody needs it

	standing rollcall.Standing
	in       int64 // the target's revision that last said so
	by, why  string

	merged, part bool  // in svn:mergeinfo of the target's root now
	turned       int64 // the revision that brought it in, or took it out
	brought      int64 // of what was taken out: the revision that had brought it in
	was          bool  // it was in there once
}

// pair is a source and a target with what is between them.
type pair struct {
	*Repository
	book           *logbook
	known          *facts
	source, target string
	from, to       []segment // their histories
	parted         []segment // what of the source's is none of the target's
	own            []segment // what of the target's is none of the source's
}

func (r *Repository) pair(ctx context.Context, source, target string) (*pair, error) {
	book, to, err := r.branch(ctx, target)
	if err != nil {
		return nil, err
	}
	book.close()
	book, from, err := r.branch(ctx, source)
	if err != nil {
		return nil, err
	}
	known, err := r.facts(ctx)
	if err != nil {
		book.close()
		return nil, err
	}
	return &pair{
		Repository: r, book: book, known: known, source: source, target: target, from: from, to: to,
		parted: minus(from, to), own: minus(to, from),
	}, nil
}

func (p *pair) close() {
	p.book.close()
	p.known.close()
}

// parting is the newest revision that both have; 0: they are no kin.
func (p *pair) parting() int64 {
	for _, s := range p.from {
		for _, t := range p.to {
			if s.path == t.path && s.from == t.from {
				return min(s.to, t.to)
			}
		}
	}
	return 0
}

// Standees lists the changesets of source since it and target parted.
func (r *Repository) Standees(ctx context.Context, source, target string, all bool) ([]rollcall.Standee, error) {
	p, err := r.pair(ctx, source, target)
	if err != nil {
		return nil, err
	}
	defer p.close()
	c, err := r.chronicle(ctx, p.book, p.known, p.own)
	if err != nil {
		return nil, err
	}
	if err := p.mustBeTrue(ctx, c); err != nil {
		return nil, err
	}
	candidates, err := p.candidates(ctx)
	if err != nil {
		return nil, err
	}
	replay(candidates, c)
	if err := p.judge(ctx, candidates, c); err != nil {
		return nil, err
	}
	if err := p.reflect(ctx, candidates); err != nil {
		return nil, err
	}
	var standees []rollcall.Standee
	for _, one := range candidates {
		if !all && (one.standing == rollcall.StandIntegrated || one.standing == rollcall.StandReflected) {
			continue
		}
		s, err := p.standee(ctx, one)
		if err != nil {
			return nil, err
		}
		standees = append(standees, s)
	}
	return standees, nil
}

// candidates are the revisions of the source since the parting, newest first. The one
// that only made the branch is none.
func (p *pair) candidates(ctx context.Context) ([]*candidate, error) {
	touched, err := p.book.touched(ctx, p.parted, 0)
	if err != nil {
		return nil, err
	}
	var all []*candidate
	for _, t := range touched {
		one := &candidate{touch: t, standing: rollcall.StandEligible}
		if slices.ContainsFunc(p.parted, func(s segment) bool { return s.from == t.revision }) {
			if err := p.load(ctx, one); err != nil {
				return nil, err
			}
			if onlyMade(one.entry, t.path) {
				continue
			}
		}
		all = append(all, one)
	}
	return all, nil
}

func (p *pair) load(ctx context.Context, c *candidate) (err error) {
	if c.entry == nil {
		c.entry, err = p.book.entry(ctx, c.revision)
	}
	return err
}

// onlyMade tells whether a revision made a branch by copying another and did nothing else.
// A copy of a working copy names a source for whatever was older or newer in it.
func onlyMade(e *logRecord, folder string) bool {
	copied := false
	for _, p := range e.paths {
		switch {
		case within(folder, p.path) && p.fromPath != "":
			copied = true
		case within(folder, p.path), !within(p.path, folder):
		case p.fromPath == "" && p.action != "D", p.text:
			return false
		}
	}
	return copied
}

// mustBeTrue refuses a ledger that names what the source does not have.
func (p *pair) mustBeTrue(ctx context.Context, c *chronicle) error {
	root := p.from[0]
	kin := p.parting() > 0
	for _, s := range p.from {
		if last := c.info[s.path].last(); last > p.head {
			by, err := p.whoAdded(ctx, c, s.path, last)
			if err != nil {
				return err
			}
			return rollcall.Errorf(rollcall.KindRefused, "svn:mergeinfo of %s names r%d of %s, and the repository has no such revision%s", p.target, last, s.path, by).
				WithHint("if the repository was restored from an older copy, bring the newer one back; "+
					"or, when you are sure, rollcall desk forget takes out r%d and all else that is not there", last)
		}
	}
	gone := c.info[root.path].within(1, root.from-1)
	for _, s := range p.from[1:] {
		if s.path == root.path {
			gone = gone.without(spans{{from: s.from, to: s.to}})
		}
	}
	replaced := func(other int64) error {
		return rollcall.Errorf(rollcall.KindRefused, "%s was replaced in r%d: r%d, which %s has, is of the one that was there before", p.source, root.from, other, p.target).
			WithHint("make %s anew from today's %s, or bring the old one back", p.target, p.source)
	}
	for _, s := range gone {
		other, err := p.book.newestBelow(ctx, root.path, s.from, s.to)
		if err != nil {
			return err
		}
		if other > 0 {
			return replaced(other)
		}
	}
	if kin {
		return nil
	}
	for _, s := range p.to {
		if s.path == root.path && s.to < root.from {
			return replaced(s.to)
		}
	}
	return nil
}

// whoAdded tells in which revision a number came into the target's mergeinfo, as the end of
// a sentence.
func (p *pair) whoAdded(ctx context.Context, c *chronicle, path string, number int64) (string, error) {
	for _, t := range slices.Backward(c.turns) {
		if in, _ := t.Added[path].find(number); in {
			e, err := p.book.entry(ctx, t.Revision)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf(": r%d by %s wrote it there, as %s:%s", t.Revision, writer(e), rollcall.Printable(path), t.Added[path]), nil
		}
	}
	return "", nil
}

// newestBelow is the newest revision between two that changed a path or something in it; 0: none.
func (b *logbook) newestBelow(ctx context.Context, path string, from, to int64) (revision int64, err error) {
	err = b.db.QueryRowContext(ctx, `SELECT coalesce(max(rev), 0) FROM paths
		WHERE rev BETWEEN ? AND ? AND (path = ? OR path > ? AND path < ?)`, from, to, path, path+"/", path+"0").Scan(&revision)
	if err != nil {
		return 0, fmt.Errorf("look into the log: %w", err)
	}
	return revision, nil
}

// replay goes through the turns of the target's mergeinfo and notes which candidate came
// in and went out with which.
func replay(candidates []*candidate, c *chronicle) {
	byPath := map[string][]*candidate{} // oldest first
	for _, one := range slices.Backward(candidates) {
		byPath[one.path] = append(byPath[one.path], one)
	}
	each := func(info mergeinfo, fn func(*candidate)) {
		for path, s := range info {
			some := byPath[path]
			for _, run := range s {
				i := sort.Search(len(some), func(i int) bool { return some[i].revision >= run.from })
				for ; i < len(some) && some[i].revision <= run.to; i++ {
					fn(some[i])
				}
			}
		}
	}
	for _, t := range c.turns {
		each(t.Removed, func(one *candidate) { one.was, one.brought, one.turned = true, one.turned, t.Revision })
		each(t.Added, func(one *candidate) { one.was, one.turned = true, t.Revision })
	}
	for _, one := range candidates {
		one.merged, one.part = c.info[one.path].find(one.revision)
	}
}

// judge gives each candidate its standing, but for those that are reflected.
func (p *pair) judge(ctx context.Context, candidates []*candidate, c *chronicle) error {
	legacy := parseSvnmerge(c.now.Integrated, p.uuid)
	avoided := parseSvnmerge(c.now.Avoided, p.uuid)
	blocks := parseBlocked(c.now.Blocked)
	below, err := p.partsOf(ctx)
	if err != nil {
		return err
	}
	for _, one := range candidates {
		whole, part := one.merged && !one.part, one.part
		if len(below) > 0 {
			if err := p.load(ctx, one); err != nil {
				return err
			}
			whole, part = one.inParts(whole, part, below)
		}
		old, _ := legacy[one.path].find(one.revision)
		avoid, _ := avoided[one.path].find(one.revision)
		block, isBlocked := blocks[one.revision]
		switch {
		case whole:
			one.standing, one.in = rollcall.StandIntegrated, one.turned
		case old && !one.was:
			one.standing, one.why = rollcall.StandIntegrated, "svnmerge.py says so"
		case part:
			one.standing, one.in = rollcall.StandPartial, one.turned
		case isBlocked:
			one.standing, one.by, one.why = rollcall.StandBlocked, block.by, block.why
			one.in = c.blockedIn(one.revision)
		case avoid:
			one.standing, one.why = rollcall.StandBlocked, svnmergeBlock
		case one.was:
			if err := p.takenOut(ctx, one); err != nil {
				return err
			}
		}
		if one.in > 0 && one.by == "" {
			e, err := p.book.entry(ctx, one.in)
			if err != nil {
				return err
			}
			one.by = writer(e)
		}
	}
	return nil
}

// svnmergeBlock is why something is blocked that svnmerge.py blocked: it kept no reason.
const svnmergeBlock = "blocked in svnmerge.py"

// takenOut tells what it means that a candidate is in the mergeinfo no more: with files it
// was backed out, and without any it was only noted that it should not be there.
func (p *pair) takenOut(ctx context.Context, one *candidate) error {
	e, err := p.book.entry(ctx, one.turned)
	if err != nil {
		return err
	}
	for _, s := range p.own {
		if s.from < one.turned && one.turned <= s.to && onlyNoted(e, s.path) {
			return nil
		}
	}
	one.standing, one.in = rollcall.StandBackedOut, one.turned
	return nil
}

// onlyNoted tells whether all that a revision changed of a branch are properties of folders.
func onlyNoted(e *logRecord, folder string) bool {
	return !slices.ContainsFunc(e.paths, func(p pathChange) bool {
		return within(p.path, folder) && (p.action != "M" || p.text || p.kind != "dir" && p.path != folder)
	})
}

// blockedIn is the revision since which a changeset is blocked.
func (c *chronicle) blockedIn(revision int64) int64 {
	var in int64
	for _, t := range slices.Backward(c.turns) {
		if _, ok := parseBlocked(t.Blocked)[revision]; !ok {
			break
		}
		in = t.Revision
	}
	return in
}

// inParts looks at the parts of the target that have a mergeinfo of their own: for what a
// candidate changes there, only that counts.
func (c *candidate) inParts(whole, part bool, below map[string]mergeinfo) (bool, bool) {
	in, out := 0, 0
	for _, changed := range c.entry.paths {
		name, ok := strings.CutPrefix(changed.path, c.path+"/")
		if !ok {
			continue
		}
		has, some := whole, part
		for place := name; place != ""; place = parent(place) {
			if info, ok := below[place]; ok {
				has, some = info[c.path+"/"+place].find(c.revision)
				has = has && !some
				break
			}
		}
		if some {
			in, out = in+1, out+1
		} else if has {
			in++
		} else {
			out++
		}
	}
	if in+out == 0 {
		return whole, part
	}
	return out == 0, in > 0 && out > 0
}

func parent(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return ""
	}
	return path[:i]
}

// partsOf gives the mergeinfo below the target's root. It is asked of a working copy,
// where it costs little, once for each revision of the target.
func (p *pair) partsOf(ctx context.Context) (map[string]mergeinfo, error) {
	tip, err := p.book.touched(ctx, p.to, 1)
	if err != nil || len(tip) == 0 {
		return nil, err
	}
	some, err := p.book.mayHaveParts(ctx, p.to)
	if err != nil || !some {
		return nil, err
	}
	name := fmt.Sprintf("%s@%d", p.folder(p.target), tip[0].revision)
	texts := map[string]string{}
	found, err := p.known.get(ctx, "parts", name, &texts)
	if err != nil {
		return nil, err
	}
	if !found {
		b, err := p.bench(ctx, "", p.target, tip[0].revision)
		if err != nil {
			return nil, err
		}
		defer b.Close()
		below, err := b.subtrees(ctx)
		if err != nil {
			return nil, err
		}
		for place, info := range below {
			texts[place] = info.String()
		}
		if err := p.known.put(ctx, "parts", name, texts); err != nil {
			return nil, err
		}
	}
	below := map[string]mergeinfo{}
	for place, text := range texts {
		if below[place], err = parseMergeinfo(text); err != nil {
			return nil, err
		}
	}
	return below, nil
}

// mayHaveParts tells whether a revision changed a property of something below a branch's root.
func (b *logbook) mayHaveParts(ctx context.Context, history []segment) (bool, error) {
	for _, s := range history {
		var some bool
		err := b.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM paths WHERE props AND path > ? AND path < ? AND rev BETWEEN ? AND ?)`,
			s.path+"/", s.path+"0", s.from, s.to).Scan(&some)
		if err != nil || some {
			return some, err
		}
	}
	return false, nil
}

// standee says it as others want to hear it.
func (p *pair) standee(ctx context.Context, one *candidate) (rollcall.Standee, error) {
	if err := p.load(ctx, one); err != nil {
		return rollcall.Standee{}, err
	}
	e := one.entry
	s := rollcall.Standee{
		Changeset: e.changeset(one.path),
		Standing:  one.standing, By: rollcall.Printable(one.by), Why: rollcall.Printable(one.why), Message: e.message,
	}
	if one.in > 0 {
		s.In = revisionID(one.in)
	}
	if one.standing == rollcall.StandBackedOut && one.brought > 0 {
		s.Was = revisionID(one.brought)
	}
	if one.standing == rollcall.StandIntegrated || one.standing == rollcall.StandReflected {
		return s, nil // there are many, and each is asked for
	}
	var err error
	s.Authors, err = p.authors(ctx, p.book, p.known, e, one.path)
	return s, err
}
