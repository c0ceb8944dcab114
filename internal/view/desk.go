package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// Available shows the changesets of a trunk, the newest first, each with what is odd
// about it on a line of its own.
func (p *Printer) Available(code *rollcall.Code, request rollcall.AvailRequest, all []rollcall.Available) error {
	if p.JSON {
		for _, a := range all {
			if err := p.Object(a); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 && len(request.States)+len(request.Tickets)+len(request.Authors) > 0 {
		p.Note("no changeset of %s is so selected", code.Trunk)
		return nil
	}
	if len(all) == 0 {
		p.Note("nothing of %s is to be merged to %s", code.Trunk, code.Production)
		return nil
	}
	var rows table
	for _, a := range all {
		rows.add(p.style.bold(a.Short()), a.Date.Local().Format("2006-01-02"), a.Writers(), ticketsOf(a.Changeset), a.Subject)
	}
	for i, line := range rows.lines() {
		p.Line("%s", cut(line, p.Columns))
		for _, odd := range p.oddities(all[i]) {
			p.Line("%s", cut("  "+odd, p.Columns))
		}
	}
	counts := map[rollcall.Standing]int{}
	for _, a := range all {
		counts[a.Standing]++
	}
	var words []string
	for _, s := range rollcall.Standings {
		if counts[s] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	p.Note("%s: %s → %s: %s", code.Name, code.Trunk, code.Production, strings.Join(words, ", "))
	return nil
}

// oddities are what one should know before merging a changeset.
func (p *Printer) oddities(a rollcall.Available) []string {
	var odd []string
	s := p.style
	switch a.Standing {
	case rollcall.StandEligible:
	case rollcall.StandBlocked, rollcall.StandIntegrated, rollcall.StandBackedOut, rollcall.StandPartial, rollcall.StandProbable:
		text := string(a.Standing)
		if a.In != "" {
			text += " in " + rollcall.ShortRevision(a.In)
		}
		if a.By != "" {
			text += " by " + a.By
		}
		if a.Why != "" {
			text += ": " + rollcall.Printable(a.Why)
		}
		odd = append(odd, s.yellow(text))
	case rollcall.StandNoop:
		odd = append(odd, s.dim("noop: it would change nothing"))
	case rollcall.StandReflected:
		odd = append(odd, s.dim("reflected: it only brings back what was done on the production branch"))
	}
	if a.OnDesk != "" {
		odd = append(odd, s.green("on "+a.OnDesk))
	}
	if len(a.Conflicts) > 0 {
		odd = append(odd, s.red("conflicts in ")+rollcall.Printable(few(a.Conflicts)))
	}
	if len(a.Needs) > 0 {
		odd = append(odd, s.yellow("needs ")+few(short(a.Needs)))
	}
	if a.Unasked > 0 {
		odd = append(odd, s.yellow("needs not asked: ")+rollcall.Plural(a.Unasked, "file", "files"))
	}
	return odd
}

func short(ids []string) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = rollcall.ShortRevision(id)
	}
	return names
}

// few lists the first of many.
func few(texts []string) string {
	const most = 6
	if len(texts) > most {
		return strings.Join(texts[:most], ", ") + fmt.Sprintf(" and %d more", len(texts)-most)
	}
	return strings.Join(texts, ", ")
}

// Shown shows everything of one changeset.
func (p *Printer) Shown(one *rollcall.Shown) error {
	if p.JSON {
		return p.Object(one)
	}
	s := p.style
	p.Line("%s %s %s", s.bold(one.ID), one.Writers(), when(one.Date))
	for line := range strings.Lines(strings.TrimSpace(one.Message)) {
		p.Line("    %s", rollcall.Printable(strings.TrimRight(line, "\r\n")))
	}
	p.Line("%s", s.bold(string(one.Standing)))
	for _, odd := range p.oddities(one.Available) {
		p.Line("%s", cut(odd, p.Columns))
	}
	if len(one.Minimum) > 0 {
		p.Line("%s", cut("merges cleanly together with "+few(short(one.Minimum)), p.Columns))
	}
	if len(one.Touched) > 0 {
		p.Line("builds upon:")
		t := table{indent: "  ", columns: p.Columns}
		for _, touch := range one.Touched {
			what := "brought it"
			if touch.Lines > 0 {
				what = rollcall.Plural(touch.Lines, "line", "lines")
			}
			t.add(touch.Short(), touch.Author, ticketsOf(touch.Changeset), rollcall.Printable(touch.Path), what, string(touch.Standing))
		}
		t.print(p.Out)
	}
	p.Line("")
	for line := range strings.Lines(one.Patch) {
		p.Line("%s", p.patchLine(rollcall.Printable(strings.TrimRight(line, "\r\n"))))
	}
	return nil
}

func (p *Printer) patchLine(line string) string {
	switch {
	case strings.HasPrefix(line, "+++ "), strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "diff "), strings.HasPrefix(line, "Index: "):
		return p.style.bold(line)
	case strings.HasPrefix(line, "+"):
		return p.style.green(line)
	case strings.HasPrefix(line, "-"):
		return p.style.red(line)
	case strings.HasPrefix(line, "@@"):
		return p.style.dim(line)
	}
	return line
}

