package git

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// Changesets lists what lies between two revisions, newest first.
func (r *Repository) Changesets(ctx context.Context, from, to string) (coming, going []rollcall.Changeset, err error) {
	if from == "" || from == to {
		return nil, nil, nil
	}
	if straight, ok := r.straight(ctx, from, to); ok {
		coming = straight
	} else if straight, ok = r.straight(ctx, to, from); ok {
		going = straight
	} else if coming, going, err = r.log(ctx, from, to); err != nil {
		return nil, nil, err
	}
	r.withAuthors(ctx, coming)
	r.withAuthors(ctx, going)
	return coming, going, nil
}

// straightLimit is up to how many changesets are read one by one. Most rolls bring few,
// and for more git log is quicker.
const straightLimit = 8

// straight lists the changesets between two revisions where the one is among the first
// parents of the other: then it is those on the way, and nothing goes away. Anything else
// is left to git log, and so is what makes a fault.
func (r *Repository) straight(ctx context.Context, from, to string) ([]rollcall.Changeset, bool) {
	chain, err := r.chain(ctx, from, to)
	if err != nil || chain == nil {
		return nil, false
	}
	var all []rollcall.Changeset
	for i, c := range chain[:len(chain)-1] {
		if c.encoding != "" || c.author.at.IsZero() {
			return nil, false
		}
		changes, err := r.compare(ctx, chain[i+1].tree, c.tree)
		if err != nil {
			return nil, false
		}
		one := changeset(c.id, c.author.name, c.author.email, c.author.at, c.message)
		for _, change := range changes {
			one.Files = append(one.Files, change.Path)
		}
		all = append(all, one)
	}
	return all, true
}

// chain follows first parents from one commit to another, or gives nil.
func (r *Repository) chain(ctx context.Context, from, to string) ([]*commit, error) {
	end, err := r.commit(ctx, from)
	if err != nil {
		return nil, err
	}
	c, err := r.commit(ctx, to)
	chain := []*commit{c}
	// A commit that is older than the end is past it, as far as clocks can be trusted.
	for err == nil && c.id != end.id {
		if len(chain) > straightLimit || len(c.parents) == 0 || c.committer.at.Before(end.committer.at) {
			return nil, nil
		}
		c, err = r.commit(ctx, c.parents[0])
		chain = append(chain, c)
	}
	return chain, err
}

func changeset(id, author, email string, at time.Time, message string) rollcall.Changeset {
	subject, _, _ := strings.Cut(strings.TrimLeft(message, "\n"), "\n")
	return rollcall.Changeset{
		ID: id, Author: rollcall.Printable(author), Email: rollcall.Printable(email),
		Date: at, Subject: rollcall.Printable(subject), Tickets: rollcall.Tickets(message), Files: []string{},
	}
}

// log lists them for any two revisions.
func (r *Repository) log(ctx context.Context, from, to string) (coming, going []rollcall.Changeset, err error) {
	err = r.eachCommit(ctx, "", func(side string, c rollcall.Standee) {
		if side == "<" {
			going = append(going, c.Changeset)
		} else {
			coming = append(coming, c.Changeset)
		}
	}, "--left-right", "--first-parent", "--name-only", from+"..."+to)
	return coming, going, err
}

// eachCommit calls fn with each commit that git log lists, and with the side that it is on.
// With --name-only it has its files.
func (r *Repository) eachCommit(ctx context.Context, in string, fn func(side string, c rollcall.Standee), args ...string) error {
	return r.eachCommitOf(ctx, in, fn, args, nil)
}

// eachCommitOf lists only commits that change some of the paths.
func (r *Repository) eachCommitOf(ctx context.Context, in string, fn func(side string, c rollcall.Standee), args, paths []string) error {
	// Names, messages and paths are hostile: only a mark that nobody could know when
	// they were written tells where a record begins.
	mark := rand.Text()
	all := []string{
		"log", "-z", "--diff-merges=first-parent", "--no-renames", "--no-color", "--no-ext-diff", "--no-show-signature", "--no-mailmap",
		"--encoding=UTF-8", "--format=" + mark + "%m%x00%H%x00%an%x00%ae%x00%at%x00%B%x00",
	}
	all = append(append(append(all, args...), "--"), paths...)
	out, err := r.gitIn(ctx, in, all...)
	if err != nil {
		return err
	}
	for record := range strings.SplitSeq(string(out), mark) {
		side, record, ok := strings.Cut(record, "\x00")
		if !ok || side == "" {
			continue
		}
		c, err := parseRecord(record)
		if err != nil {
			return err
		}
		fn(side, c)
	}
	return nil
}

func parseRecord(record string) (rollcall.Standee, error) {
	fields := strings.SplitN(record, "\x00", 6)
	if len(fields) < 5 {
		return rollcall.Standee{}, fmt.Errorf("git log: a record of %d fields", len(fields))
	}
	seconds, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		return rollcall.Standee{}, fmt.Errorf("git log: the time of %s: %w", fields[0], err)
	}
	c := rollcall.Standee{Message: fields[4]}
	c.Changeset = changeset(fields[0], fields[1], fields[2], time.Unix(seconds, 0).UTC(), fields[4])
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
