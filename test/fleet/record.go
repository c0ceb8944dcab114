package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/record/sqlite"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// Record opens the world's record, for as long as do lasts.
func (w *World) Record(do func(record rollcall.Record) error) {
	w.t.Helper()
	record, err := sqlite.Open(context.Background(), w.Path("site", ".rollcall", "record.db"))
	w.check(err)
	defer record.Close()
	w.check(do(record))
}

// State is what the record says of the environment.
func (w *World) State() (state *roll.State) {
	w.t.Helper()
	w.Record(func(record rollcall.Record) (err error) {
		state, err = roll.ReadState(context.Background(), record, Environment)
		return err
	})
	return state
}

func (w *World) claims() (lines []string) {
	w.Record(func(record rollcall.Record) error {
		for _, n := range w.Nodes {
			claims, err := roll.ReadClaims(context.Background(), record, n.Name)
			if err != nil {
				return err
			}
			for _, c := range claims {
				lines = append(lines, fmt.Sprintf("%s has the claim %s, found %t", n.Name, c.Name, c.Found))
			}
		}
		return nil
	})
	return lines
}

// Recorded are the labels of all events of the environment and its nodes from a time on.
func (w *World) Recorded(since time.Time) (labels []string) {
	w.t.Helper()
	w.Record(func(record rollcall.Record) error {
		state, err := roll.ReadState(context.Background(), record, Environment)
		if err != nil {
			return err
		}
		streams := []string{rollcall.EnvironmentStream(Environment)}
		for number := max(1, state.Rolls-1); number <= state.Rolls; number++ {
			streams = append(streams, rollcall.RollStream(Environment, number))
		}
		for _, n := range w.Nodes {
			streams = append(streams, rollcall.NodeStream(n.Name))
		}
		for _, stream := range streams {
			events, err := record.Read(context.Background(), stream, 0)
			if err != nil {
				return err
			}
			for _, e := range events {
				if !e.At.Before(since) {
					labels = append(labels, label(e.Type, e.Data))
				}
			}
		}
		return nil
	})
	return labels
}

// label tells an event from the others of its roll. data may be cut off.
func label(eventType string, data []byte) string {
	var d struct {
		Node  string
		When  string
		Index int
		Tier  string
		Batch int
	}
	if err := json.Unmarshal(data, &d); err != nil {
		found := nodeOfStep.FindSubmatch(data)
		if found == nil {
			return eventType
		}
		d.Node = string(found[1])
	}
	switch {
	case d.Node != "":
		return eventType + " " + d.Node
	case d.When != "":
		return fmt.Sprintf("%s %s/%d", eventType, d.When, d.Index)
	case d.Batch > 0:
		return fmt.Sprintf("%s %s/%d", eventType, d.Tier, d.Batch)
	default:
		return eventType
	}
}

var nodeOfStep = regexp.MustCompile(`^\{"environment":"[a-z]+","roll":[0-9]+,"node":"([a-z0-9]+)"`)

// whole tells whether a label has what it must have: what is found in a page may be the
// rest of a row that was moved.
func whole(label string) bool {
	for _, prefix := range []string{rollcall.EventNodePrefix, "hook.", "drain.", "tier."} {
		if strings.HasPrefix(label, prefix) {
			return strings.Contains(label, " ")
		}
	}
	return true
}
