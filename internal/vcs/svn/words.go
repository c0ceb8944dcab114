package svn

import (
	"bytes"
	"context"
	"fmt"

	"github.com/rollcall-dev/rollcall"
)

// speaker tells in words what each side of a conflict did.
type speaker struct {
	bench *bench
	who   string // what comes in: r1043 by Ada
	back  bool   // it is taken back
}

func (b *bench) speaker(ctx context.Context, step rollcall.DeskStep) (*speaker, error) {
	s := &speaker{bench: b, who: step.Source}
	if step.Kind == rollcall.StepMerge {
		return s, nil
	}
	number, err := parseRevision(step.ID)
	if err != nil {
		return nil, err
	}
	book, err := b.logbook(ctx)
	if err != nil {
		return nil, err
	}
	defer book.close()
	e, err := book.entry(ctx, number)
	if err != nil {
		return nil, err
	}
	s.who = revisionID(number)
	if e.author != "" {
		s.who += " by " + rollcall.Printable(e.author)
	}
	if step.Kind == rollcall.StepBackOut {
		s.who, s.back = "taking back "+s.who, true
	}
	return s, nil
}

func (s *speaker) words(ctx context.Context, d *dispute) (string, error) {
	target := s.bench.target
	switch {
	case d.Property != "":
		return fmt.Sprintf("%s %s, %s %s", target, hasValue(d.Production), s.who, setsValue(d.Theirs)), nil
	case d.Production == nil:
		gone, err := s.gone(ctx, d.Path)
		return fmt.Sprintf("%s, %s changes it", gone, s.who), err
	case d.Theirs == nil:
		return fmt.Sprintf("%s changed it, %s deletes it", target, s.who), nil
	case d.Base == nil:
		return fmt.Sprintf("%s has another one, %s adds it", target, s.who), nil
	case d.Production.Type == rollcall.TypeFolder || d.Theirs.Type == rollcall.TypeFolder:
		return fmt.Sprintf("%s has %s there, %s brings %s", target, kindOf(d.Production), s.who, kindOf(d.Theirs)), nil
	case isBinary(d.Production.Content) || isBinary(d.Theirs.Content):
		return fmt.Sprintf("%s and %s both change it, and it is no text", target, s.who), nil
	}
	return fmt.Sprintf("%s and %s change the same lines", target, s.who), nil
}

// gone tells why a target does not have a path.
func (s *speaker) gone(ctx context.Context, path string) (string, error) {
	b := s.bench
	book, err := b.logbook(ctx)
	if err != nil {
		return "", err
	}
	defer book.close()
	history, err := book.history(ctx, b.folder(), b.base)
	if err != nil {
		return "", err
	}
	for _, one := range history {
		last, err := book.birth(ctx, one.path+"/"+path, one.to)
		if err != nil {
			return "", err
		}
		if last != nil && last.revision >= one.from && last.Action == "D" {
			return fmt.Sprintf("%s deleted it in r%d", b.target, last.revision), nil
		}
	}
	return b.target + " does not have it", nil
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
