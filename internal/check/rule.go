package check

import (
	"context"
	"encoding/json"

	"github.com/zeebo/blake3"

	"github.com/rollcall-dev/rollcall"
)

// ruleKey is what makes results old when it changes. Not in it: the time limit, since what
// it ends is not kept, and the patterns, which only choose.
type ruleKey struct {
	Format  int
	Code    string
	Check   string
	Args    []string `json:",omitempty"`
	Shell   string   `json:",omitempty"`
	MaxSize int64    `json:",omitempty"`
	Exclude []string `json:",omitempty"` // of a check that is given what they leave
	Tool    []string `json:",omitempty"`
}

const ruleFormat = 1

// rules makes the gates: the built-in one, and those of the site in its order. A tool that
// is missing is told here, before anything has run.
func (r *run) rules(ctx context.Context) error {
	r.gates = []*gate{{Check: &rollcall.Check{Name: rollcall.ConflictMarkers}}}
	for i := range r.Code.Checks {
		r.gates = append(r.gates, &gate{Check: &r.Code.Checks[i]})
	}
	for _, g := range r.gates {
		key := ruleKey{Format: ruleFormat, Code: r.Code.Name, Check: g.Name, Args: g.Run.Args, Shell: g.Run.Shell, MaxSize: g.MaxSize}
		if g.Takes(rollcall.CheckTree) {
			key.Exclude = r.Code.Exclude
		}
		if g.Name != rollcall.ConflictMarkers {
			var err error
			if g.program, key.Tool, err = r.tool(ctx, g.Check); err != nil {
				return err
			}
		}
		var err error
		if g.key, err = digest(key); err == nil {
			g.rule, err = r.rule(ctx, g.key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func digest(of any) ([]byte, error) {
	b, err := json.Marshal(of)
	sum := blake3.Sum256(b)
	return sum[:], err
}
