package roll

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

// stored is a record that was written by an earlier version.
type stored struct {
	rollcall.Record
	events []rollcall.Event
}

func (s stored) Read(_ context.Context, stream string, after int64) ([]rollcall.Event, error) {
	var events []rollcall.Event
	for _, e := range s.events {
		if e.Stream == stream && e.Seq > after {
			events = append(events, e)
		}
	}
	return events, nil
}

func readFixture(t *testing.T, version string) stored {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", version, "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var s stored
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var e rollcall.Event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatal(err)
			}
			s.events = append(s.events, e)
		}
	}
	return s
}

// What version 1 wrote is read by every later one.
func TestRecordOfVersion1(t *testing.T) {
	record := readFixture(t, "v1")
	s, err := ReadState(context.Background(), record, "production")
	if err != nil {
		t.Fatal(err)
	}
	if s.Seq != 13 || s.Rolls != 3 || s.Lease != nil || s.Running != nil || s.Interrupted != nil {
		t.Errorf("state is %+v", s)
	}
	if s.Live.Release.Short() != "60bbbcdf9e8b" || s.Live.Roll != 3 || s.Live.By != "ada" || s.Live.Revision.Author != "Ada Vermeer" || len(s.Before) != 0 {
		t.Errorf("live is %+v, before it %v", s.Live, s.Before)
	}
	if s.Hold == nil || s.Hold.Roll != 3 || s.Hold.Release.Short() != "b719beddf49d" {
		t.Errorf("hold is %+v", s.Hold)
	}
	events, err := record.Read(context.Background(), rollcall.RollStream("production", 2), 0)
	if err != nil || len(events) == 0 || events[0].Type != rollcall.EventRollPlanned {
		t.Fatalf("the roll's stream: %d events, %v", len(events), err)
	}
	var plan rollcall.Plan
	if err := events[0].Decode(&plan); err != nil {
		t.Fatal(err)
	}
	if len(plan.Nodes()) != 4 || len(plan.Tiers[0].Batches) != 3 || plan.Coming[0].Tickets[0] != "SHOP-3" || plan.Nodes()[0].Node.Folder != "/srv/www" {
		t.Errorf("plan is %+v", plan)
	}
	steps := 0
	for _, e := range events[1:] {
		var step rollcall.NodeStep
		if e.Type != rollcall.EventTierStarted {
			if err := e.Decode(&step); err != nil || step.Node == "" || "node."+string(step.Step) != e.Type {
				t.Errorf("%s: %+v, %v", e.Type, step, err)
			}
			steps++
		}
	}
	if steps != 16 {
		t.Errorf("%d steps", steps)
	}
}
