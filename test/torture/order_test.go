package torture

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall/test/fleet"
)

const orderSite = "keep: 2\n"

// orderCalls are all by which a file gets a name, a content or a place, and all that
// bring it to disk.
const orderCalls = "openat,write,pwrite64,writev,copy_file_range,sendfile,ftruncate,linkat,symlinkat,mkdirat,unlinkat," +
	"rename,renameat,renameat2,utimensat,fchmod,fchmodat,fsync,fdatasync,syncfs"

// A killed process never loses what the kernel holds for it: that what is called
// prepared survives a power cut can only be seen from the order of the system calls.
func TestOrderOnDisk(t *testing.T) {
	t.Parallel()
	rolls := 4 // the last are made out of a release that was let go
	problems, prepared, switched := order(t, "", rolls)
	for _, p := range problems {
		t.Error(p)
	}
	if prepared != rolls || switched != rolls+1 {
		t.Errorf("%d releases were prepared and %d links switched, want %d and %d: the test looks in the wrong place", prepared, switched, rolls, rolls+1)
	}
	t.Logf("%d releases prepared and %d links switched, all in order", prepared, switched)
}

// What would be seen if a step were missing.
func TestOrderOnDiskIsSeen(t *testing.T) {
	t.Parallel()
	if !*all {
		t.Skip("only with -torture.all: it builds the programs once more for each")
	}
	spoils := []struct{ name, file, text, by, seen string }{
		{"no syncfs", "internal/node/layout.go", "return unix.Syncfs(int(l.own.Fd()))", "return nil", "no syncfs"},
		{"no sync of releases", "internal/node/receive.go", "return f.syncDir(releases)", "return nil", "no fsync of releases/"},
		{"no sync of the folder", "internal/node/switch.go", "return fmt.Errorf(\"switch: %w\", err)\n\t}\n\treturn f.syncDir(\".\")", "return fmt.Errorf(\"switch: %w\", err)\n\t}\n\treturn nil", "no fsync of the folder"},
	}
	for _, s := range spoils {
		t.Run(s.name, func(t *testing.T) {
			problems, _, _ := order(t, fleet.Spoiled(t, s.file, s.text, s.by), 1)
			if !strings.Contains(strings.Join(problems, "\n"), s.seen) {
				t.Errorf("taken out, and not seen; problems: %q", problems)
				return
			}
			t.Logf("seen: %s", problems[0])
		})
	}
}

// order rolls one node, and back once, and tells what was not in order.
func order(t *testing.T, programs string, rolls int) (problems []string, prepared, switched int) {
	w := fleet.New(t, fleet.Options{App: 1, Site: orderSite, Programs: programs})
	seen := w.StraceNode(w.Nodes[0], orderCalls)
	look := func() {
		for _, calls := range seen() {
			o := ordered{calls: calls}
			o.prepare(w.Nodes[0])
			o.switches(w.Nodes[0])
			problems, prepared, switched = append(problems, o.problems...), prepared+o.prepared, switched+o.switched
		}
	}
	for range rolls {
		w.Repo.Commit(fine)
		w.Must(0, "roll", fleet.Environment, "--yes")
		look()
	}
	if rolls > 1 {
		w.Must(0, "rollback", fleet.Environment, "--yes")
		look()
	}
	return problems, prepared, switched
}

type ordered struct {
	calls              []fleet.Call
	problems           []string
	prepared, switched int
}

func (o *ordered) problem(format string, args ...any) {
	o.problems = append(o.problems, fmt.Sprintf(format, args...))
}

// next is the first call from a place on that is so, or nil.
func (o *ordered) next(from int, is func(fleet.Call) bool) *fleet.Call {
	for i := range o.calls {
		if c := &o.calls[i]; c.Begin > from && is(*c) {
			return c
		}
	}
	return nil
}

func named(c fleet.Call, names ...string) bool {
	for _, name := range names {
		if c.Name == name {
			return true
		}
	}
	return false
}

func done(c fleet.Call) bool { return strings.HasPrefix(c.Result, "0") }

// told finds an answer that was begun between two places: standard output is 1.
func (o *ordered) told(from, to int) *fleet.Call {
	return o.next(from, func(c fleet.Call) bool {
		return named(c, "write", "writev") && strings.HasPrefix(c.Args, "1<") && c.Begin < to
	})
}

