package rollcall

import (
	"fmt"
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
}

// Code is one thing in version control that rolls.
type Code struct {
	Name       string
	Git        string // a path (relative to the site), a file:, ssh: or https: address, or host:path
	Trunk      string
	Production string
	Branches   string // a pattern of the developers' branches
	Build      *Command
	Exclude    []string // patterns as in .gitignore, without negation
	Submodules bool     // whether a tree that has them may roll (without their contents)
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
}

// OnFailure is what a roll does when a node's verify fails.
type OnFailure string

// The values of on_failure.
const (
	FailureRollback OnFailure = "rollback"
	FailureStop     OnFailure = "stop"
)

// Limits say how many nodes of an environment may be missed before nothing is switched.
type Limits struct {
	Unreachable Quantity `json:"unreachable"`
	Broken      Quantity `json:"broken"`
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
// TCP and Run is set.
type Probe struct {
	HTTP   string        `json:"http,omitempty"` // an address
	TCP    string        `json:"tcp,omitempty"`  // host:port
	Run    *Command      `json:"run,omitempty"`  // on the node; exit 0 passes
	Expect int           `json:"expect,omitempty"`
	Body   string        `json:"body,omitempty"` // a text that the answer must contain
	Header []string      `json:"header,omitempty"`
	Within time.Duration `json:"within"`
}

func (p Probe) String() string {
	switch {
	case p.HTTP != "":
		return "http " + p.HTTP
	case p.TCP != "":
		return "tcp " + p.TCP
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
	header := slices.Clone(p.Header)
	for i := range header {
		if header[i], err = Expand(header[i], vars); err != nil {
			return p, err
		}
	}
	p.Header = header
	if p.Run != nil {
		run, err := p.Run.Expand(vars)
		if err != nil {
			return p, err
		}
		p.Run = &run
	}
	return p, nil
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
