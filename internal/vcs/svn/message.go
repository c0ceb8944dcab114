package svn

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/rollcall-dev/rollcall"
)

// The last lines of a message of ours.
const (
	trailerBy     = "Rollcall-By"
	trailerStaged = "Rollcall-Staged"
)

// subjectLimit is how long a subject gets that is made of several.
const subjectLimit = 120

// commitMessage is what a commit of a desk says. Everything in it that others wrote is
// made harmless: nothing of it can stand among the last lines that count.
func commitMessage(target string, steps []rollcall.DeskStep, c rollcall.DeskCommit, brought []rollcall.Changeset) string {
	blocks := []string{commitSubject(target, steps, c.Steps), stepLines(steps, c.Steps, brought)}
	if note := quoted(rollcall.PrintableLines(strings.TrimSpace(c.Note))); note != "" {
		blocks = append(blocks, note)
	}
	last := []string{trailerBy + ": " + rollcall.Printable(c.By)}
	for _, id := range c.Staged {
		last = append(last, trailerStaged+": "+rollcall.Printable(string(id)))
	}
	blocks = append(blocks, strings.Join(last, "\n"))
	return strings.Join(blocks, "\n\n") + "\n"
}

// commitSubject says in a line what is committed.
func commitSubject(target string, steps []rollcall.DeskStep, standees []rollcall.Standee) string {
	var parts, subjects []string
	for _, kind := range []rollcall.DeskStepKind{rollcall.StepPick, rollcall.StepBackOut, rollcall.StepMerge} {
		var ids []string
		source := ""
		for i, step := range steps {
			if step.Kind != kind {
				continue
			}
			ids, source = append(ids, step.ID), step.Source
			if kind != rollcall.StepMerge && i < len(standees) {
				subjects = append(subjects, rollcall.Printable(standees[i].Subject))
			}
		}
		if len(ids) == 0 {
			continue
		}
		what := strings.Join(ids, ", ")
		if len(ids) > 6 {
			what = fmt.Sprintf("%d changesets (%s to %s)", len(ids), ids[0], ids[len(ids)-1])
		}
		switch kind {
		case rollcall.StepPick:
			parts = append(parts, "merge "+what+" from "+source)
		case rollcall.StepBackOut:
			parts = append(parts, "back out "+what)
		case rollcall.StepMerge:
			parts = append(parts, fmt.Sprintf("merge %s as of %s into %s", source, what, target))
		}
	}
	text := strings.Join(parts, ", ")
	if text == "" {
		text = "commit of " + target
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if len(subjects) > 0 {
		text += ": " + shorten(strings.Join(slices.Compact(subjects), "; "))
	}
	return text
}

func shorten(text string) string {
	runes := []rune(text)
	if len(runes) <= subjectLimit {
		return text
	}
	return string(runes[:subjectLimit-1]) + "…"
}

// broughtLimit is how many changesets of a branch a message lists.
const broughtLimit = 100

// stepLines tells of each step: its changeset, who wrote it, what it is about; and of a
// branch the changesets that it brings.
func stepLines(steps []rollcall.DeskStep, standees []rollcall.Standee, brought []rollcall.Changeset) string {
	var lines []string
	for i, step := range steps {
		one := rollcall.Changeset{}
		if i < len(standees) {
			one = standees[i].Changeset
		}
		switch step.Kind {
		case rollcall.StepPick:
			lines = append(lines, changesetLine(step.ID, one))
		case rollcall.StepBackOut:
			lines = append(lines, changesetLine("taken back: "+step.ID, one))
		case rollcall.StepMerge:
			for _, b := range brought[:min(len(brought), broughtLimit)] {
				lines = append(lines, changesetLine(b.ID, b))
			}
			switch more := len(brought) - broughtLimit; {
			case more > 0:
				lines = append(lines, fmt.Sprintf("and %d more", more))
			case len(brought) == 0:
				lines = append(lines, changesetLine(step.Source+" as of "+step.ID, one))
			}
		}
	}
	return strings.Join(lines, "\n")
}

func changesetLine(name string, c rollcall.Changeset) string {
	line := "* " + name
	if c.Author != "" {
		line += " by " + rollcall.Printable(c.Author)
	}
	if c.Subject != "" {
		line += ": " + rollcall.Printable(c.Subject)
	}
	if more := c.OtherTickets(); len(more) > 0 {
		line += " (" + strings.Join(more, ", ") + ")"
	}
	return line
}

// quoted takes the force from lines that look like ours.
func quoted(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		// Some readers pass over more than blanks.
		word := strings.ToLower(strings.TrimLeftFunc(line, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '>' }))
		if strings.HasPrefix(word, "rollcall-") {
			lines[i] = "> " + line
		}
	}
	return strings.Join(lines, "\n")
}

// trailers are the last lines of a message, by key. Only a block that stands alone at the
// end counts.
func trailers(message string) map[string][]string {
	message = strings.TrimSpace(strings.ReplaceAll(message, "\r\n", "\n"))
	begin := strings.LastIndex(message, "\n\n")
	if begin < 0 {
		return nil
	}
	all := map[string][]string{}
	for line := range strings.SplitSeq(message[begin+2:], "\n") {
		key, value, ok := strings.Cut(line, ": ")
		if !ok || !strings.HasPrefix(key, "Rollcall-") {
			return nil
		}
		all[key] = append(all[key], strings.TrimSpace(value))
	}
	return all
}

// writer is who a revision is of: whoever Rollcall says, where it made it.
func writer(e *logRecord) string {
	if by := trailers(e.message)[trailerBy]; len(by) == 1 {
		return rollcall.Printable(by[0])
	}
	return rollcall.Printable(e.author)
}