var quoted = regexp.MustCompile(`"[^"]*"`)

// release is the rename that gives a release its name.
var release = regexp.MustCompile(`/\.rollcall/incoming>, "([A-Z0-9]+)", \d+<[^>]*/releases>, "([0-9a-f]{64})"`)

// prepare: all of the release is written, then it is brought to disk, then it gets its
// name, then that is brought to disk, and only then is it told.
func (o *ordered) prepare(n *fleet.Node) {
	for i := range o.calls {
		name := o.calls[i]
		if !named(name, "rename", "renameat", "renameat2") || !done(name) {
			continue
		}
		found := release.FindStringSubmatch(name.Args)
		if found == nil {
			continue
		}
		o.prepared++
		incoming := n.Srv(".rollcall", "incoming", found[1])
		var sync *fleet.Call
		writes := 0
		for j := range o.calls[:i] {
			if c := &o.calls[j]; named(*c, "syncfs") && done(*c) && strings.Contains(c.Args, incoming) && c.End < name.Begin {
				sync = c
			}
		}
		if sync == nil {
			o.problem("there is no syncfs before %s", name)
			continue
		}
		for _, c := range o.calls {
			if !strings.Contains(c.Args, incoming) || !changes(c) {
				continue
			}
			writes++
			if c.End >= sync.Begin && c.Begin <= name.End && c.Begin != name.Begin {
				o.problem("%s comes after the syncfs", c)
			}
		}
		if writes == 0 {
			o.problem("nothing was seen to be written before %s", name)
		}
		manifest := o.next(0, func(c fleet.Call) bool {
			return named(c, "rename", "renameat", "renameat2") && done(c) && strings.Contains(c.Args, "manifests/"+found[2]) && c.End < name.Begin
		})
		if manifest == nil {
			o.problem("the manifest has no name before %s", name)
		} else if aside := quoted.FindString(manifest.Args); o.next(0, func(c fleet.Call) bool {
			return named(c, "fsync", "fdatasync") && done(c) && strings.Contains(c.Args, "<"+strings.Trim(aside, `"`)+">") && c.End < manifest.Begin
		}) == nil {
			o.problem("the manifest got its name before it was on disk: %s", manifest)
		}
		end := o.next(name.End, func(c fleet.Call) bool {
			return named(c, "fsync") && done(c) && strings.Contains(c.Args, "<"+n.Srv("releases")+">")
		})
		if end == nil {
			o.problem("there is no fsync of releases/ after %s", name)
			continue
		}
		if said := o.told(sync.Begin, end.End); said != nil {
			o.problem("something is told before it is on disk: %s", said)
		}
		if o.told(end.End, 1<<30) == nil {
			o.problem("it was never told")
		}
	}
}

// changes tells whether a call changes what lies on disk.
func changes(c fleet.Call) bool {
	if strings.HasPrefix(c.Result, "-1") {
		return false
	}
	switch c.Name {
	case "openat":
		return strings.Contains(c.Args, "O_CREAT") || strings.Contains(c.Args, "O_TRUNC")
	case "fsync", "fdatasync", "syncfs":
		return false
	default:
		return true
	}
}

// switches: `current` changes by one rename of a link that was made aside, and its
// folder is brought to disk before that is told.
func (o *ordered) switches(n *fleet.Node) {
	for i := range o.calls {
		c := o.calls[i]
		srv := "<" + n.Srv() + ">"
		touches := strings.Contains(c.Args, srv+`, "current"`)
		if !touches || !changes(c) || named(c, "openat") {
			continue
		}
		if !named(c, "rename", "renameat", "renameat2") || !strings.Contains(c.Args, `"current.`) {
			o.problem("current is changed by %s", c)
			continue
		}
		o.switched++
		end := o.next(c.End, func(c fleet.Call) bool { return named(c, "fsync") && done(c) && strings.Contains(c.Args, srv) })
		if end == nil {
			o.problem("there is no fsync of the folder after %s", c)
			continue
		}
		if said := o.told(c.Begin, end.End); said != nil {
			o.problem("something is told before the switch is on disk: %s", said)
		}
	}
}
