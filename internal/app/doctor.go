package app

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/gate"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// doctorScript looks around on a node and changes nothing. What it is to look at comes
// in its environment; it answers with lines of CHECK LEVEL TEXT.
//
//go:embed doctor.sh
var doctorScript string

// clockLimit is how far a node's clock may be from this one.
const clockLimit = time.Minute

// Doctor looks for what would stop a roll, before one is tried.
func (a *App) Doctor(ctx context.Context, environment string, each func(rollcall.Finding)) error {
	environments, err := a.environments(environment)
	if err != nil {
		return err
	}
	for _, env := range environments {
		if err := a.examine(ctx, env, each); err != nil {
			return err
		}
	}
	return nil
}

// examination is one environment being looked at.
type examination struct {
	*App
	env   *rollcall.Environment
	state *roll.State
	token rollcall.Token
	each  func(rollcall.Finding)
}

func (x *examination) find(node, check string, level rollcall.Level, hint, format string, args ...any) {
	x.each(rollcall.Finding{
		Environment: x.env.Name, Node: node, Check: check, Level: level, Text: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// fault tells an error as a problem; nil is fine.
func (x *examination) fault(node, check string, err error, fine string) bool {
	if err != nil {
		x.find(node, check, rollcall.LevelProblem, rollcall.HintOf(err), "%s", rollcall.Printable(err.Error()))
		return false
	}
	x.find(node, check, rollcall.LevelOK, "", "%s", fine)
	return true
}

func (a *App) examine(ctx context.Context, env *rollcall.Environment, each func(rollcall.Finding)) error {
	// A lease, since nodes run commands only for who holds one; and so that nobody rolls
	// while the answers are being made.
	held, lease, state, err := roll.Take(ctx, a.record, env.Name, a.by, "doctor "+env.Name, nil)
	if err != nil {
		return err
	}
	defer func() { _ = lease.Release(ctx, state.Seq) }() // one that is not given back ends with the process
	x := &examination{App: a, env: env, state: state, token: lease.Token(), each: each}
	x.code(held)
	x.open()
	x.channels()
	nodes := a.fleet(env)
	defer nodes.Close()
	x.balancers(held, nodes)
	var group errgroup.Group
	group.SetLimit(roll.DefaultParallel)
	var mu sync.Mutex
	for _, tier := range env.Tiers {
		for _, n := range tier.Nodes {
			group.Go(func() error {
				own := *x // what is found on one node is told together
				var found []rollcall.Finding
				own.each = func(f rollcall.Finding) { found = append(found, f) }
				own.node(held, nodes, tier, n)
				mu.Lock()
				defer mu.Unlock()
				for _, f := range found {
					each(f)
				}
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(held)
}

// code looks whether what would roll can be read.
func (x *examination) code(ctx context.Context) {
	repo, err := x.repository(ctx, x.env.Code, func(string) {})
	var tip rollcall.Revision
	if err == nil {
		tip, err = repo.Tip(ctx, x.env.Code.Production)
	}
	x.fault("", "code", err, fmt.Sprintf("%s: %s is at %s", x.env.Code.Name, x.env.Code.Production, rollcall.ShortRevision(tip.ID)))
}

// channels looks whether what speaks to them can be made; they are not spoken to.
func (x *examination) channels() {
	for _, name := range x.env.Announce {
		channel, err := x.channel(x.site.Channels[name])
		if err != nil { // no roll fails by it
			x.find("", "channel", rollcall.LevelWarning, rollcall.HintOf(err), "%s: %s", name, rollcall.Printable(err.Error()))
			continue
		}
		channel.Close()
	}
}

// open tells what the record has against a roll.
func (x *examination) open() {
	if open := x.state.Open(); open != nil {
		x.find("", "record", rollcall.LevelProblem, fmt.Sprintf("rollcall resume %[1]s goes on, rollcall abort %[1]s goes back", x.env.Name),
			"roll %s/%d is not finished", x.env.Name, open.Roll)
	}
	if hold := x.state.Hold; hold != nil {
		x.find("", "record", rollcall.LevelProblem, "rollcall unhold "+x.env.Name, "on hold by %s: %s", hold.By, hold.Why)
	}
}

func (x *examination) balancers(ctx context.Context, nodes nodeFleet) {
	for _, tier := range x.env.Tiers {
		if tier.Drain == nil {
			continue
		}
		var points []rollcall.Service
		for _, n := range tier.Nodes {
			drain, err := tier.Drain.Expand(n.Variables())
			if err != nil {
				x.fault(n.Name, "balancer", err, "")
				continue
			}
			points = append(points, rollcall.Service{Node: n.Name, Drain: drain})
		}
		states, err := roll.LookAt(ctx, x.record, x.balancer(nodes.transport), points)
		if err != nil {
			x.fault("", "balancer", fmt.Errorf("%s: %w", tier.Name, err), "")
			continue
		}
		in := 0
		for _, s := range states {
			if s.InService() {
				in++
			}
		}
		level, hint := rollcall.LevelOK, ""
		if least := tier.MinInService.AtLeast(len(points)); in <= least && least > 0 {
			level, hint = rollcall.LevelProblem, "bring nodes back first: rollcall nodes "+x.env.Name+" shows which are out"
		}
		x.find("", "balancer", level, hint, "%s: %d of %s in service", tier.Name, in, rollcall.Plural(len(points), "node is", "nodes are"))
	}
}

// node looks at one node, from its reach to whether its web server would follow.
func (x *examination) node(ctx context.Context, nodes nodeFleet, tier *rollcall.Tier, n rollcall.Node) {
	ctx, cancel := context.WithTimeout(ctx, 2*askLimit)
	defer cancel()
	session, err := nodes.Open(ctx, n)
	if err != nil {
		x.fault(n.Name, "reach", err, "")
		return
	}
	defer session.Close()
	has, err := session.Hello(ctx)
	if !x.fault(n.Name, "reach", err, "rollcall-node runs there ("+has.Arch+")") {
		return
	}
	if has.Foreign != "" {
		x.find(n.Name, "folder", rollcall.LevelProblem, "take it over: rollcall adopt "+x.env.Name, "%s holds something that Rollcall did not put there: %s", n.Folder, rollcall.Printable(has.Foreign))
		return
	}
	if has.Token.Record != "" && has.Token.Record != x.record.ID() {
		x.find(n.Name, "folder", rollcall.LevelProblem, "if the other controller is gone for good: rollcall adopt "+x.env.Name, "it belongs to another record (%s)", rollcall.Printable(has.Token.Record))
		return
	}
	x.space(ctx, n, has)
	session.Claim(x.token)
	x.around(ctx, tier, n, session)
	if has.Current != "" && has.Current == x.state.Live.Release {
		x.probes(ctx, tier, n, session, has.Current)
	}
}

func (x *examination) space(ctx context.Context, n rollcall.Node, has rollcall.NodeState) {
	need := int64(64 << 20)
	if releases, err := x.store(ctx); err == nil && x.state.Live.Release != "" {
		if m, err := releases.Manifest(x.state.Live.Release); err == nil {
			need += m.Size() / 4 // what is usual to change; a release that needs more is refused before its first byte
		}
	}
	if has.Free < need {
		x.find(n.Name, "space", rollcall.LevelProblem, "free some there, or lower keep: in rollcall.yaml", "%d MB are free beneath %s", has.Free>>20, n.Folder)
		return
	}
	if has.FreeFile >= 0 && has.FreeFile < 1000 {
		x.find(n.Name, "space", rollcall.LevelProblem, "remove files there", "%s free beneath %s", rollcall.Plural(int(has.FreeFile), "inode is", "inodes are"), n.Folder)
		return
	}
	x.find(n.Name, "space", rollcall.LevelOK, "", "%d MB are free", has.Free>>20)
}

// around runs the script on the node.
func (x *examination) around(ctx context.Context, tier *rollcall.Tier, n rollcall.Node, session rollcall.Session) {
	vars := n.Variables()
	env := map[string]string{"FOLDER": n.Folder, "LAYOUT": string(n.Layout), "GROUP_NAME": x.env.Group}
	if n.Layout != rollcall.LayoutInplace {
		env["LINKS"] = strings.Join(x.env.Link, "\n")
	}
	var programs, sudo []string
	commands := slices.Clone(tier.Activate)
	for _, v := range tier.Verify {
		if c := v.Command(); c != nil && !v.Here {
			commands = append(commands, *c)
		}
	}
	for _, c := range commands {
		expanded, err := c.Expand(vars)
		if err != nil || len(expanded.Args) == 0 {
			continue
		}
		if expanded.Args[0] == "sudo" && len(expanded.Args) > 1 {
			sudo = append(sudo, strings.Join(expanded.Args[1:], " "))
		}
		programs = append(programs, expanded.Args[0])
	}
	env["PROGRAMS"], env["SUDO"] = strings.Join(programs, "\n"), strings.Join(sudo, "\n")
	if len(tier.Activate) > 0 {
		env["ACTIVATES"] = "1"
	}
	asked := time.Now()
	out, err := session.Run(ctx, "", rollcall.Command{Shell: doctorScript, Timeout: askLimit}, env)
	if rollcall.KindOf(err) == rollcall.KindRefused {
		x.find(n.Name, "folder", rollcall.LevelWarning, "", "the key there is pinned to rollcall-node: its folder and commands can't be looked at from here")
		return
	}
	if err == nil && out.Exit != 0 {
		err = fmt.Errorf("the node could not be looked at: exit %d: %s", out.Exit, out.Text)
	}
	if err != nil {
		x.fault(n.Name, "folder", err, "")
		return
	}
	for line := range strings.SplitSeq(out.Text, "\n") {
		check, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		level, text, ok := strings.Cut(rest, " ")
		switch {
		case check == "clock":
			x.clock(n, level, asked)
		case ok && (level == "ok" || level == "warning" || level == "problem"):
			text, hint, _ := strings.Cut(text, " || ")
			x.find(n.Name, check, rollcall.Level(level), hint, "%s", text)
		}
	}
}

func (x *examination) clock(n rollcall.Node, text string, asked time.Time) {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return
	}
	if off := time.Unix(seconds, 0).Sub(asked).Round(time.Second); off.Abs() > clockLimit {
		x.find(n.Name, "clock", rollcall.LevelWarning, "let it keep time by ntp: files kept for a while go by its clock", "its clock is off by %v", off)
	}
}

// probes tries once what a roll would verify: what fails now will fail then.
func (x *examination) probes(ctx context.Context, tier *rollcall.Tier, n rollcall.Node, session rollcall.Session, release rollcall.ReleaseID) {
	probes := slices.Clone(tier.Verify)
	if tier.Prove != nil {
		probes = append(probes, *tier.Prove)
	}
	g := &gate.Gate{Dir: x.site.Dir}
	for _, p := range probes {
		p, err := p.Expand(n.Variables())
		if err == nil {
			if c := p.Command(); c != nil && !p.Here {
				var out rollcall.Output
				if out, err = session.Run(ctx, "", *c, nil); err == nil {
					_, err = p.Judge(out)
				}
			} else {
				_, err = g.Check(ctx, p, release, map[string]string{"ROLLCALL_NODE": n.Name})
			}
		}
		if err != nil {
			x.find(n.Name, "verify", rollcall.LevelWarning, "a roll would fail here, unless the new release mends it", "%s does not pass now: %s", p, rollcall.Printable(err.Error()))
			continue
		}
		x.find(n.Name, "verify", rollcall.LevelOK, "", "%s passes", p)
	}
}
