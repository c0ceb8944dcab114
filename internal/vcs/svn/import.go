package svn

import (
	"context"
	"slices"

	"github.com/rollcall-dev/rollcall"
)

// ImportPlan reads what svnmerge.py knows of two branches and gives what is to be marked so
// that nobody needs it any more, oldest first. What it blocked is blocked, and never
// integrated.
func (r *Repository) ImportPlan(ctx context.Context, source, target string) ([]rollcall.Mark, error) {
	p, err := r.pair(ctx, source, target)
	if err != nil {
		return nil, err
	}
	defer p.close()
	c, err := r.chronicle(ctx, p.book, p.known, p.own)
	if err != nil {
		return nil, err
	}
	candidates, err := p.candidates(ctx)
	if err != nil {
		return nil, err
	}
	replay(candidates, c)
	integrated, avoided, blocks := parseSvnmerge(c.now.Integrated, r.uuid), parseSvnmerge(c.now.Avoided, r.uuid), parseBlocked(c.now.Blocked)
	marks := []rollcall.Mark{}
	for _, one := range slices.Backward(candidates) {
		in, _ := integrated[one.path].find(one.revision)
		avoid, _ := avoided[one.path].find(one.revision)
		_, already := blocks[one.revision]
		switch id := revisionID(one.revision); {
		case avoid && !already && !one.merged:
			marks = append(marks, rollcall.Mark{Kind: rollcall.MarkBlocked, ID: id, Why: svnmergeBlock})
		case avoid:
		case in && !one.merged && !one.was: // what was backed out since stays so
			marks = append(marks, rollcall.Mark{Kind: rollcall.MarkIntegrated, ID: id})
		}
	}
	return marks, nil
}
