package rollcall

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Revision is one state of a code, and the frozen tree that belongs to it.
type Revision struct {
	ID      string    `json:"id"`   // a full commit id, or r1041
	Tree    string    `json:"tree"` // what names the tree's content in its version control
	Time    time.Time `json:"time"`
	Author  string    `json:"author"`
	Subject string    `json:"subject"`
}

// Changeset is one unit of change on a branch: a first-parent commit of a git branch, or
// a revision of Subversion that changed something beneath it.
type Changeset struct {
	ID      string    `json:"id"` // full
	Author  string    `json:"author"`
	Email   string    `json:"email,omitempty"`
	Date    time.Time `json:"date"`
	Subject string    `json:"subject"`
	Tickets []string  `json:"tickets"` // as written, without "#": 88, SHOP-12
	Files   []string  `json:"files"`
	// Authors are, of what brings a branch, others who wrote what it brings.
	Authors []string `json:"authors,omitempty"`
}

// namedAuthors is how many authors are named before the others are only counted.
const namedAuthors = 4

// Writers names who wrote a changeset, and what it brings, as people read it.
func (c Changeset) Writers() string {
	names := []string{c.Author}
	for _, author := range c.Authors {
		if name, _, _ := strings.Cut(author, " <"); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if more := len(names) - namedAuthors; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:namedAuthors], ", "), more)
	}
	return strings.Join(names, ", ")
}

// WrittenBy tells whether a text is part of the name or the address of somebody who wrote a
// changeset, or something that it brings.
func (c Changeset) WrittenBy(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(append([]string{c.Author + " <" + c.Email + ">"}, c.Authors...), func(who string) bool {
		return strings.Contains(strings.ToLower(who), text)
	})
}

// OtherTickets are those that the subject does not name itself, as people write them.
func (c Changeset) OtherTickets() []string {
	var more []string
	named := Tickets(c.Subject)
	for _, ticket := range c.Tickets {
		if slices.Contains(named, ticket) {
			continue
		}
		if ticket = Printable(ticket); !strings.Contains(ticket, "-") {
			ticket = "#" + ticket
		}
		more = append(more, ticket)
	}
	return more
}

// candidatePrefix begins the ids of revisions that are not committed yet.
const candidatePrefix = "candidate-"

// CandidateID names a desk's tree as a revision.
func CandidateID(tree string) string { return candidatePrefix + tree[:min(len(tree), 12)] }

// IsCandidate tells whether a revision is not committed yet.
func IsCandidate(id string) bool { return strings.HasPrefix(id, candidatePrefix) }

// Short is the id as people read it.
func (c Changeset) Short() string { return ShortRevision(c.ID) }

// ShortRevision is a revision's id as people read it.
func ShortRevision(id string) string {
	if len(id) > 10 && !IsCandidate(id) {
		return id[:10]
	}
	return id
}

// ticketNames finds what trackers call their tickets: #88, SHOP-12.
var ticketNames = regexp.MustCompile(`(?:^|[\s(\[,;:])(?:#([0-9]{1,9})|([A-Z][A-Z0-9]{1,9}-[0-9]{1,9}))\b`)

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

// TreeEntry is one path of a frozen tree as version control stores it.
type TreeEntry struct {
	Path string
	Type EntryType
	// Blob names the content in the repository; equal names mean equal content.
	// It is empty for a folder.
	Blob string
	// Module tells that the path is another repository's place: a git submodule, or what
	// svn:externals would fill.
	Module bool
}

// TreeChange is one path that differs between two trees. New is nil where it is gone.
type TreeChange struct {
	Path string
	New  *TreeEntry
}

// Repository is a code's version control, read from its stored objects and never from
// a working copy. Trees come as stored: no keyword, filter or attribute changes them.
type Repository interface {
	// Tip is the newest revision of a branch. KindNotFound where there is no such branch.
	Tip(ctx context.Context, branch string) (Revision, error)
	// At is the revision that text names. KindNotFound where there is none, KindRefused
	// where it is no revision of the branch.
	At(ctx context.Context, branch, text string) (Revision, error)
	// Changesets lists what lies between two revisions, newest first: what comes by going
	// from the one to the other, and what goes away. An empty `from` lists nothing.
	Changesets(ctx context.Context, from, to string) (coming, going []Changeset, err error)
	// Changes lists what differs between two trees. With an empty `from` it is all of `to`.
	Changes(ctx context.Context, from, to string) ([]TreeChange, error)
	// Blobs reads contents, each once, and calls fn with each in the order given. The
	// reader is good until fn returns.
	Blobs(ctx context.Context, blobs []string, fn func(i int, size int64, content io.Reader) error) error
}

// BlobHolder is a Repository that may have lost contents of earlier trees.
type BlobHolder interface {
	// Holds tells whether a content can be read now.
	Holds(blob string) bool
}
