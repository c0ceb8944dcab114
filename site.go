package rollcall

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Site is the folder with rollcall.yaml and the nodes files, read and found to be right.
type Site struct {
	Dir          string // absolute
	Codes        map[string]*Code
	Environments map[string]*Environment
	Tickets      map[string]string // a tracker's name to its address
	SSH          *SSH              // nil: the person's own ssh configuration
	Channels     map[string]*Channel
}

// Channel is who is told of rolls: a room over XMPP, or a web address.
type Channel struct {
	Name    string
	XMPP    string // the account
	Room    string
	Nick    string
	Server  string // host:port; empty: as the domain's records say
	CAFile  string // absolute
	Webhook string
	Secret  SecretPlace // the account's password, or what signs
}

// SecretPlace is where a secret is: never in the site itself.
type SecretPlace struct {
	File string // absolute
	Env  string
}

// Code is one thing in version control that rolls.
type Code struct {
	Name       string
	Git        string // a path (relative to the site), a file:, ssh: or https: address, or host:path
	SVN        string // instead: a path (relative to the site), a file:, svn:, svn+ssh:, https: or http: address
	Trunk      string
	Production string
	Branches   string // a pattern of the developers' branches
	Build      *Command
	Exclude    []string    // patterns as in .gitignore, without negation
	Submodules bool        // whether a tree that has them, or svn:externals, may roll (without their contents)
	Password   SecretPlace // for svn:, https: and http: addresses of Subversion
	Checks     []Check     // beside ConflictMarkers, in the site's order
	Markers    Markers     // of ConflictMarkers
}

// Environment is where a code rolls to.
type Environment struct {
	Name      string
	Code      *Code
	NodesFile string // relative to the site
	Keep      int    // how many releases stay on a node, the live one and its predecessor always
	Link      []string
	SSH       *SSH // nil: the site's
	Tiers     []*Tier
	Limits    Limits
	OnFailure OnFailure
	Layout    Layout
	Permissions
	Before   []Hook
	After    []Hook
	Announce []string // names of channels
	// From is FromCandidate where a desk's tree rolls here, and else empty: the production
	// branch does.
	From    string
	Desk    string // of FromCandidate: its name
	Require []Requirement
}

// FromCandidate is where an environment gets its tree from that does not get it from the
// production branch.
const FromCandidate = "candidate"

// Requirement is what a tree must have passed before it may roll.
type Requirement string

// The requirements.
const (
	RequireChecks Requirement = "checks"
	RequireStaged Requirement = "staged" // an environment that rolls candidates has had it
)

// Risks names, for each requirement, the risk that is taken without it.
var Risks = map[Requirement]string{RequireChecks: "unchecked", RequireStaged: "unstaged"}

// AllRisks are those that somebody who rolls can accept, by their names.
var AllRisks = []string{"rolled-back", "held", "interrupted", "unstaged", "unchecked"}

// Promotes tells whether a code has a desk: its changesets go from one branch to another.
func (c *Code) Promotes() bool { return c.Trunk != c.Production }

// Hook is a command that runs once a roll.
type Hook struct {
	On  string  `json:"on"` // OnController, or a node's name
	Run Command `json:"run"`
	// Irreversible tells that what it does can't be taken back by going back to the old
	// release: from then on a failure pauses the roll.
	Irreversible bool `json:"irreversible,omitempty"`
}

// OnController is where a command runs that does not run on a node.
const OnController = "controller"

// OnFailure is what a roll does when a node's verify fails.
type OnFailure string

// The values of on_failure.
const (
	FailureRollback OnFailure = "rollback"
	FailurePause    OnFailure = "pause" // as it is, until resume or abort; nothing else may roll meanwhile
	FailureStop     OnFailure = "stop"  // as it is; the next roll may go on
)

// Limits say how many nodes a roll may go on without.
type Limits struct {
	Unreachable Limit `json:"unreachable"`
	Broken      Limit `json:"broken"`
	Failed      Limit `json:"failed"`
}

// Limit is how many nodes of all that roll and, where Tier is set, of each tier.
type Limit struct {
	Quantity
	Tier *Quantity `json:"tier,omitempty"`
}

// Tier is a section of the nodes file, with how its nodes roll.
type Tier struct {
	Name         string
	Nodes        []Node
	Batch        []Quantity // the last repeats
	Activate     []Command
	Verify       []Probe
	Soak         time.Duration
	KeepOldFiles *KeepOldFiles
	Drain        *Drain
	MinInService Quantity // zero: nobody looks
	Prove        *Probe   // by which the web server itself shows what it serves
}

// KeepOldFiles keeps files of earlier releases in later ones for a while, so that a
// page rendered a minute ago still finds its assets.
type KeepOldFiles struct {
	Files []string      `json:"files"` // patterns
	For   time.Duration `json:"for"`
}

// SSH says how nodes are reached.
type SSH struct {
	User       string
	KeyFile    string // absolute
	KnownHosts string // absolute
}

// Nodes lists every node of the environment in the order of its tiers.
func (e *Environment) Nodes() []Node {
	var all []Node
	for _, tier := range e.Tiers {
		all = append(all, tier.Nodes...)
	}
	return all
}

// Quantity is a count or a share: 3, 25%.
type Quantity struct {
	Count   int     `json:"count,omitempty"`
	Percent float64 `json:"percent,omitempty"`
}

// Of tells how many of n a quantity is. A share is rounded down, and for batches
// at least one: callers say which with atLeast.
func (q Quantity) Of(n, atLeast int) int {
	count := q.Count
	if q.Percent > 0 {
		count = int(float64(n) * q.Percent / 100)
	}
	return min(max(count, atLeast), n)
}