// DeskOutcome shows what came of a command on a desk.
func (p *Printer) DeskOutcome(event string, o *rollcall.DeskOutcome) error {
	if o == nil {
		return nil
	}
	if p.JSON {
		told := *o
		told.DeskState = toldOf(o.DeskState)
		return p.Object(struct {
			Event string `json:"event"`
			rollcall.DeskOutcome
		}{event, told})
	}
	s := p.style
	if o.Committed != nil {
		p.Line("%s %s, by %s:", s.green("committed to "+o.Target+" as"), s.bold(rollcall.ShortRevision(o.Committed.ID)), o.By)
	} else if o.Open() {
		p.Line("%s", cut(fmt.Sprintf("desk %s of %s, %s's: onto %s at %s", s.bold(o.Desk), o.Code, o.By, o.Target, rollcall.ShortRevision(o.Base.ID)), p.Columns))
	}
	t := table{indent: "  ", columns: p.Columns}
	for i, step := range o.Steps {
		c := rollcall.Changeset{ID: step.ID}
		if i < len(o.Changesets) {
			c = o.Changesets[i].Changeset
		}
		t.add(p.stepSign(o, i), rollcall.ShortRevision(step.ID), c.Writers(), ticketsOf(c), stepSubject(o, i, c))
	}
	t.print(p.Out)
	if len(o.Lifted) > 0 {
		p.Line("what was rolled back there is backed out: %s may roll again", strings.Join(o.Lifted, ", "))
	}
	if o.Moved {
		p.Line("%s", s.yellow("! "+o.Target+" has moved since"))
	}
	p.needs(o)
	p.Conflicts(o.Views, false)
	if o.Check != nil {
		return p.CheckReport(o.Check)
	}
	return nil
}

// toldOf leaves out what only a later process can read.
func toldOf(d rollcall.DeskState) rollcall.DeskState {
	if d.Committing != nil {
		begun := *d.Committing
		begun.Prepared, d.Committing = "", &begun
	}
	return d
}

func (p *Printer) stepSign(o *rollcall.DeskOutcome, i int) string {
	switch {
	case i < o.Merged:
		return p.style.green("✓")
	case i == o.Merged && len(o.Conflict) > 0:
		return p.style.red("✗")
	}
	return p.style.dim("·")
}

func stepSubject(o *rollcall.DeskOutcome, i int, c rollcall.Changeset) string {
	text := c.Subject
	if o.Steps[i].Kind == rollcall.StepBackOut {
		text = "back out: " + text
	}
	switch {
	case slices.Contains(o.Unchanged, o.Steps[i].ID):
		text += " (changes nothing)"
	case i == o.Merged && len(o.Conflict) > 0:
		text += " (conflicts)"
	case i > o.Merged:
		text += " (not merged yet)"
	}
	return text
}

