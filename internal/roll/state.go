package roll

import (
	"context"
	"maps"

	"github.com/rollcall-dev/rollcall"
)

// State is what the record says of an environment.
type State struct {
	Seq         int64                  // of the last event
	Live        rollcall.Live          // zero: nothing yet
	Before      []rollcall.Live        // what was live earlier and can be gone back to, the newest last
	Was         []rollcall.Live        // everything that ever was live, by the rolls that brought it
	Rolls       int                    // how many began
	Running     *rollcall.RollStarted  // began and did not finish
	Paused      *rollcall.RollFinished // Running waits for resume or abort, and how it stood then
	Stopped     *rollcall.RollStarted  // the last roll, where it ended part way
	Interrupted *rollcall.RollStarted  // the last roll, where it was given up before it was finished
	Hold        *rollcall.Hold
	Lease       *rollcall.Lease
	Last        *rollcall.RollFinished

	// Adopted is what stood on nodes that were taken over and were not rolled since.
	Adopted map[string]rollcall.ReleaseID

	last *rollcall.RollStarted
}

// Open is the roll that resume and abort take up, or nil.
func (s *State) Open() *rollcall.RollStarted {
	if s.Running != nil {
		return s.Running
	}
	return s.Stopped
}

// ReadState reads an environment's stream. There are about four short events a roll in
// it; what happened on the nodes stands in the rolls' own streams.
func ReadState(ctx context.Context, record rollcall.Record, environment string) (*State, error) {
	events, err := record.Read(ctx, rollcall.EnvironmentStream(environment), 0)
	if err != nil {
		return nil, err
	}
	s := &State{}
	for _, e := range events {
		if err := s.apply(e); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *State) apply(e rollcall.Event) error {
	s.Seq = e.Seq
	switch e.Type {
	case rollcall.EventLeaseTaken:
		lease := &rollcall.Lease{}
		if err := e.Decode(lease); err != nil {
			return err
		}
		lease.Seq, lease.At = e.Seq, e.At
		s.Lease = lease
	case rollcall.EventLeaseReleased:
		s.Lease = nil
	case rollcall.EventRollStarted:
		started := &rollcall.RollStarted{}
		if err := e.Decode(started); err != nil {
			return err
		}
		started.At = e.At
		s.Running, s.last = started, started
		s.Interrupted, s.Paused, s.Stopped = nil, nil, nil
		s.Rolls = started.Roll
	case rollcall.EventRollPaused:
		paused := &rollcall.RollFinished{}
		if err := e.Decode(paused); err != nil {
			return err
		}
		s.Paused = paused
	case rollcall.EventRollResumed:
		s.Running, s.Paused, s.Stopped = s.last, nil, nil
	case rollcall.EventRollInterrupted:
		s.Interrupted, s.Running, s.Paused = s.Running, nil, nil
	case rollcall.EventRollFinished:
		finished := &rollcall.RollFinished{}
		if err := e.Decode(finished); err != nil {
			return err
		}
		s.Running, s.Paused, s.Last = nil, nil, finished
		if finished.Outcome == rollcall.OutcomeStopped {
			s.Stopped = s.last
		}
		s.finish(e, finished)
	case rollcall.EventAdopted:
		return s.adopt(e)
	case rollcall.EventHoldSet:
		hold := &rollcall.Hold{}
		if err := e.Decode(hold); err != nil {
			return err
		}
		hold.At = e.At
		s.Hold = hold
	case rollcall.EventHoldLifted:
		s.Hold = nil
	}
	return nil
}

func (s *State) adopt(e rollcall.Event) error {
	var a rollcall.Adopted
	if err := e.Decode(&a); err != nil {
		return err
	}
	if s.Adopted == nil {
		s.Adopted = map[string]rollcall.ReleaseID{}
	}
	maps.Copy(s.Adopted, a.Nodes)
	if s.Live.Release == "" {
		s.Live = rollcall.Live{Release: a.Live, At: e.At, By: a.By}
	}
	return nil
}

// finish moves what is live. A part of an environment does not, and neither does a
// roll that did not come through.
func (s *State) finish(e rollcall.Event, f *rollcall.RollFinished) {
	if f.Outcome != rollcall.OutcomeDone && f.Outcome != rollcall.OutcomeBehind || f.Partial != "" {
		return
	}
	now := rollcall.Live{Release: f.To, Revision: f.Revision, Roll: f.Roll, At: e.At, By: f.By}
	s.Was = append(s.Was, now)
	if f.Kind == rollcall.KindRollback {
		for i := len(s.Before) - 1; i >= 0; i-- {
			if s.Before[i].Release == f.To && s.Before[i].Revision.ID == f.Revision.ID {
				s.Before = s.Before[:i]
				s.Live = now
				return
			}
		}
	}
	if s.Live.Release != "" && (s.Live.Release != f.To || s.Live.Revision.ID != f.Revision.ID) { // or nodes caught up
		s.Before = append(s.Before, s.Live)
	}
	s.Live = now
}

// ReadHold tells whether a stream's last hold still stands.
func ReadHold(ctx context.Context, record rollcall.Record, stream string) (*rollcall.Hold, int64, error) {
	events, err := record.Read(ctx, stream, 0)
	if err != nil {
		return nil, 0, err
	}
	s := &State{}
	for _, e := range events {
		if err := s.apply(e); err != nil {
			return nil, 0, err
		}
	}
	return s.Hold, s.Seq, nil
}
