package git

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// commit is a commit object as far as it matters here.
type commit struct {
	id, tree          string
	parents           []string
	author, committer person
	authorLine        string // as it stands there
	encoding          string // of the message and the names; empty: UTF-8
	message           string
}

// person is who made a commit, and when.
type person struct {
	name, email string
	at          time.Time
}

// commit reads the commit that a name leads to.
func (r *Repository) commit(ctx context.Context, name string) (*commit, error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	var c *commit
	err := r.objects.read(ctx, 1, []string{name}, func(_ int, one *object) error {
		if one.kind != "commit" {
			return &missingObject{name, "a " + one.kind}
		}
		b, err := io.ReadAll(one.content)
		if err != nil {
			return err
		}
		c, err = parseCommit(one.id, string(b))
		return err
	})
	return c, err
}

func parseCommit(id, text string) (*commit, error) {
	c := &commit{id: id}
	header, message, _ := strings.Cut(text, "\n\n")
	for line := range strings.SplitSeq(header, "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "tree":
			c.tree = value
		case "parent":
			c.parents = append(c.parents, value)
		case "author":
			c.author, c.authorLine = parsePerson(value), value
		case "committer":
			c.committer = parsePerson(value)
		case "encoding":
			c.encoding = value
		}
	}
	if c.tree == "" {
		return nil, fmt.Errorf("git cat-file: commit %s has no tree", id)
	}
	c.message, _, _ = strings.Cut(message, "\x00") // where git's own commands end it too
	return c, nil
}

// parsePerson reads: name SP <email> SP seconds SP zone.
func parsePerson(text string) person {
	name, rest, _ := strings.Cut(text, "<")
	email, _, _ := strings.Cut(rest, ">")
	p := person{name: strings.TrimSpace(name), email: strings.TrimSpace(email)}
	if fields := strings.Fields(text[strings.LastIndexByte(text, '>')+1:]); len(fields) > 0 {
		seconds, _ := strconv.ParseInt(fields[0], 10, 64)
		p.at = time.Unix(seconds, 0).UTC()
	}
	return p
}
