package svn

import (
	"context"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// markTries is how often marks are written again where somebody else was faster.
const markTries = 4

// Mark writes ledger entries to target in one revision, straight to the repository: no
// working copy is needed to change properties.
func (r *Repository) Mark(ctx context.Context, source, target string, marks []rollcall.Mark, by string) (rollcall.Revision, error) {
	var none rollcall.Revision
	for try := 1; ; try++ {
		if err := r.refresh(ctx); err != nil {
			return none, err
		}
		number, err := r.mark(ctx, source, target, marks, by)
		if outOfDate(err) && try < markTries {
			continue
		}
		if outOfDate(err) {
			return none, rollcall.Errorf(rollcall.KindConflict, "somebody else commits to %s all the time: %w", target, err)
		}
		if complains(err, codeHook) {
			return none, rollcall.Errorf(rollcall.KindRefused, "the repository refuses the commit to %s: %w", target, err)
		}
		if err != nil {
			return none, err
		}
		if number == 0 { // all of it stood there already
			return r.Tip(ctx, target)
		}
		if err := r.refresh(ctx); err != nil {
			return none, err
		}
		book, err := r.logbook(ctx)
		if err != nil {
			return none, err
		}
		defer book.close()
		return r.revision(ctx, book, touch{number, r.folder(target)})
	}
}

// marking is the properties of a target's root, and of parts below it that have a
// mergeinfo of their own, as they are to be.
type marking struct {
	*Repository
	book                *logbook
	source              string
	from                []segment // the source's history, where something is to be integrated
	blocked             map[int64]blocked
	info                mergeinfo
	integrated, avoided mergeinfo
	below               map[string]mergeinfo
}

// mark writes what is not there yet, and gives the revision that it made of it, or 0.
func (r *Repository) mark(ctx context.Context, source, target string, marks []rollcall.Mark, by string) (int64, error) {
	w := &writing{r: r}
	defer w.end()
	actions, err := w.marks(ctx, source, target, marks, by)
	if err != nil || len(actions) == 0 {
		return 0, err
	}
	number, err := r.commitActions(ctx, w, markMessage(target, marks, by), by, actions)
	if err == nil || outOfDate(err) || ctx.Err() != nil {
		return number, err
	}
	// The word of it may have been lost on its way, whatever svn makes of that: over HTTP
	// it asks once more, and is told that there is no such thing.
	there, asked := r.marked(ctx, source, target, marks, by)
	if asked != nil {
		return 0, rollcall.Errorf(rollcall.KindInternal, "nobody can tell whether it was noted on %s: %w", target, err).
			WithHint("the same command again finds out")
	}
	if there {
		err = nil
	}
	return 0, err
}

// marked tells whether all of the marks are there.
func (r *Repository) marked(ctx context.Context, source, target string, marks []rollcall.Mark, by string) (bool, error) {
	if err := r.refresh(ctx); err != nil {
		return false, err
	}
	w := &writing{r: r}
	defer w.end()
	actions, err := w.marks(ctx, source, target, marks, by)
	return len(actions) == 0, err
}

// marks are what svnmucc has to do for marks that are not there yet.
func (w *writing) marks(ctx context.Context, source, target string, marks []rollcall.Mark, by string) ([]string, error) {
	r := w.r
	book, history, err := r.branch(ctx, target)
	if err != nil {
		return nil, err
	}
	defer book.close()
	before, err := r.rootNotes(ctx, r.folder(target), r.head)
	if err != nil {
		return nil, err
	}
	m := &marking{
		Repository: r, book: book, source: source, blocked: parseBlocked(before.Blocked),
		integrated: parseSvnmerge(before.Integrated, r.uuid), avoided: parseSvnmerge(before.Avoided, r.uuid),
	}
	if m.info, err = readMergeinfo(before, r.folder(target), r.head); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(marks, func(m rollcall.Mark) bool { return m.Kind == rollcall.MarkIntegrated }) {
		if m.from, err = book.history(ctx, r.folder(source), r.head); err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(marks, func(m rollcall.Mark) bool {
		return m.Kind == rollcall.MarkIntegrated || m.Kind == rollcall.MarkForgotten
	}) {
		p := &pair{Repository: r, book: book, target: target, to: history}
		if p.known, err = r.facts(ctx); err != nil {
			return nil, err
		}
		defer p.known.close()
		if m.below, err = p.partsOf(ctx); err != nil {
			return nil, err
		}
	}
	parts := map[string]string{}
	for place, info := range m.below {
		parts[place] = info.String()
	}
	for _, mark := range marks {
		if err := m.add(ctx, mark, by); err != nil {
			return nil, err
		}
	}
	var actions []string
	root := join(r.root, r.folder(target))
	w.set(&actions, root, propBlocked, before.Blocked, formatBlocked(m.blocked))
	w.set(&actions, root, propMergeinfo, before.Mergeinfo, m.info.String())
	w.setHeads(&actions, root, propIntegrated, before.Integrated, m.integrated, r.uuid)
	w.setHeads(&actions, root, propAvoided, before.Avoided, m.avoided, r.uuid)
	for _, place := range slices.Sorted(maps.Keys(m.below)) {
		url := join(r.root, r.folder(target)+"/"+place)
		if text := m.below[place].String(); text == "" && parts[place] != "" {
			// Not gone: without any it would have the root's.
			actions = append(actions, "propsetf", propMergeinfo, w.file(""), url)
		} else {
			w.set(&actions, url, propMergeinfo, parts[place], text)
		}
	}
	return actions, w.err
}

var numberText = regexp.MustCompile(`(?m)^r([0-9]+) committed by `)

func (r *Repository) commitActions(ctx context.Context, w *writing, message, by string, actions []string) (int64, error) {
	file := w.file(message)
	if w.err != nil {
		return 0, w.err
	}
	// The baseline: what somebody else did since makes it fail.
	options := []string{"-r", fmt.Sprint(r.head), "-F", file}
	if by != "" {
		options = append(options, "--with-revprop", revBy+"="+rollcall.Printable(by))
	}
	out, err := r.as(by).svnmucc(ctx, options, actions...)
	if err != nil {
		return 0, err
	}
	match := numberText.FindSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("svnmucc did not say what it committed: %s", rollcall.PrintableLines(string(out)))
	}
	return strconv.ParseInt(string(match[1]), 10, 64)
}

// add does one mark.
func (m *marking) add(ctx context.Context, mark rollcall.Mark, by string) error {
	number, err := parseRevision(mark.ID)
	if err != nil {
		return err
	}
	// What a ledger names beyond the newest revision is forgotten with all the like: nobody
	// can have merged it.
	out := spans{{from: number, to: number}}
	switch {
	case mark.Kind == rollcall.MarkForgotten && number > m.head:
		out = spans{{from: m.head + 1, to: math.MaxInt32}}
	case number < 1 || number > m.head:
		return rollcall.Errorf(rollcall.KindNotFound, "there is no revision %s in the repository", revisionID(number))
	}
	switch mark.Kind {
	case rollcall.MarkBlocked:
		m.blocked[number] = blocked{by, mark.Why}
		return nil
	case rollcall.MarkUnblocked:
		delete(m.blocked, number)
		m.avoided = m.avoided.withoutRuns(out)
		return nil
	case rollcall.MarkIntegrated:
	case rollcall.MarkForgotten:
		delete(m.blocked, number)
		m.avoided, m.integrated, m.info = m.avoided.withoutRuns(out), m.integrated.withoutRuns(out), m.info.withoutRuns(out)
		for place, info := range m.below {
			if left := info.withoutRuns(out); left.String() != info.String() {
				m.below[place] = left
			}
		}
		return nil
	default:
		return rollcall.Errorf(rollcall.KindInvalid, "%q is not a kind of mark", mark.Kind)
	}
	// Where it lay then: the source may have been moved since.
	cut, ok, err := m.book.ending(ctx, m.from, number)
	if err != nil {
		return err
	}
	if !ok {
		return rollcall.Errorf(rollcall.KindInvalid, "%s is no changeset of %s", revisionID(number), m.source).
			WithHint("rollcall avail lists a source's changesets")
	}
	source := cut[0].path
	m.info.add(source, number)
	e, err := m.book.entry(ctx, number)
	if err != nil {
		return err
	}
	for place, info := range m.below {
		if slices.ContainsFunc(e.paths, func(p pathChange) bool { return within(p.path, source+"/"+place) }) {
			info.add(source+"/"+place, number)
		}
	}
	return nil
}

// withoutRuns takes revisions out, whatever path they are said of: each is of one branch.
func (m mergeinfo) withoutRuns(runs spans) mergeinfo {
	out := mergeinfo{}
	for path, s := range m {
		if left := s.without(runs); len(left) > 0 {
			out[path] = left
		}
	}
	return out
}

// writing puts values into files, which svnmucc reads: an argument has a limit.
type writing struct {
	r       *Repository
	removes []func()
	err     error
}

func (w *writing) file(text string) string {
	if w.err != nil {
		return ""
	}
	file, remove, err := w.r.temporary([]byte(text))
	if err != nil {
		w.err = err
		return ""
	}
	w.removes = append(w.removes, remove)
	return file
}

func (w *writing) set(actions *[]string, url, property, before, after string) {
	switch {
	case before == after:
	case after == "":
		*actions = append(*actions, "propdel", property, url)
	default:
		*actions = append(*actions, "propsetf", property, w.file(after), url)
	}
}

// setHeads sets what svnmerge.py kept, if anything of it changed.
func (w *writing) setHeads(actions *[]string, url, property, before string, after mergeinfo, uuid string) {
	if was := parseSvnmerge(before, uuid); was.String() != after.String() {
		w.set(actions, url, property, before, rewriteSvnmerge(before, uuid, after))
	}
}

func (w *writing) end() {
	for _, remove := range w.removes {
		remove()
	}
}

func formatBlocked(all map[int64]blocked) string {
	var lines []string
	for _, number := range slices.Sorted(maps.Keys(all)) {
		by := strings.ReplaceAll(rollcall.Printable(all[number].by), ": ", " ")
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%d by %s: %s", number, by, rollcall.Printable(all[number].why)), " "))
	}
	return strings.Join(lines, "\n")
}

func markMessage(target string, marks []rollcall.Mark, by string) string {
	words := map[rollcall.MarkKind]string{
		rollcall.MarkBlocked: "block", rollcall.MarkUnblocked: "unblock",
		rollcall.MarkIntegrated: "mark as merged", rollcall.MarkForgotten: "forget",
	}
	var parts, lines []string
	for _, kind := range []rollcall.MarkKind{rollcall.MarkBlocked, rollcall.MarkUnblocked, rollcall.MarkIntegrated, rollcall.MarkForgotten} {
		var ids []string
		for _, mark := range marks {
			if mark.Kind != kind {
				continue
			}
			ids = append(ids, mark.ID)
			line := "* " + words[kind] + " " + rollcall.Printable(mark.ID)
			if mark.Why != "" {
				line += ": " + rollcall.Printable(mark.Why)
			}
			lines = append(lines, line)
		}
		if what := rollcall.Printable(strings.Join(ids, ", ")); len(ids) > 6 {
			parts = append(parts, fmt.Sprintf("%s %d changesets", words[kind], len(ids)))
		} else if len(ids) > 0 {
			parts = append(parts, words[kind]+" "+what)
		}
	}
	text := strings.Join(parts, ", ") + " on " + target
	return strings.ToUpper(text[:1]) + text[1:] + "\n\n" + strings.Join(lines, "\n") + "\n\n" + trailerBy + ": " + rollcall.Printable(by) + "\n"
}