// needs names what changesets on the desk seem to build upon.
func (p *Printer) needs(o *rollcall.DeskOutcome) {
	for _, one := range o.Changesets {
		needed := o.Needs[one.ID]
		if len(needed) == 0 {
			continue
		}
		p.Line("%s", p.style.yellow("! ")+one.Short()+" merges, but builds upon what is not on "+o.Target+": "+p.named(o, needed))
	}
}

// named lists changesets with their authors.
func (p *Printer) named(o *rollcall.DeskOutcome, ids []string) string {
	var words []string
	for _, id := range ids {
		word := rollcall.ShortRevision(id)
		if i := slices.IndexFunc(o.Names, func(n rollcall.Standee) bool { return n.ID == id }); i >= 0 {
			word += " by " + o.Names[i].Author
		}
		words = append(words, word)
	}
	return few(words)
}

// maxRegion is how many lines of one side are shown.
const maxRegion = 12

// Conflicts shows both sides of each conflict, with their lines where whole is asked for.
func (p *Printer) Conflicts(views []rollcall.ConflictView, whole bool) {
	s := p.style
	for _, v := range views {
		p.Line("%s: %s", s.bold(v.Name()), rollcall.Printable(v.Words))
		target := v.Target
		if v.Production != nil {
			target += ", last changed in " + p.who(*v.Production)
		}
		theirs := p.who(v.TheirsBy)
		if whole && v.Begun {
			p.Line("  somebody has begun to edit it: --edit goes on from %s", rollcall.Printable(v.Draft))
		}
		switch {
		case !whole:
			p.Line("  %s", cut(s.dim(v.Target+": ")+ownSide(v, p.who), p.Columns-2))
			p.Line("  %s", cut(s.dim("theirs: ")+theirs, p.Columns-2))
			continue
		case v.Property != "":
			p.region("before both", linesOf(v.Base), s.dim)
			p.region(target, linesOf(v.Conflict.Production), s.yellow)
			p.region(theirs, linesOf(v.Theirs), s.green)
			continue
		case len(v.Regions) == 0:
			p.Line("  %s: %s", target, sideText(v.Conflict.Production))
			p.Line("  %s: %s", theirs, sideText(v.Theirs))
			continue
		}
		for _, r := range v.Regions {
			p.Line("  %s", s.dim(fmt.Sprintf("line %d", r.Line)))
			p.region("before both", r.Base, s.dim)
			p.region(target, r.Production, s.yellow)
			p.region(theirs, r.Theirs, s.green)
		}
	}
}

// ownSide says what the target has, and who last changed it.
func ownSide(v rollcall.ConflictView, who func(rollcall.Changeset) string) string {
	if v.Production == nil {
		return sideText(v.Conflict.Production)
	}
	text := "last changed in " + who(*v.Production)
	if v.Conflict.Production == nil {
		text = "nothing there, " + text
	}
	return text
}

// sideText is a side that can't be shown line by line.
func sideText(side *rollcall.ConflictSide) string {
	switch {
	case side == nil:
		return "nothing there"
	case side.Type == rollcall.TypeFolder:
		return "a folder"
	case side.Type == rollcall.TypeLink:
		return "a link to " + rollcall.Printable(string(side.Content))
	}
	return sizeOf(int64(len(side.Content)))
}

// linesOf are those of a property's value.
func linesOf(side *rollcall.ConflictSide) []string {
	if side == nil {
		return nil
	}
	return strings.Split(strings.TrimRight(string(side.Content), "\n"), "\n")
}

func (p *Printer) region(name string, lines []string, colour func(string) string) {
	p.Line("    %s", cut(name, p.Columns-4))
	for i, line := range lines {
		if i == maxRegion && len(lines) > maxRegion+1 {
			p.Line("      %s", p.style.dim(fmt.Sprintf("and %s more", rollcall.Plural(len(lines)-maxRegion, "line", "lines"))))
			return
		}
		p.Line("      %s", cut(colour("│ "+rollcall.Printable(line)), p.Columns-6))
	}
	if len(lines) == 0 {
		p.Line("      %s", p.style.dim("│ (nothing)"))
	}
}

