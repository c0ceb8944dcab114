package svn

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// logEntry is one revision, as svn log tells of it.
type logEntry struct {
	Revision int64     `xml:"revision,attr"`
	Author   string    `xml:"author"`
	Date     string    `xml:"date"`
	Message  string    `xml:"msg"`
	Paths    []logPath `xml:"paths>path"`
}

// logPath is one path that a revision changed.
type logPath struct {
	Path         string `xml:",chardata"`
	Action       string `xml:"action,attr"` // A, M, D, R
	Kind         string `xml:"kind,attr"`   // file, dir, or nothing where an old server doesn't say
	FromPath     string `xml:"copyfrom-path,attr"`
	FromRevision int64  `xml:"copyfrom-rev,attr"`
	Text         string `xml:"text-mods,attr"`
	Props        string `xml:"prop-mods,attr"`
}

func (e *logEntry) time() time.Time {
	at, err := time.Parse(time.RFC3339Nano, e.Date)
	if err != nil {
		return time.Unix(0, 0).UTC() // a revision without a date, which a server may hold
	}
	return at.UTC()
}

// logBatch is after how many revisions what was read is kept for good.
const logBatch = 1000

// catchUp reads what is new in the log, and nothing that was read before. The mirror
// must be locked.
func (r *Repository) catchUp(ctx context.Context) error {
	book, err := r.logbook(ctx)
	if err != nil {
		return err
	}
	defer book.close()
	have, err := book.source(ctx)
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	now := source{uuid: r.uuid, root: r.root, prefix: r.prefix}
	switch {
	case have.uuid == "" || have.uuid == now.uuid && have.prefix != now.prefix:
		err = book.begin(ctx, now)
		have = now
	case have.uuid != now.uuid:
		return rollcall.Errorf(rollcall.KindRefused, "%s is another repository than before: its UUID is %s, and was %s",
			rollcall.Printable(r.url), rollcall.Printable(now.uuid), have.uuid).
			WithHint("look at the code's svn: key in rollcall.yaml; if it is meant, take %s away", r.dir)
	case have.seen > r.head:
		return rollcall.Errorf(rollcall.KindRefused, "the repository %s is at r%d, and was at r%d before", rollcall.Printable(r.url), r.head, have.seen).
			WithHint("was an old copy of it restored? if what came after is gone for good, take %s away", r.dir)
	case have.root != now.root:
		_, err = book.db.ExecContext(ctx, `UPDATE source SET root = ?`, now.root)
	}
	if err != nil {
		return fmt.Errorf("keep the log: %w", err)
	}
	if have.seen >= r.head {
		return nil
	}
	return r.readLog(ctx, book, have.seen)
}

func (r *Repository) readLog(ctx context.Context, book *logbook, seen int64) error {
	r.note(fmt.Sprintf("reading the log of %s from r%d on", rollcall.Printable(r.url), seen+1))
	one := command{
		verb: "log", options: []string{"--xml", "-v", "-r", fmt.Sprintf("%d:%d", seen+1, r.head)},
		targets: []string{at(r.url, r.head)}, limit: longLimit,
	}
	var batch []*logEntry
	err := r.client.stream(ctx, one, func(out io.Reader) error {
		return elements(out, "logentry", func(e *logEntry) error {
			if batch = append(batch, e); len(batch) < logBatch {
				return nil
			}
			all := batch
			batch = nil
			return book.add(ctx, all, e.Revision)
		})
	})
	if err != nil {
		return fmt.Errorf("read the log of %s: %w", rollcall.Printable(r.url), err)
	}
	return book.add(ctx, batch, r.head)
}

// tidy takes away what processes that died left behind. The mirror must be locked.
func (r *Repository) tidy() {
	for folder, pattern := range map[string]string{"blobs": ".*", "wc": "*.new"} {
		left, _ := os.ReadDir(filepath.Join(r.dir, folder)) // there may be none yet
		for _, one := range left {
			if ok, _ := filepath.Match(pattern, one.Name()); ok {
				os.RemoveAll(filepath.Join(r.dir, folder, one.Name()))
			}
		}
	}
}
