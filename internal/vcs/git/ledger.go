package git

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// The ledger: what the last paragraph of a commit on the target's first-parent line says.
const (
	trailPick    = "Rollcall-Pick"
	trailBackOut = "Rollcall-Back-Out"
	trailBlock   = "Rollcall-Block"
	trailUnblock = "Rollcall-Unblock"
	trailForget  = "Rollcall-Forget" // nothing that was said before counts
	trailBy      = "Rollcall-By"
	trailWhy     = "Rollcall-Why"
	trailStaged  = "Rollcall-Staged"
	trailDesk    = "Rollcall-Desk" // what the commit is found again by
	// reverted is no trailer: git revert wrote that it takes a commit of the target back.
	reverted = "reverted"
)

var (
	trailerLine = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9-]*): ?(.*)$`)
	fullHash    = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
	ledgerLike  = regexp.MustCompile(`(?i)^\s*Rollcall-`)
	reverts     = regexp.MustCompile(`(?m)^This reverts commit ([0-9a-f]{40}|[0-9a-f]{64})[.,]`)
	pickedFrom  = regexp.MustCompile(`(?m)^\(cherry picked from commit ([0-9a-f]{40}|[0-9a-f]{64})\)`)
)

// trailer is one line of a message's last paragraph.
type trailer struct{ key, value string }

// trailers reads the last paragraph of a message where every line of it is a trailer. A
// line elsewhere is not the ledger's, whatever it says.
func trailers(message string) []trailer {
	message = strings.TrimRight(strings.ReplaceAll(message, "\r\n", "\n"), " \t\n")
	start := strings.LastIndex(message, "\n\n")
	if start < 0 {
		return nil // a message of one paragraph is its subject
	}
	var all []trailer
	for line := range strings.SplitSeq(message[start+2:], "\n") {
		match := trailerLine.FindStringSubmatch(line)
		if match == nil {
			return nil
		}
		all = append(all, trailer{match[1], strings.TrimSpace(match[2])})
	}
	return all
}

// first gives the value of the first trailer of a key.
func first(all []trailer, key string) string {
	for _, t := range all {
		if t.key == key {
			return t.value
		}
	}
	return ""
}

// quoteLedger makes text harmless that was not written by Rollcall: a line of it that
// looks like the ledger's would be taken for one.
func quoteLedger(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n")
	for i, line := range lines {
		if ledgerLike.MatchString(line) {
			lines[i] = "> " + line
		}
	}
	return strings.TrimSpace(strings.ReplaceAll(strings.Join(lines, "\n"), "\x00", ""))
}

// ledgerMessage ends a message with the ledger's paragraph.
func ledgerMessage(text string, lines ...trailer) string {
	var b strings.Builder
	b.WriteString(cmp.Or(quoteLedger(text), "(no message)"))
	b.WriteString("\n\n")
	for _, t := range lines {
		if t.value != "" {
			b.WriteString(t.key + ": " + rollcall.Printable(t.value) + "\n")
		}
	}
	return b.String()
}

// entry is one thing that the ledger says of a changeset.
type entry struct {
	kind     string // a trailer's key, or reverted
	id       string // the changeset; of what is reverted the target's commit
	in       string // the target's commit that says so
	was      string // of what is backed out: the commit that had picked it
	by, why  string
	evidence bool // it proves nothing: somebody wrote where he picked it from
}

// entries are what a commit of the target says of changesets.
func entries(c rollcall.Changeset, message string) []entry {
	all := trailers(message)
	by, why := cmp.Or(first(all, trailBy), c.Author), first(all, trailWhy)
	var said []entry
	for _, t := range all {
		switch t.key {
		case trailPick, trailBackOut, trailBlock, trailUnblock, trailForget:
			said = append(said, entry{kind: t.key, id: t.value, in: c.ID, by: rollcall.Printable(by), why: rollcall.Printable(why)})
		}
	}
	for _, match := range pickedFrom.FindAllStringSubmatch(message, -1) {
		if !slices.ContainsFunc(said, func(e entry) bool { return e.id == match[1] }) {
			said = append(said, entry{kind: trailPick, id: match[1], in: c.ID, by: rollcall.Printable(c.Author), evidence: true})
		}
	}
	for _, match := range reverts.FindAllStringSubmatch(message, -1) {
		said = append(said, entry{kind: reverted, id: match[1], in: c.ID, by: rollcall.Printable(c.Author), evidence: true})
	}
	return said
}
