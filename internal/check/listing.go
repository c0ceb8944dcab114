package check

import (
	"context"
	"path"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

const unclean = "its name has a control character, so it can't be given to a check"

// list reads what will roll: what the code excludes never does, and another repository's
// place holds nothing.
func (r *run) list(ctx context.Context) error {
	r.repo.Lock()
	defer r.repo.Unlock()
	all, err := r.Repo.Changes(ctx, "", r.Tree)
	if err != nil {
		return err
	}
	r.entries, r.bad = make(map[string]*rollcall.TreeEntry, len(all)), map[string]string{}
	for _, c := range all {
		if c.New == nil {
			continue
		}
		excluded, unfit := rollcall.MatchAny(r.Code.Exclude, c.Path), r.Code.CheckEntry(c.New)
		if !excluded || r.Code.Build != nil { // a build is given all of it
			r.unfit(c.New, unfit)
		}
		if c.New.Module || c.New.Type == rollcall.TypeFolder {
			continue
		}
		if excluded {
			r.excluded = append(r.excluded, c.New)
			continue
		}
		if unfit != nil {
			r.bad[c.Path] = unclean
		}
		r.entries[c.Path] = c.New
		r.paths = append(r.paths, c.Path)
	}
	if r.Base == "" {
		return nil
	}
	r.differ = map[string]string{}
	// From the tree back to its base: what is new there is what was before.
	back, err := r.Repo.Changes(ctx, r.Tree, r.Base)
	if err != nil {
		return err
	}
	for _, c := range back {
		before := ""
		if c.New != nil && isFile(c.New) {
			before = c.New.Blob
		}
		r.differ[c.Path] = before
	}
	return nil
}

func isFile(e *rollcall.TreeEntry) bool {
	return !e.Module && (e.Type == rollcall.TypeFile || e.Type == rollcall.TypeExecutable)
}

// choose gives each gate what it looks at.
func (r *run) choose(context.Context) error {
	for _, g := range r.gates {
		switch {
		case g.Name == rollcall.ConflictMarkers:
			g.files = r.marked()
		case g.Takes(rollcall.CheckTree):
			g.files = []subject{{content: content{id: r.Tree}}}
		default:
			for _, p := range r.paths {
				e := r.entries[p]
				if isFile(e) && (len(g.Files) == 0 || rollcall.MatchAny(g.Files, p)) {
					g.files = append(g.files, subject{p, content{kindOf(e), e.Blob}})
				}
			}
		}
	}
	return nil
}

// kindOf is what of a name a tool may go by: the extension, or the whole name where there
// is none, and whether it may be executed. Equal contents of one kind are looked at once.
func kindOf(e *rollcall.TreeEntry) string {
	name := path.Base(e.Path)
	if ext := path.Ext(name); ext != "" {
		name = ext
	}
	return string(e.Type) + strings.ToValidUTF8(name, "?")
}

// skips tells whether a path can't be given to the check; the report says why. The
// built-in check is given contents alone.
func (g *gate) skips(r *run, f subject) bool {
	return r.bad[f.path] != "" && g.Name != rollcall.ConflictMarkers
}

// recall asks what is known, and finds what is not.
func (r *run) recall(ctx context.Context) error {
	for _, g := range r.gates {
		g.verdict = map[content]verdict{}
		asked := make(map[content]bool, len(g.files))
		var unique []subject
		for _, f := range g.files {
			if g.skips(r, f) {
				continue
			}
			if !asked[f.content] {
				asked[f.content] = true
				unique = append(unique, f)
			}
		}
		if !r.Again {
			if err := r.known(ctx, g.rule, unique, g.verdict); err != nil {
				return err
			}
		}
		for _, f := range unique {
			if _, ok := g.verdict[f.content]; !ok {
				g.missing = append(g.missing, f)
			}
		}
	}
	return nil
}
