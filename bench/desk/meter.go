package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// sample is one run. CPU tells more than time where others use the processors too.
type sample struct{ wall, cpu, server time.Duration }

// row is all runs of one command.
type row struct {
	name string
	all  []sample
	goal time.Duration // of the median of the wall time; 0: none
	per  int           // more than 0: so many changesets were predicted
	more string
}

func (r *row) median(of func(sample) time.Duration) time.Duration {
	values := make([]time.Duration, len(r.all))
	for i, s := range r.all {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

func wall(s sample) time.Duration   { return s.wall }
func cpu(s sample) time.Duration    { return s.cpu }
func server(s sample) time.Duration { return s.server }

// table prints rows, and tells whether the goals are met.
func table(rows []*row) bool {
	met := true
	fmt.Printf("  %-36s %8s  %8s  %8s  %-15s %s\n", "", "wall s", "CPU s", "server s", "least to most", "goal")
	for _, r := range rows {
		if len(r.all) == 0 {
			continue
		}
		values := make([]float64, len(r.all))
		for i, s := range r.all {
			values[i] = s.wall.Seconds()
		}
		text := ""
		if r.goal > 0 {
			text = fmt.Sprintf("%.2f ok", r.goal.Seconds())
			if r.median(wall) > r.goal {
				text, met = fmt.Sprintf("%.2f MISSED", r.goal.Seconds()), false
			}
		}
		if r.per > 0 {
			text += fmt.Sprintf(" %.3f a changeset", r.median(wall).Seconds()/float64(r.per))
		}
		fmt.Printf("  %-36s %8.3f  %8.3f  %8.3f  %-15s %s\n", r.name, r.median(wall).Seconds(), r.median(cpu).Seconds(), r.median(server).Seconds(),
			fmt.Sprintf("%.2f to %.2f", slices.Min(values), slices.Max(values)), strings.TrimSpace(text+"  "+r.more))
	}
	return met
}

// site is a folder with a site in it.
type site struct {
	dir, program string
	serving      func() time.Duration // what the server has used; may be nil
}

func newSite(dir, program, code string) (*site, error) {
	if err := os.MkdirAll(filepath.Join(dir, "nodes"), 0o755); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"rollcall.yaml":    "code:\n  www: {" + code + "}\nenvironments:\n  production:\n    to: /srv/www\n    tiers:\n      app: {}\n",
		"nodes/production": "[app]\napp01\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return &site{dir: dir, program: program}, nil
}

// forget takes away something that Rollcall keeps; a pattern.
func (s *site) forget(patterns ...string) error {
	for _, pattern := range patterns {
		names, err := filepath.Glob(filepath.Join(s.dir, ".rollcall", pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := os.RemoveAll(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// available is what the bench reads of rollcall avail --json.
type available struct {
	State     string   `json:"state"`
	Needs     []string `json:"needs"`
	Conflicts []string `json:"conflicts"`
	Predicted bool     `json:"predicted"`
}

// avail runs rollcall avail once.
func (s *site) avail(ctx context.Context, into *row) error {
	out, err := s.time(ctx, into, s.program, "--site", s.dir, "avail", "--json")
	if err != nil {
		return err
	}
	eligible, predicted, needs, conflicts := 0, 0, 0, 0
	for text := range bytes.Lines(out) {
		var a available
		if err := json.Unmarshal(text, &a); err != nil {
			return fmt.Errorf("rollcall avail: %w", err)
		}
		if a.State == "eligible" {
			eligible++
		}
		if a.Predicted {
			predicted++
		}
		if len(a.Needs) > 0 {
			needs++
		}
		if len(a.Conflicts) > 0 {
			conflicts++
		}
	}
	if into != nil {
		into.more = fmt.Sprintf("%d eligible, %d predicted: %d conflict, %d need others", eligible, predicted, conflicts, needs)
	}
	return nil
}

// time runs a command once.
func (s *site) time(ctx context.Context, into *row, program string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, program, args...)
	c.Dir = s.dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "LC_ALL=C.UTF-8", "TMPDIR=" + os.TempDir(), "USER=ada"}
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	served := s.served()
	begun := time.Now()
	err := c.Run()
	took := time.Since(begun)
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", c, err, said.String())
	}
	if into != nil {
		used := c.ProcessState.SysUsage().(*syscall.Rusage)
		into.all = append(into.all, sample{took, time.Duration(used.Utime.Nano() + used.Stime.Nano()), s.served() - served})
	}
	return out.Bytes(), nil
}

func (s *site) served() time.Duration {
	if s.serving == nil {
		return 0
	}
	return s.serving()
}

// load is what else runs here.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg") // only told
	fields := strings.Fields(string(text) + " ? ? ?")
	return strings.Join(fields[:2], " ")
}
