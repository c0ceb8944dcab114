package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// report is everything that was found out.
type report struct {
	Machine      string
	Begun, Ended string // load averages
	Trees        []treeInfo
	Counts       []count
}

type count struct {
	Nodes int
	Rows  []*row
}

// row is all runs of one contestant in one case.
type row struct {
	Case, Who string
	Runs      []figures
}

func median[T cmp.Ordered](r *row, of func(figures) T) T {
	values := make([]T, len(r.Runs))
	for i, m := range r.Runs {
		values[i] = of(m)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

func (r *row) wall() time.Duration { return median(r, func(m figures) time.Duration { return m.Wall }) }

func (r *row) controller() time.Duration {
	return median(r, func(m figures) time.Duration { return m.Controller })
}

func (r *row) nodes() time.Duration {
	return median(r, func(m figures) time.Duration { return m.Nodes })
}
func (r *row) bytes() int64    { return median(r, func(m figures) int64 { return m.Bytes }) }
func (r *row) memory() int64   { return median(r, func(m figures) int64 { return m.Memory }) }
func (r *row) others() float64 { return median(r, func(m figures) float64 { return m.Others }) }

func (r *row) spread() (least, most time.Duration) {
	least = r.Runs[0].Wall
	for _, m := range r.Runs {
		least, most = min(least, m.Wall), max(most, m.Wall)
	}
	return least, most
}

func machine() string {
	first := func(name string, args ...string) string {
		out, _ := exec.Command(name, args...).CombinedOutput()
		line, _, _ := strings.Cut(string(out), "\n")
		return strings.Join(strings.Fields(line), " ")
	}
	var info unix.Sysinfo_t
	unix.Sysinfo(&info)
	return fmt.Sprintf("%d processors, %d GiB, %s; %s; %s; %s; %s", runtime.NumCPU(), info.Totalram*uint64(info.Unit)>>30,
		first("uname", "-sr"), first("ssh", "-V"), first("rsync", "--version"), first("git", "--version"), runtime.Version())
}

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	return strings.Join(strings.Fields(string(b))[:3], " ")
}

// print writes the tables and tells how many goals were missed.
func (r *report) print(w io.Writer) int {
	fmt.Fprintf(w, "%s\nload average %s before, %s after\n\n", r.Machine, r.Begun, r.Ended)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "tree\tfiles\tMB\tchanged or new\tMB in them\twhat")
	for _, tree := range r.Trees {
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%d\t%.2f\t%s\n", tree.Name, tree.Files, float64(tree.Bytes)/1e6, tree.Changed, float64(tree.NewBytes)/1e6, tree.What)
	}
	t.Flush()
	for _, c := range r.Counts {
		c.print(w)
	}
	return r.goals(w)
}

func (c *count) print(w io.Writer) {
	fmt.Fprintf(w, "\n%d node", c.Nodes)
	if c.Nodes > 1 {
		fmt.Fprint(w, "s at once")
	}
	fmt.Fprint(w, "\n\n")
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "case\tby\twall s\t(least to most)\tcontroller CPU ms\tnode CPU ms, each\tkB\tpeak MB\tothers' CPUs")
	last := ""
	for _, r := range c.Rows {
		name := r.Case
		if name == last {
			name = ""
		}
		last = r.Case
		memory := ""
		if r.Who == (rollcall{}).name() {
			memory = fmt.Sprint(r.memory() >> 20)
		}
		least, most := r.spread()
		fmt.Fprintf(t, "%s\t%s\t%.3f\t%.3f to %.3f\t%.0f\t%.0f\t%.1f\t%s\t%.2f\n", name, r.Who, r.wall().Seconds(), least.Seconds(), most.Seconds(),
			ms(r.controller()), ms(r.nodes())/float64(c.Nodes), float64(r.bytes())/1e3, memory, r.others())
	}
	t.Flush()
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