func (p *Printer) who(c rollcall.Changeset) string {
	words := []string{c.Short()}
	if c.Author != "" {
		words = append(words, "by "+c.Author)
	}
	if tickets := ticketsOf(c); tickets != "" {
		words = append(words, tickets)
	}
	return strings.Join(words, " ")
}

// Desks shows what is on desks.
func (p *Printer) Desks(all []rollcall.DeskState) error {
	for _, d := range all {
		if p.JSON {
			if err := p.Object(toldOf(d)); err != nil {
				return err
			}
			continue
		}
		p.desk(&d)
	}
	return nil
}

func (p *Printer) desk(d *rollcall.DeskState) {
	s := p.style
	if !d.Open() {
		p.Line("%s %s: nothing on it", s.bold(d.Code), d.Desk)
		return
	}
	state := "merged"
	switch {
	case d.Committing != nil && d.Busy:
		state = s.yellow("it is being committed")
	case d.Committing != nil:
		state = s.red("a commit was interrupted")
	case !d.Clean():
		state = s.red(rollcall.Plural(len(d.Conflict), "conflict", "conflicts"))
	case d.Checked != nil && d.Checked.Passed:
		state = s.green("checked")
	case d.Checked != nil:
		state = s.red("its checks fail in " + rollcall.Plural(d.Checked.Failed, "file", "files"))
	}
	since := when(d.Since)
	if d.Over != "" {
		since += ", taken over from " + d.Over
	}
	p.Line("%s", cut(fmt.Sprintf("%s %s: %s's since %s, %s → %s, %s", s.bold(d.Code), d.Desk, d.By, since, d.Source, d.Target, state), p.Columns))
	steps := table{indent: "  ", columns: p.Columns}
	for i, step := range d.Steps {
		if i == maxShown && len(d.Steps) > maxShown+1 {
			steps.add(fmt.Sprintf("and %d more", len(d.Steps)-i))
			break
		}
		steps.add(rollcall.ShortRevision(step.ID), stepKind(step), deskStep(d, i))
	}
	steps.print(p.Out)
	decided := table{indent: "  ", columns: p.Columns}
	for _, r := range d.Decisions() {
		decided.add("decided", propertyOf(r.Path, r.Property), decision(r), "by "+r.By)
	}
	decided.print(p.Out)
	if d.Committing != nil && !d.Busy {
		p.Note("whether it went through is not known: %s finds out, and finishes it", d.Command("commit"))
	}
}

func stepKind(step rollcall.DeskStep) string {
	if step.Kind == rollcall.StepMerge {
		return "the branch " + step.Source
	}
	return string(step.Kind)
}

func deskStep(d *rollcall.DeskState, i int) string {
	switch {
	case i < d.Merged:
		return "merged"
	case i == d.Merged && len(d.Conflict) > 0:
		return "conflicts"
	}
	return "not merged yet"
}

// decision says what was taken, and for which step.
func decision(r rollcall.StepResolution) string {
	what := string(r.Take)
	if r.Take == rollcall.TakeFile {
		what = "a file"
	}
	if r.Delete {
		what += ", which has nothing there"
	}
	kind, of, _ := strings.Cut(r.Step, " ")
	if kind != string(rollcall.StepMerge) {
		of = rollcall.ShortRevision(of)
	}
	return fmt.Sprintf("take %s (%s)", what, of)
}

func propertyOf(path, property string) string {
	if property == "" {
		return rollcall.Printable(path)
	}
	return rollcall.Printable(path) + " (property " + rollcall.Printable(property) + ")"
}

// Imported shows what an older ledger says.
func (p *Printer) Imported(i *rollcall.Imported) error {
	t := table{columns: p.Columns}
	for _, c := range i.Changesets {
		if p.JSON {
			if err := p.Object(c); err != nil {
				return err
			}
			continue
		}
		t.add(string(c.Standing), c.Short(), c.Author, ticketsOf(c.Changeset), c.Subject, p.style.dim(rollcall.Printable(c.Why)))
	}
	t.print(p.Out)
	return nil
}
