package roll

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-dev/rollcall"
)

var update = flag.Bool("update", false, "write the golden files anew")

var day = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func release(name string) rollcall.ReleaseID {
	return rollcall.ReleaseID(strings.Repeat(name, 64)[:64])
}

func input() Input {
	node := func(name, dc string) rollcall.Node {
		return rollcall.Node{Name: name, Address: name + ".example.com", User: "deploy", Folder: "/srv/www", Vars: map[string]string{"dc": dc}}
	}
	www := &rollcall.Code{Name: "www"}
	env := &rollcall.Environment{
		Name: "production", Code: www, Keep: 5, Link: []string{"uploads/"}, OnFailure: rollcall.FailureRollback,
		Limits: rollcall.Limits{Unreachable: rollcall.Limit{Quantity: rollcall.Quantity{Percent: 5}}},
		Tiers: []*rollcall.Tier{
			{
				Name: "cdn", Nodes: []rollcall.Node{node("cdn1", "ams"), node("cdn2", "fra")},
				Batch: []rollcall.Quantity{{Percent: 100}}, KeepOldFiles: &rollcall.KeepOldFiles{Files: []string{"*.css"}, For: 24 * time.Hour},
			},
			{
				Name: "app", Batch: []rollcall.Quantity{{Count: 1}, {Percent: 25}}, Soak: 30 * time.Second,
				Activate: []rollcall.Command{{Args: []string{"reload", "{name}"}, Timeout: time.Minute}},
				Verify:   []rollcall.Probe{{HTTP: "http://{address}:8080/health", Expect: 200, Within: 10 * time.Second}},
			},
		},
	}
	for i := range 9 {
		env.Tiers[1].Nodes = append(env.Tiers[1].Nodes, node(fmt.Sprintf("app%02d", i+1), []string{"ams", "fra"}[i%2]))
	}
	in := Input{
		Kind: rollcall.KindRoll, Environment: env, Release: release("b"),
		Revision: rollcall.Revision{ID: strings.Repeat("2", 40), Tree: strings.Repeat("t", 40), Time: day, Author: "Bo", Subject: "fix"},
		State:    &State{Live: rollcall.Live{Release: release("a"), Revision: rollcall.Revision{ID: strings.Repeat("1", 40)}, Roll: 41, At: day, By: "ada"}, Rolls: 41},
		Coming:   []rollcall.Changeset{{ID: strings.Repeat("2", 40), Author: "Bo", Email: "bo@example.com", Date: day, Subject: "fix", Tickets: []string{"8"}, Files: []string{"a"}}},
		Old:      &rollcall.Manifest{Entries: []rollcall.Entry{{Path: "a", Type: 'f', Size: 1}, {Path: "gone", Type: 'f'}}},
		New:      &rollcall.Manifest{Entries: []rollcall.Entry{{Path: "a", Type: 'f', Size: 2}, {Path: "new", Type: 'f', Size: 3}}},
		Known:    map[string]rollcall.ReleaseID{},
	}
	for _, n := range env.Nodes() {
		in.Known[n.Name] = release("a")
	}
	return in
}

