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
func commitMessage(target string, steps []rollcall.DeskStep, c rollcall.DeskCommit) string {
	blocks := []string{commitSubject(target, steps, c.Steps), stepLines(steps, c.Steps)}
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

// stepLines tells of each step: its changeset, who wrote it, what it is about.
func stepLines(steps []rollcall.DeskStep, standees []rollcall.Standee) string {
	var lines []string
	for i, step := range steps {
		line := step.ID
		switch step.Kind {
		case rollcall.StepBackOut:
			line = "taken back: " + line
		case rollcall.StepMerge:
			line = step.Source + " as of " + line
		case rollcall.StepPick:
		}
		if i < len(standees) {
			s := standees[i]
			if s.Author != "" {
				line += " by " + rollcall.Printable(s.Author)
			}
			if s.Subject != "" {
				line += ": " + rollcall.Printable(s.Subject)
			}
			if more := otherTickets(s.Changeset); len(more) > 0 {
				line += " (" + strings.Join(more, ", ") + ")"
			}
		}
		lines = append(lines, "* "+line)
	}
	return strings.Join(lines, "\n")
}

// otherTickets are those that the subject does not name itself.
func otherTickets(c rollcall.Changeset) []string {
	var more []string
	named := rollcall.Tickets(c.Subject)
	for _, ticket := range c.Tickets {
		if slices.Contains(named, ticket) {
			continue
		}
		if ticket = rollcall.Printable(ticket); !strings.Contains(ticket, "-") {
			ticket = "#" + ticket
		}
		more = append(more, ticket)
	}
	return more
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
