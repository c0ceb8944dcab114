package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// contestant is one way to bring a tree to nodes.
type contestant interface {
	name() string
	// reset brings the nodes to where a case begins. Nothing of it is measured.
	reset(ctx context.Context, f *fleet, c *benchCase) error
	lines(f *fleet, c *benchCase) []line
	// result is where the tree lies on a node afterwards, or "".
	result(n *node) string
}

// benchCase is one thing that is measured.
type benchCase struct {
	name     string
	from     string // the tree that rsync's nodes have; empty: nothing
	to       string
	snapshot string // where Rollcall begins; empty: nothing at all
	keep     string // the snapshot that its end becomes
	seasoned bool   // and before that, what comes after to rolls: see seasons
	batch    string
	rollback bool
	peers    []contestant
	many     bool // only with more than one node
}

const allAtOnce = "100%"

var (
	plain, compressed = inPlace{"-a"}, inPlace{"-az"}
	all               = []contestant{plain, compressed, linkDest{}}
)

// cases are in an order in which each finds what it begins with.
var cases = []benchCase{
	{name: "setup", to: "base", seasoned: true, keep: "base"},
	{name: "major", snapshot: "base", from: "base", to: "a", seasoned: true, keep: "a", peers: append(all, readNew{})},
	{name: "minor", snapshot: "a", from: "a", to: "b", keep: "b", peers: all},
	{name: "nothing changed", snapshot: "b", from: "b", to: "b", peers: all},
	{name: "small", snapshot: "b", from: "b", to: "s", peers: all},
	{name: "small, no old release to reuse", snapshot: "b:young", from: "b", to: "s"},
	{name: "small, batches of 1 and 50%", snapshot: "b", from: "b", to: "s", batch: "[1, 50%]", many: true},
	{name: "rollback", snapshot: "b", from: "b", to: "a", rollback: true, peers: []contestant{symlink{}}},
	{name: "twice the files", snapshot: "b", from: "b", to: "d", seasoned: true, keep: "d"},
	{name: "nothing changed, twice the files", snapshot: "d", from: "d", to: "d", peers: []contestant{plain}},
	{name: "small, twice the files", snapshot: "d", from: "d", to: "ds", peers: []contestant{plain}},
	{name: "cold", snapshot: "b:empty,unpacked", to: "b", peers: append([]contestant{plain, compressed}, compressions()...)},
	{name: "first", to: "b", keep: "first"},
	{name: "cold, packed before", snapshot: "first:empty", to: "b"},
}

// target is what Rollcall rolls: the first season where there are some.
func (c *benchCase) target() string {
	if c.seasoned {
		return season(c.to, 0)
	}
	return c.to
}

// setups are measured only as what the others begin with.
var setups = []string{"setup", "twice the files"}

func caseNames() []string {
	var names []string
	for _, c := range cases {
		if !slices.Contains(setups, c.name) && !strings.Contains(c.name, ",") {
			names = append(names, c.name)
		}
	}
	return names
}

func known(name string) bool { return slices.Contains(caseNames(), name) }

// wanted tells whether a case was asked for; its variants go with it.
func (o options) wanted(c *benchCase) bool {
	name, _, _ := strings.Cut(c.name, ",")
	return o.cases == nil && !slices.Contains(setups, c.name) || o.cases[name]
}

// needed tells which cases run: those asked for, and those that make what they begin with.
func (o options) needed(nodes int) map[string]bool {
	needed, snapshots := map[string]bool{}, map[string]bool{}
	for i := len(cases) - 1; i >= 0; i-- {
		c := &cases[i]
		if c.many && nodes == 1 || !o.wanted(c) && !snapshots[c.keep] {
			continue
		}
		needed[c.name] = true
		name, _, _ := strings.Cut(c.snapshot, ":")
		snapshots[name] = name != ""
	}
	return needed
}

