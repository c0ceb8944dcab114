// Command bench measures Rollcall beside rsync on the same nodes in one run.
//
// Nodes are real OpenSSH servers, each on a loopback address of its own with its own
// host key, account, home and folder. The tree is a public one of thousands of files
// (see material.go), in a packed git repository for Rollcall and laid out finished for
// rsync, with times that change only where contents do: the best case for rsync.
//
// Measured are, from a command's start to its end:
//
//   - wall time;
//   - the controller's CPU: Rollcall or the rsyncs, and every git and ssh below them;
//   - the nodes' CPU: the sshds and all that they start;
//   - bytes: what TCP carried both ways, without headers;
//   - the peak memory of Rollcall's largest process.
//
// CPU comes from cgroups, bytes from the counters of the loopback device in a network
// namespace that holds nothing else. Rollcall is timed with all that it does at its
// start; rsync is given its tree. Contents are in the page cache for both. Before each
// measured run the nodes and the controller are put back and the disk is synced.
//
// Beside them stands what nobody can do without who rolls out of a repository: git alone,
// giving the contents of major, and, where it is installed, zstd alone, compressing cold's.
//
// Not measured: a network's latency and bandwidth (loopback has neither limit), disks
// (all nodes share one, which makes Rollcall's one sync a node dearer than it is on a
// fleet; rsync syncs nothing), what an application does after a switch, and more than
// one controller. Everything runs on the same processors, so wall times at many nodes are
// mostly the nodes' CPU: the controller's CPU and the bytes are what carry over.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// options are the command line.
type options struct {
	nodes   []int
	runs    int
	cases   map[string]bool // nil: all
	keep    bool
	alone   bool
	strict  bool
	json    string
	profile string
	dir     string
}

func parseOptions() (options, error) {
	o := options{}
	nodes := flag.String("nodes", "1,8,32", "how many nodes, several counts with commas")
	cases := flag.String("cases", "all", "which cases, with commas: "+strings.Join(caseNames(), ", "))
	flag.IntVar(&o.runs, "runs", 3, "how often each is measured; the median counts")
	flag.BoolVar(&o.alone, "alone", false, "measure Rollcall without its peers: for work on it, no goal is looked at")
	flag.BoolVar(&o.keep, "keep", false, "leave the work folder")
	flag.BoolVar(&o.strict, "strict", false, "exit 1 if a goal is missed")
	flag.StringVar(&o.json, "json", "", "write every single run to this `file`")
	flag.StringVar(&o.profile, "profile", "", "run each of Rollcall's cases once more under perf, into this `folder`")
	flag.StringVar(&o.dir, "dir", "", "where to work, in a new folder that goes at the end (default: $TMPDIR); the downloaded modules stay in its mod/")
	flag.Parse()
	for text := range strings.SplitSeq(*nodes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 200 {
			return o, fmt.Errorf("-nodes %s: %q is no number from 1 to 200", *nodes, text)
		}
		o.nodes = append(o.nodes, n)
	}
	if o.runs < 1 || flag.NArg() > 0 {
		return o, fmt.Errorf("-runs must be at least 1, and there are no arguments besides flags")
	}
	if *cases != "all" {
		o.cases = map[string]bool{}
		for name := range strings.SplitSeq(*cases, ",") {
			if !known(name) {
				return o, fmt.Errorf("-cases: there is no %q, only: %s", name, strings.Join(caseNames(), ", "))
			}
			o.cases[name] = true
		}
	}
	return o, nil
}

func main() {
	runtime.LockOSThread() // the inner process dies with this thread
	o, err := parseOptions()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	run := outside
	if os.Getenv(insideVar) != "" {
		run = inside
	}
	code, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		code = max(code, 2)
	}
	os.Exit(code)
}
