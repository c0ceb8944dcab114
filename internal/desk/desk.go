package desk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// Desk is one desk of one code.
type Desk struct {
	Record rollcall.Record
	Repo   rollcall.Merger
	Code   *rollcall.Code
	Name   string
	By     string // who acts
	Dir    string // a folder of the state that belongs to the code's desks
	// Check runs the checks on a tree.
	Check func(ctx context.Context, request CheckRequest) (*rollcall.CheckReport, error)
	// Staged gives the releases of a tree that were tried on a staging environment.
	Staged func(ctx context.Context, tree string) ([]rollcall.ReleaseID, error)
	Note   func(string)
}

// command is a command on this desk as people type it.
func (d *Desk) command(verb string, more ...string) string {
	return rollcall.DeskCommand(verb, d.Code.Name, d.Name, more...)
}

// session is a desk that one process works on.
type session struct {
	*Desk
	state *rollcall.DeskState
	free  func()
	asked map[question][]rollcall.Standee // what the repository said: it does not change meanwhile
}

// question is what is asked of the repository about changesets.
type question struct {
	source, target string
	all            bool
}

// standees asks each thing once.
func (s *session) standees(ctx context.Context, source, target string, all bool) ([]rollcall.Standee, error) {
	q := question{source, target, all}
	if known, ok := s.asked[q]; ok {
		return known, nil
	}
	listed, err := s.Repo.Standees(ctx, source, target, all)
	if err != nil {
		return nil, err
	}
	if s.asked == nil {
		s.asked = map[question][]rollcall.Standee{}
	}
	s.asked[q] = listed
	return listed, nil
}

// lockWait is for how long a command waits for another one on the same desk.
const lockWait = 3 * time.Second

// enter takes the desk for one command. A desk that is somebody else's is refused, unless
// it is to be taken over.
func (d *Desk) enter(ctx context.Context, takeOver bool) (*session, error) {
	s, err := d.look(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.claim(ctx, takeOver); err != nil {
		s.free()
		return nil, err
	}
	return s, nil
}

// look is enter for a command that changes nothing: whose the desk is does not matter.
func (d *Desk) look(ctx context.Context) (*session, error) {
	free, err := d.lock(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{Desk: d, free: free}
	if s.state, err = ReadState(ctx, d.Record, d.Code.Name, d.Name); err != nil {
		free()
		return nil, err
	}
	return s, nil
}

// claim makes the desk the person's own, where something is on it.
func (s *session) claim(ctx context.Context, takeOver bool) error {
	if !s.state.Open() || s.state.By == s.By {
		return nil
	}
	if !takeOver {
		since := s.state.Since.Local().Format("2006-01-02 15:04")
		if s.state.Over != "" {
			since += ", taken over from " + s.state.Over
		}
		return rollcall.Errorf(rollcall.KindConflict, "the desk %s of %s is %s's since %s, with %s on it", s.Name, s.Code.Name, s.state.By, since, names(s.state.Steps)).
			WithHint("ask %s, take it over with --take-over, or use another one with --desk NAME", s.state.By)
	}
	return s.append(ctx, rollcall.NewEvent(rollcall.EventDeskTaken, taken{By: s.By, Over: s.state.By}))
}

// settled refuses what must not happen while nobody knows whether a commit went through.
func (s *session) settled() error {
	if s.state.Committing == nil {
		return nil
	}
	return rollcall.Errorf(rollcall.KindConflict, "a commit of this desk by %s was interrupted, and may have gone through", s.state.Committing.Commit.By).
		WithHint("%s finds out, and finishes it", s.command("commit"))
}

// append adds to the desk's stream and to what is known of it.
func (s *session) append(ctx context.Context, events ...rollcall.Event) error {
	seq, err := s.Record.Append(ctx, rollcall.DeskStream(s.Code.Name, s.Name), s.state.Seq, events...)
	if errors.Is(err, rollcall.ErrSequence) {
		return rollcall.Errorf(rollcall.KindConflict, "somebody else works on the desk %s of %s just now", s.Name, s.Code.Name).
			WithHint("look with rollcall desk %s, then try again", s.Code.Name)
	}
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	for i, e := range events {
		e.At, e.Seq = now, seq-int64(len(events)-1-i)
		if err := apply(s.state, e); err != nil {
			return err
		}
	}
	return nil
}

// lock keeps two commands of this host off the same desk. The kernel drops it when a
// process dies.
func (d *Desk) lock(ctx context.Context) (func(), error) {
	if err := os.MkdirAll(d.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the desk's folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(d.Dir, d.Name+".lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the desk: %w", err)
	}
	for deadline := time.Now().Add(lockWait); ; {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return func() { f.Close() }, nil
		}
		if time.Now().After(deadline) {
			f.Close()
			return nil, rollcall.Errorf(rollcall.KindConflict, "another command works on the desk %s of %s", d.Name, d.Code.Name).
				WithHint("it is free when that one ends")
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Busy tells whether a command of this host works on a desk just now.
func Busy(dir, name string) bool {
	f, err := os.Open(filepath.Join(dir, name+".lock"))
	if err != nil {
		return false // nobody ever did
	}
	defer f.Close()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

func (d *Desk) note(format string, args ...any) {
	if d.Note != nil {
		d.Note(fmt.Sprintf(format, args...))
	}
}

// namedAtMost is how many steps a message names.
const namedAtMost = 6

// names lists steps as people name them.
func names(steps []rollcall.DeskStep) string {
	var all []string
	for i, s := range steps {
		if i == namedAtMost {
			all = append(all, fmt.Sprintf("%d more", len(steps)-i))
			break
		}
		switch s.Kind {
		case rollcall.StepBackOut:
			all = append(all, "the back-out of "+rollcall.ShortRevision(s.ID))
		case rollcall.StepMerge:
			all = append(all, "the branch "+s.Source)
		default:
			all = append(all, rollcall.ShortRevision(s.ID))
		}
	}
	return strings.Join(all, ", ")
}
