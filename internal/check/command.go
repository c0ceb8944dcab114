package check

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/proc"
)

// one runs a command and judges it by its exit code.
func (l *looking) one(ctx context.Context, j job) (verdict, error) {
	name, dir, own := rollcall.CheckFile, l.files(), filepath.Join(l.files(), j.path)
	if j.path == "" {
		name = rollcall.CheckTree
		var v verdict
		var err error
		if dir, v, err = l.tree(ctx); err != nil || v.text != "" {
			return v, err
		}
		own = dir
	}
	command, err := j.Run.Expand(map[string]string{name: own})
	if err != nil {
		return verdict{}, err
	}
	if command.Timeout <= 0 {
		command.Timeout = time.Minute
	}
	if j.program != "" && command.Shell == "" {
		command.Args[0] = j.program
	}
	env := map[string]string{"ROLLCALL_FILE": own, "TMPDIR": l.work.temp()}
	of := func(word string) bool { return word == ownPath }
	if j.path == "" {
		env = map[string]string{"ROLLCALL_TREE": own, "TMPDIR": l.work.temp()}
		of = func(word string) bool { return l.entries[word] != nil }
		own = ""
	}
	begun := time.Now()
	out, err := proc.Run(ctx, l.site, command, env)
	late := err != nil && ctx.Err() == nil && time.Since(begun) >= command.Timeout
	if err != nil && !late {
		if j.program == "" && ctx.Err() == nil { // it stands in the tree, or should
			return verdict{text: saying(readable(err.Error(), dir, ""), 0)}, nil
		}
		return verdict{}, err
	}
	if err == nil && out.Exit == 0 {
		return verdict{passed: true}, nil
	}
	lines := readable(out.Text, dir, own)
	index, line, path := telling(lines, of, j.path != "")
	v := verdict{line: line, path: path, text: saying(lines, index)}
	switch {
	case late:
		v.brief = true
		v.text = join(fmt.Sprintf("did not end within %v", command.Timeout), v.text)
	case out.Exit > 128 && out.Exit <= 128+64: // memory may have been short, or somebody impatient
		v.brief = true
		v.text = join(fmt.Sprintf("was killed by signal %d", out.Exit-128), v.text)
	case v.text == "":
		v.text = fmt.Sprintf("ended with %d and said nothing", out.Exit)
	}
	return v, nil
}

func join(head, text string) string {
	if text == "" {
		return head
	}
	return head + "\n" + text
}

// tree exports all that will roll, for one check.
func (l *looking) tree(ctx context.Context) (dir string, v verdict, err error) {
	var entries []*rollcall.TreeEntry
	for _, p := range l.paths {
		if why := l.bad[p]; why != "" {
			return "", verdict{path: p, text: why, brief: true}, nil
		}
		entries = append(entries, l.entries[p])
	}
	l.mu.Lock()
	l.trees++
	dir = filepath.Join(l.work.dir, fmt.Sprintf("tree-%d", l.trees))
	l.mu.Unlock()
	err = l.export(ctx, dir, entries, func(string, int64) (bool, error) { return true, nil }, func(p, unfit string) error {
		if unfit != "" && v.text == "" {
			v = verdict{path: p, text: unfit, brief: true}
		}
		return nil
	})
	return dir, v, err
}
