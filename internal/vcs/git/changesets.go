package git

import (
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// ticketNames finds what trackers call their tickets: #88, SHOP-12.
var ticketNames = regexp.MustCompile(`(?:^|[\s(\[,;:])(?:#([0-9]{1,9})|([A-Z][A-Z0-9]{1,9}-[0-9]{1,9}))\b`)

// Changesets lists what lies between two revisions, newest first.
func (r *Repository) Changesets(ctx context.Context, from, to string) (coming, going []rollcall.Changeset, err error) {
	if from == "" || from == to {
		return nil, nil, nil
	}
	// Names, messages and paths are hostile: only a mark that nobody could know when
	// they were written tells where a record begins.
	mark := rand.Text()
	out, err := r.git(ctx, "log", "-z", "--left-right", "--first-parent", "--diff-merges=first-parent", "--name-only", "--no-renames",
		"--no-color", "--no-ext-diff", "--no-show-signature", "--no-mailmap", "--encoding=UTF-8",
		"--format="+mark+"%m%x00%H%x00%an%x00%ae%x00%at%x00%B%x00", from+"..."+to, "--")
	if err != nil {
		return nil, nil, err
	}
	for record := range strings.SplitSeq(string(out), mark) {
		side, record, ok := strings.Cut(record, "\x00")
		if !ok || side == "" {
			continue
		}
		c, err := parseRecord(record)
		if err != nil {
			return nil, nil, err
		}
		if side == "<" {
			going = append(going, c)
		} else {
			coming = append(coming, c)
		}
	}
	return coming, going, nil
}

func parseRecord(record string) (rollcall.Changeset, error) {
	fields := strings.SplitN(record, "\x00", 6)
	if len(fields) < 5 {
		return rollcall.Changeset{}, fmt.Errorf("git log: a record of %d fields", len(fields))
	}
	seconds, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		return rollcall.Changeset{}, fmt.Errorf("git log: the time of %s: %w", fields[0], err)
	}
	subject, _, _ := strings.Cut(strings.TrimLeft(fields[4], "\n"), "\n")
	c := rollcall.Changeset{
		ID: fields[0], Author: rollcall.Printable(fields[1]), Email: rollcall.Printable(fields[2]),
		Date: time.Unix(seconds, 0).UTC(), Subject: rollcall.Printable(subject), Tickets: Tickets(fields[4]), Files: []string{},
	}
	if len(fields) == 6 {
		// git ends the message and draws a line before the names.
		for name := range strings.SplitSeq(strings.TrimPrefix(fields[5], "\x00\n"), "\x00") {
			if name != "" {
				c.Files = append(c.Files, name)
			}
		}
	}
	return c, nil
}

// Tickets lists the tickets that a message names, each once, in its order.
func Tickets(message string) []string {
	found := []string{}
	for _, match := range ticketNames.FindAllStringSubmatch(message, -1) {
		ticket := match[1] + match[2]
		if !slices.Contains(found, ticket) {
			found = append(found, ticket)
		}
	}
	return found
}