// TestPlan holds plans against golden files, whose ids are what people give to --plan.
func TestPlan(t *testing.T) {
	for name, change := range map[string]func(*Input){
		"roll": func(*Input) {},
		"first": func(in *Input) {
			in.State, in.Old, in.Coming, in.Known = &State{}, &rollcall.Manifest{}, nil, nil
		},
		"rollback": func(in *Input) {
			in.Kind, in.Coming, in.Going = rollcall.KindRollback, nil, in.Coming
		},
		"odd": func(in *Input) {
			in.Odd = []string{"README and Readme are alike but for case"}
			in.State.Hold = &rollcall.Hold{By: "ada", Why: "the fair", Roll: 40, At: day}
			in.State.Interrupted = &rollcall.RollStarted{Roll: 41, By: "bo", To: release("c")}
			in.Holds = map[string]*rollcall.Hold{"app03": {By: "cy", Why: "disk", At: day}}
			in.Known["app05"], in.Known["app06"] = release("c"), ""
			in.Going = []rollcall.Changeset{{ID: strings.Repeat("3", 40), Author: "Cy", Date: day, Subject: "gone"}}
			for range 9 {
				in.Coming = append(in.Coming, in.Coming[0])
			}
		},
		"part": func(in *Input) {
			in.Selection = rollcall.Selection{Only: []string{"dc=fra", "app01"}, Tier: []string{"app"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			local := time.Local
			time.Local = time.UTC // a hold's time is shown as people here read it
			defer func() { time.Local = local }()
			in := input()
			change(&in)
			plan, err := Plan(in)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Plan(in)
			if err != nil || again.ID != plan.ID {
				t.Errorf("asked again, the id is %s, %v", again.ID, err)
			}
			got, err := json.MarshalIndent(plan, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			file := filepath.Join("testdata", "plan", name+".json")
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever a roll depends on is in the plan's id.
func TestAChangeOfAnythingIsAnotherPlan(t *testing.T) {
	first, err := Plan(input())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{first.ID: "nothing"}
	for name, change := range map[string]func(*Input){
		"the release":        func(in *Input) { in.Release = release("c") },
		"the revision":       func(in *Input) { in.Revision.ID = strings.Repeat("9", 40) },
		"what is live":       func(in *Input) { in.State.Live.Release = release("c") },
		"a node's place":     func(in *Input) { in.Environment.Tiers[1].Nodes[0].Folder = "/srv/other" },
		"a node's port":      func(in *Input) { in.Environment.Tiers[1].Nodes[0].Port = 2222 },
		"a node less":        func(in *Input) { in.Environment.Tiers[1].Nodes = in.Environment.Tiers[1].Nodes[1:] },
		"the order":          func(in *Input) { n := in.Environment.Tiers[0].Nodes; n[0], n[1] = n[1], n[0] },
		"the batches":        func(in *Input) { in.Environment.Tiers[1].Batch[0].Count = 2 },
		"a command":          func(in *Input) { in.Environment.Tiers[1].Activate[0].Args[0] = "restart" },
		"a probe":            func(in *Input) { in.Environment.Tiers[1].Verify[0].Expect = 204 },
		"the limits":         func(in *Input) { in.Environment.Limits.Unreachable.Percent = 6 },
		"what failure does":  func(in *Input) { in.Environment.OnFailure = rollcall.FailureStop },
		"a link":             func(in *Input) { in.Environment.Link = nil },
		"a hold":             func(in *Input) { in.Holds = map[string]*rollcall.Hold{"app01": {By: "x"}} },
		"a node's release":   func(in *Input) { in.Known["app01"] = release("c") },
		"a selection":        func(in *Input) { in.Selection.Tier = []string{"app", "cdn"} },
		"how long to soak":   func(in *Input) { in.Environment.Tiers[1].Soak = time.Second },
		"how many are kept":  func(in *Input) { in.Environment.Keep = 6 },
		"what old is kept":   func(in *Input) { in.Environment.Tiers[0].KeepOldFiles = nil },
		"an interrupted one": func(in *Input) { in.State.Interrupted = &rollcall.RollStarted{Roll: 41} },
	} {
		in := input()
		change(&in)
		plan, err := Plan(in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if other := seen[plan.ID]; other != "" {
			t.Errorf("%s and %s make the same plan", name, other)
		}
		seen[plan.ID] = name
	}
}

func TestWhatCantBePlanned(t *testing.T) {
	for name, c := range map[string]struct {
		kind   rollcall.Kind
		change func(*Input)
	}{
		"a pattern that fits nothing": {rollcall.KindInvalid, func(in *Input) { in.Selection.Only = []string{"db*"} }},
		"a broken pattern":            {rollcall.KindInvalid, func(in *Input) { in.Selection.Only = []string{"app["} }},
		"a variable of nobody":        {rollcall.KindInvalid, func(in *Input) { in.Selection.Only = []string{"dc="} }},
		"an unknown tier":             {rollcall.KindInvalid, func(in *Input) { in.Selection.Tier = []string{"db"} }},
		"nothing in both": {rollcall.KindInvalid, func(in *Input) {
			in.Selection = rollcall.Selection{Tier: []string{"cdn"}, Only: []string{"app01"}}
		}},
		"everything on hold": {rollcall.KindRefused, func(in *Input) {
			in.Selection.Only = []string{"app01"}
			in.Holds = map[string]*rollcall.Hold{"app01": {By: "x"}}
		}},
		"a link over a file":         {rollcall.KindInvalid, func(in *Input) { in.Environment.Link = []string{"a"} }},
		"a link over a folder":       {rollcall.KindInvalid, func(in *Input) { in.New.Entries[1].Path = "uploads/x" }},
		"a link below a file":        {rollcall.KindInvalid, func(in *Input) { in.Environment.Link = []string{"a/b"} }},
		"a variable that is unknown": {rollcall.KindInvalid, func(in *Input) { in.Environment.Tiers[1].Activate[0].Args[0] = "{nope}" }},
	} {
		in := input()
		c.change(&in)
		_, err := Plan(in)
		if rollcall.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBatches(t *testing.T) {
	for _, c := range []struct {
		nodes int
		sizes []rollcall.Quantity
		want  string
	}{
		{5, nil, "5"},
		{5, []rollcall.Quantity{{Count: 1}}, "1 1 1 1 1"},
		{9, []rollcall.Quantity{{Count: 1}, {Percent: 25}}, "1 2 2 2 2"},
		{10, []rollcall.Quantity{{Percent: 1}}, "1 1 1 1 1 1 1 1 1 1"},
		{3, []rollcall.Quantity{{Count: 7}}, "3"},
		{1, []rollcall.Quantity{{Percent: 50}}, "1"},
		{7, []rollcall.Quantity{{Count: 1}, {Count: 2}, {Percent: 100}}, "1 2 4"},
	} {
		var got []string
		for _, batch := range batches(make([]rollcall.NodePlan, c.nodes), c.sizes) {
			got = append(got, fmt.Sprint(len(batch)))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%d in %v: %v, want %s", c.nodes, c.sizes, got, c.want)
		}
	}
}