// measure measures all cases with so many nodes.
func (s *stage) measure(ctx context.Context, o options, n int) ([]*row, error) {
	say("%d nodes", n)
	f, err := s.startFleet(ctx, n)
	if err != nil {
		return nil, err
	}
	defer f.stop()
	var rows []*row
	needed := o.needed(n)
	for i := range cases {
		c := &cases[i]
		if !needed[c.name] {
			continue
		}
		if c.batch == "" {
			c.batch = allAtOnce
		}
		more, err := f.runCase(ctx, o, c)
		rows = append(rows, more...)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return rows, nil
}

// runCase measures the contestants in turns, in one order and then in the other.
func (f *fleet) runCase(ctx context.Context, o options, c *benchCase) ([]*row, error) {
	us := contestant(rollcall{c.batch})
	contestants := append([]contestant{us}, c.peers...)
	runs := o.runs
	measured := o.wanted(c)
	if !measured {
		runs = 1
	}
	if !measured || o.alone {
		contestants = contestants[:1]
	}
	rows := make([]*row, len(contestants))
	for i, who := range contestants {
		rows[i] = &row{Case: c.name, Who: who.name()}
	}
	for run := range runs {
		order := slices.Collect(func(yield func(int) bool) {
			for i := range contestants {
				if run%2 == 1 {
					i = len(contestants) - 1 - i
				}
				if !yield(i) {
					return
				}
			}
		})
		for _, i := range order {
			m, err := f.once(ctx, c, contestants[i], run == 0)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", contestants[i].name(), err)
			}
			rows[i].Runs = append(rows[i].Runs, m)
			say("  %-33s %-18s %7.3f s, controller %7.3f s, nodes %7.3f s, %9.1f kB, others %.2f", c.name, contestants[i].name(),
				m.Wall.Seconds(), m.Controller.Seconds(), m.Nodes.Seconds(), float64(m.Bytes)/1e3, m.Others)
		}
	}
	if o.profile != "" && measured {
		if err := f.profiled(ctx, o, c, us); err != nil {
			return nil, err
		}
	}
	if c.seasoned {
		if err := f.season(ctx, c); err != nil {
			return nil, err
		}
	}
	if c.keep != "" {
		if err := f.snapshot(ctx, c.keep); err != nil {
			return nil, err
		}
	}
	if !measured {
		return nil, nil
	}
	return rows, nil
}

func (f *fleet) once(ctx context.Context, c *benchCase, who contestant, check bool) (figures, error) {
	m, err := f.attempt(ctx, c, who)
	if err != nil && strings.Contains(err.Error(), "signal: killed") && ctx.Err() == nil {
		// On a shared machine somebody's pkill meant another process of the same name.
		say("  %s was killed: once more", who.name())
		m, err = f.attempt(ctx, c, who)
	}
	if err != nil || !check {
		return m, err
	}
	last := f.nodes[len(f.nodes)-1]
	if made := who.result(last); made != "" {
		// Nobody is quick by leaving something out.
		if _, err := command(ctx, "/", "diff", "-rq", "-x", buildFile, f.path("trees", c.to), made+"/"); err != nil {
			return m, fmt.Errorf("what lies on %s is not %s: %w", last.name, c.to, err)
		}
	}
	return m, nil
}

func (f *fleet) attempt(ctx context.Context, c *benchCase, who contestant) (figures, error) {
	if err := who.reset(ctx, f, c); err != nil {
		return figures{}, fmt.Errorf("reset: %w", err)
	}
	return f.meter(ctx, who.lines(f, c))
}

// season rolls what comes after a case's first.
func (f *fleet) season(ctx context.Context, c *benchCase) error {
	for number := 1; number <= seasons; number++ {
		tree := c.to
		if number < seasons {
			tree = season(c.to, number)
		}
		if err := f.produce(ctx, tree); err != nil {
			return err
		}
		if _, err := f.meter(ctx, (rollcall{}).lines(f, c)); err != nil {
			return fmt.Errorf("season %s: %w", tree, err)
		}
	}
	return nil
}

// profiled runs a case once more with perf watching the whole machine.
func (f *fleet) profiled(ctx context.Context, o options, c *benchCase, who contestant) error {
	if err := who.reset(ctx, f, c); err != nil {
		return err
	}
	if err := errors.Join(f.settle(), os.MkdirAll(o.profile, 0o755)); err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%d.data", strings.NewReplacer(" ", "-", ",", "", "%", "").Replace(c.name), len(f.nodes))
	perf := []string{"perf", "record", "-q", "-a", "-g", "-F", "1999", "-o", filepath.Join(o.profile, name), "--"}
	run := exec.CommandContext(ctx, perf[0], append(perf[1:], who.lines(f, c)[0][0]...)...)
	run.Dir = f.path("disk", "site")
	run.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + f.path("disk", "site")}
	if out, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("perf: %w: %s", err, out)
	}
	return nil
}
