package svn

import (
	"bytes"
	"context"
	"fmt"

	"github.com/rollcall-dev/rollcall"
)

// speaker tells in words what each side of a conflict did.
type speaker struct {
	*moves
	bench *bench
	who   string // what comes in: r1043 by Ada
	back  bool   // it is taken back
}

// speaker opens the log. It is to be closed.
func (b *bench) speaker(ctx context.Context, step rollcall.DeskStep) (*speaker, error) {
	book, err := b.logbook(ctx)
	if err != nil {
		return nil, err
	}
	s := &speaker{moves: &moves{book: book}, bench: b, who: step.Source}
	if step.Kind == rollcall.StepMerge {
		return s, nil
	}
	number, err := parseRevision(step.ID)
	if err == nil {
		var e *logRecord
		if e, err = book.entry(ctx, number); err == nil && e.author != "" {
			s.who = revisionID(number) + " by " + rollcall.Printable(e.author)
		} else {
			s.who = revisionID(number)
		}
	}
	if err != nil {
		book.close()
		return nil, err
	}
	if step.Kind == rollcall.StepBackOut {
		s.who, s.back = "taking back "+s.who, true
	}
	return s, nil
}

func (s *speaker) words(ctx context.Context, d *dispute) (string, error) {
	target := s.bench.target
	folder := func(side *rollcall.ConflictSide) bool { return side != nil && side.Type == rollcall.TypeFolder }
	switch {
	case d.Property != "":
		return fmt.Sprintf("%s %s, %s %s", target, hasValue(d.Production), s.who, setsValue(d.Theirs)), nil
	case d.renamed != nil:
		return s.renamedWords(ctx, d)
	case d.Production == nil:
		gone, err := s.gone(ctx, d.Path, "it")
		verb := "changes"
		if d.Base == nil {
			verb = "adds"
		}
		return fmt.Sprintf("%s %s, %s %s it", target, gone, s.who, verb), err
	case folder(d.Production) || folder(d.Theirs):
		return fmt.Sprintf("%s has %s there, %s brings %s", target, kindOf(d.Production), s.who, kindOf(d.Theirs)), nil
	case d.Base == nil:
		return fmt.Sprintf("%s has another one, %s adds it", target, s.who), nil
	case isBinary(d.Production.Content) || isBinary(d.Theirs.Content):
		return fmt.Sprintf("%s and %s both change it, and it is no text", target, s.who), nil
	}
	return fmt.Sprintf("%s and %s change the same lines", target, s.who), nil
}

// renamedWords are those of a path that is gone in what comes in, or was moved by it.
func (s *speaker) renamedWords(ctx context.Context, d *dispute) (string, error) {
	n, own, theirs := d.renamed, "changed it", "deletes it"
	if n.theirs != "" {
		theirs = "moves it to " + n.theirs
	}
	switch {
	case n.mine != "":
		own = fmt.Sprintf("moved %s to %s", n.was, n.mine)
	case d.Path == n.theirs:
		var err error
		if own, err = s.gone(ctx, n.was, n.was); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s %s, %s %s", s.bench.target, own, s.who, theirs), nil
}

// gone tells why a target does not have a path, which is called word.
func (s *speaker) gone(ctx context.Context, path, word string) (string, error) {
	history, err := s.book.history(ctx, s.bench.folder(), s.bench.base)
	if err != nil {
		return "", err
	}
	gone, err := s.removal(ctx, history, path)
	if err != nil || gone == nil || gone.Action != "D" {
		return "does not have " + word, err
	}
	what := gone.name()
	to, err := s.to(ctx, gone, what)
	if what == path {
		what = word
	}
	if to != "" {
		return fmt.Sprintf("moved %s to %s in r%d", what, to, gone.revision), err
	}
	return fmt.Sprintf("deleted %s in r%d", what, gone.revision), err
}

func kindOf(s *rollcall.ConflictSide) string {
	switch s.Type {
	case rollcall.TypeFolder:
		return "a folder"
	case rollcall.TypeLink:
		return "a link"
	}
	return "a file"
}

func hasValue(s *rollcall.ConflictSide) string {
	if s == nil {
		return "does not have it"
	}
	return fmt.Sprintf("has it as %q", shortly(s.Content))
}

func setsValue(s *rollcall.ConflictSide) string {
	if s == nil {
		return "removes it"
	}
	return fmt.Sprintf("sets it to %q", shortly(s.Content))
}

func shortly(value []byte) string {
	const most = 60
	text := []rune(rollcall.Printable(string(bytes.TrimSpace(value))))
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

func isBinary(content []byte) bool { return bytes.IndexByte(content[:min(len(content), 8000)], 0) >= 0 }
