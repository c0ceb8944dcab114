package git

import (
	"context"
	"sync"

	"github.com/rollcall-dev/rollcall"
)

// comers are the source's changesets that the target can't be reached from, and which
// files they brought. git follows names: it lays the edit of a file that was brought under
// a new name on the old one, and says nothing.
type comers struct {
	place map[string]int      // of a changeset; the newest is 0
	files map[string][]string // by path: who added it, the newest first
}

func (r *Repository) came(ctx context.Context, source, target string) (*comers, error) {
	from, err := r.Tip(ctx, source)
	if err != nil {
		return nil, err
	}
	r.comers.mu.Lock()
	defer r.comers.mu.Unlock()
	if r.comers.of == from.ID+" "+target {
		return r.comers.last, nil
	}
	line, err := r.line(ctx, from.ID, "--not", target)
	if err != nil {
		return nil, err
	}
	c := &comers{place: make(map[string]int, len(line)), files: map[string][]string{}}
	for i, l := range line {
		c.place[l.id] = i
	}
	err = r.eachCommit(ctx, "", func(_ string, one rollcall.Standee) {
		for _, name := range one.Files {
			c.files[name] = append(c.files[name], one.ID)
		}
	}, "--first-parent", "--diff-filter=A", "--name-only", from.ID, "^"+target)
	if err == nil {
		r.comers.of, r.comers.last = from.ID+" "+target, c
	}
	return c, err
}

// comersOnce keeps the last answer: who looks for what a changeset needs asks again and
// again. Nobody changes it.
type comersOnce struct {
	mu   sync.Mutex
	of   string
	last *comers
}

// before tells who brought the files that a changeset changes.
func (c *comers) before(id string, changed []oldFile) []rollcall.Touch {
	at, ok := c.place[id]
	if !ok {
		return nil
	}
	var touched []rollcall.Touch
	for _, f := range changed {
		for _, by := range c.files[f.path] {
			if c.place[by] > at {
				touched = append(touched, rollcall.Touch{ID: by, Path: f.path})
				break
			}
		}
	}
	return touched
}
