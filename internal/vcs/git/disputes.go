package git

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// The numbers of stages.
const (
	baseStage = iota + 1
	ourStage
	theirStage
)

// dispute is a path that could not be merged, with what it takes to settle it.
type dispute struct {
	rollcall.Conflict
	// whole is where a file stands against a folder or a link: a side is all that it has there.
	whole  bool
	stages [theirStage + 1]stage // by number
	// names are git's own inventions: where the merged tree has what can't be at the path.
	names []string
	// moved is where a file of ours would go, because theirs gave its folder another name.
	moved string
	// from is where theirs has it, in a folder to which ours gave another name.
	from string
}

// has tells whether a path is in dispute.
func (d *dispute) has(name string) bool {
	return name == d.Path || d.from != "" && name == d.from || d.whole && strings.HasPrefix(name, d.Path+"/")
}

// taken is the side that was decided for. Nil: nothing is to be there.
func (d *dispute) taken(r *rollcall.Resolution) *rollcall.ConflictSide {
	switch {
	case r.Take == rollcall.TakeTheirs:
		return d.Theirs
	case r.Take == rollcall.TakeProduction:
		return d.Production
	case r.Delete:
		return nil
	}
	return &rollcall.ConflictSide{Type: r.Type, Content: r.Content}
}

// disputes puts together what git says of each path. Where two sides can't both be at a
// path it gives one of them a name that nobody knows, and says so.
func (m *merged) disputes(pair mergePair) []*dispute {
	invented := map[string]string{} // the real path of each such name
	for _, one := range m.said {
		if one.kind != "CONFLICT (file/directory)" && one.kind != "CONFLICT (distinct modes)" && one.kind != "CONFLICT (distinct types)" {
			continue
		}
		for _, name := range one.paths {
			for _, path := range one.paths {
				if strings.HasPrefix(name, path+"~") {
					invented[name] = path
				}
			}
		}
	}
	var all []*dispute
	at := map[string]*dispute{}
	for _, s := range m.stages {
		path := s.path
		for invented[path] != "" {
			path = invented[path]
		}
		d := at[path]
		if d == nil {
			d = &dispute{Conflict: rollcall.Conflict{Path: path}}
			all, at[path] = append(all, d), d
		}
		d.stages[s.number] = s
		if path != s.path {
			d.whole = true
			d.names = append(d.names, s.path)
		}
	}
	m.suggested(pair, at)
	// What is below a path of which a side is taken whole is decided with it.
	all = slices.DeleteFunc(slices.Clone(all), func(d *dispute) bool {
		return slices.ContainsFunc(all, func(o *dispute) bool { return o != d && o.whole && o.has(d.Path) })
	})
	slices.SortFunc(all, func(a, b *dispute) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// suggested finds files that git put where it thinks that they belong, because the other
// side gave their folder another name. One of ours stands where it always stood.
func (m *merged) suggested(pair mergePair, at map[string]*dispute) {
	for _, one := range m.said {
		if one.kind != "CONFLICT (directory rename suggested)" || len(one.paths) != 2 {
			continue
		}
		now, was := one.paths[0], one.paths[1]
		d := at[now]
		switch {
		case d == nil:
		case !d.whole && d.stages[ourStage].blob != "" && (strings.Contains(one.text, " in "+pair.ours+" inside") || strings.Contains(one.text, " in "+pair.ours+", inside")):
			d.Path, d.moved, d.names = was, now, append(d.names, now)
		default:
			d.from = was
		}
	}
}

// entries reads what a commit or a tree has at paths; of a folder that is its tree.
func (r *Repository) entries(ctx context.Context, of string, paths []string) (map[string]stage, error) {
	found := map[string]stage{}
	for some := range slices.Chunk(paths, 500) {
		// -t: a folder is named too where something below it was asked for.
		out, err := r.git(ctx, append([]string{"ls-tree", "-t", "-z", "--full-tree", of, "--"}, some...)...)
		if err != nil {
			return nil, err
		}
		for rest := (fields{string(out)}); rest.rest != ""; {
			text, err := rest.next()
			if err != nil {
				return nil, err
			}
			head, path, ok := strings.Cut(text, "\t")
			parts := strings.Fields(head) // mode type hash
			if !ok || len(parts) != 3 {
				return nil, fmt.Errorf("git ls-tree: cannot read %q", text)
			}
			found[path] = stage{mode: plainMode(parts[0]), blob: parts[2], path: path}
		}
	}
	return found, nil
}