// AtLeast tells how many of n must be there: a share is rounded up.
func (q Quantity) AtLeast(n int) int {
	if q.Percent > 0 {
		return int(math.Ceil(float64(n)*q.Percent/100 - 1e-9))
	}
	return q.Count
}

func (q Quantity) String() string {
	if q.Percent > 0 {
		return fmt.Sprintf("%g%%", q.Percent)
	}
	return fmt.Sprint(q.Count)
}

// Command is an argument list, or, where the site asks for one, a text for /bin/sh.
type Command struct {
	Args    []string      `json:"args,omitempty"`
	Shell   string        `json:"sh,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
}

// String is the command as people write it; of a text for the shell its first line.
func (c Command) String() string {
	if c.Shell != "" {
		first, rest, _ := strings.Cut(strings.TrimSpace(c.Shell), "\n")
		if rest != "" {
			first += " …"
		}
		return "sh: " + first
	}
	quoted := make([]string, len(c.Args))
	for i, arg := range c.Args {
		quoted[i] = arg
		if arg == "" || strings.ContainsAny(arg, " \t\n'\"\\$") {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// Expand returns the command with each {name} replaced.
func (c Command) Expand(vars map[string]string) (Command, error) {
	args := make([]string, len(c.Args))
	for i, arg := range c.Args {
		text, err := Expand(arg, vars)
		if err != nil {
			return Command{}, err
		}
		args[i] = text
	}
	c.Args = args
	return c, nil // a shell's braces are its own: it gets what it needs as ROLLCALL_… variables
}

// Probe is one thing that must hold on a node after its switch: exactly one of HTTP,
// TCP, Run and Nagios is set.
type Probe struct {
	HTTP   string        `json:"http,omitempty"`   // an address
	TCP    string        `json:"tcp,omitempty"`    // host:port
	Run    *Command      `json:"run,omitempty"`    // exit 0 passes
	Nagios *Command      `json:"nagios,omitempty"` // a plugin: 0 and 1 pass, 2 does not, 3 can't tell
	Expect int           `json:"expect,omitempty"`
	Body   string        `json:"body,omitempty"`   // a text that the answer must contain
	Match  string        `json:"match,omitempty"`  // a regular expression that its body must match
	Header []string      `json:"header,omitempty"` // sent
	Answer []string      `json:"answer,omitempty"` // headers that the answer must have, "Name: part of the value"
	Faster time.Duration `json:"faster,omitempty"` // how long one answer may take
	Within time.Duration `json:"within"`
	// Proves is how many answers in a row, over as many connections, must name the release.
	Proves int `json:"proves,omitempty"`
	// Here tells that a command runs on the controller and not on the node.
	Here bool `json:"here,omitempty"`
}

func (p Probe) String() string {
	switch {
	case p.Proves > 0:
		return "prove " + p.HTTP
	case p.HTTP != "":
		return "http " + p.HTTP
	case p.TCP != "":
		return "tcp " + p.TCP
	case p.Nagios != nil:
		return "nagios " + p.Nagios.String()
	default:
		return "run " + p.Run.String()
	}
}

// Expand returns the probe with each {name} replaced.
func (p Probe) Expand(vars map[string]string) (Probe, error) {
	var err error
	if p.HTTP, err = Expand(p.HTTP, vars); err != nil {
		return p, err
	}
	if p.TCP, err = Expand(p.TCP, vars); err != nil {
		return p, err
	}
	if p.Body, err = Expand(p.Body, vars); err != nil {
		return p, err
	}
	if p.Header, err = expandAll(p.Header, vars); err != nil {
		return p, err
	}
	if p.Answer, err = expandAll(p.Answer, vars); err != nil {
		return p, err
	}
	for _, c := range []**Command{&p.Run, &p.Nagios} {
		if *c, err = expandCommand(*c, vars); err != nil {
			return p, err
		}
	}
	return p, nil
}

// Expand returns the drain with each {name} replaced.
func (d Drain) Expand(vars map[string]string) (Drain, error) {
	var err error
	if d.HAProxy, err = expandAll(d.HAProxy, vars); err != nil {
		return d, err
	}
	if d.Backend, err = expandAll(d.Backend, vars); err != nil {
		return d, err
	}
	if d.Server, err = Expand(d.Server, vars); err != nil {
		return d, err
	}
	if d.Flag, err = Expand(d.Flag, vars); err != nil {
		return d, err
	}
	for _, c := range []**Command{&d.Out, &d.In, &d.State} {
		if *c, err = expandCommand(*c, vars); err != nil {
			return d, err
		}
	}
	return d, nil
}

func expandAll(texts []string, vars map[string]string) ([]string, error) {
	texts = slices.Clone(texts)
	for i := range texts {
		var err error
		if texts[i], err = Expand(texts[i], vars); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

func expandCommand(c *Command, vars map[string]string) (*Command, error) {
	if c == nil {
		return nil, nil
	}
	expanded, err := c.Expand(vars)
	return &expanded, err
}

// Expand replaces each {name} of a text. A doubled brace stands for itself.
func Expand(text string, vars map[string]string) (string, error) {
	if !strings.ContainsAny(text, "{}") {
		return text, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "{{"), strings.HasPrefix(text[i:], "}}"):
			b.WriteByte(text[i])
			i++
		case text[i] == '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return "", fmt.Errorf("%q: { without }", text)
			}
			name := text[i+1 : i+end]
			value, ok := vars[name]
			if !ok {
				return "", &UnknownVariable{Name: name, Text: text}
			}
			b.WriteString(value)
			i += end
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String(), nil
}

// UnknownVariable is what Expand says of a {name} that the node does not have.
type UnknownVariable struct{ Name, Text string }

func (u *UnknownVariable) Error() string {
	return fmt.Sprintf("unknown variable {%s} in %q", u.Name, u.Text)
}
