package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// Digest is how a world stands, a fact a line, in words that rounds can be compared by:
// the release that was live before the round is OLD, the one that the round brings NEW.
type Digest string

// Digest looks at everything: what status and nodes say, what lies on the nodes, what
// the record says, and how HAProxy sees it.
func (w *World) Digest(before, next *Commit) Digest {
	w.t.Helper()
	names := w.names(before, next)
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, s := range jsonLines[rollcall.EnvironmentStatus](w, w.ask("status", "--json")) {
		hold := "none"
		if s.Hold != nil {
			hold = "of " + names.of(string(s.Hold.Release))
		}
		add("status: release %s, rolling %t, interrupted %t, hold %s, lease %t, behind %v", names.of(string(s.Release)), s.Rolling != nil,
			s.Interrupted != nil, hold, s.Lease != nil, s.Behind)
	}
	for _, n := range jsonLines[rollcall.NodeStatus](w, w.ask("nodes", "--json")) {
		var out []string
		for _, c := range n.Out {
			out = append(out, c.Name)
		}
		add("nodes: %s release %s, in service %t, behind %t, out %v, problem %q", n.Name, names.of(string(n.Release)), n.InService, n.Behind, out, n.Problem)
	}
	for _, n := range w.Nodes {
		lines = append(lines, n.digest(names)...)
	}
	for _, claim := range w.claims() {
		add("record: %s", claim)
	}
	states, err := w.HAProxy.Servers()
	w.check(err)
	for _, server := range slices.Sorted(maps.Keys(states)) {
		if !strings.HasSuffix(server, "/BACKEND") && !strings.HasSuffix(server, "/FRONTEND") {
			add("haproxy: %s %s", server, states[server])
		}
	}
	return Digest(strings.Join(lines, "\n") + "\n")
}

// WithoutTraces leaves out what a roll that was taken back may leave: the release that
// it brought lies on the disks, and the CDN keeps files of it, as of any other.
func (d Digest) WithoutTraces() Digest {
	var b strings.Builder
	for line := range strings.Lines(string(d)) {
		if !strings.Contains(line, ": lies ") && !strings.Contains(line, ": keeps ") {
			b.WriteString(line)
		}
	}
	return Digest(b.String())
}

// Against tells in which lines a digest differs from what it should be, or "".
func (d Digest) Against(want Digest) string {
	mine, theirs := strings.Split(string(d), "\n"), strings.Split(string(want), "\n")
	var b strings.Builder
	for _, line := range theirs {
		if !slices.Contains(mine, line) {
			fmt.Fprintf(&b, "  - %s\n", line)
		}
	}
	for _, line := range mine {
		if !slices.Contains(theirs, line) {
			fmt.Fprintf(&b, "  + %s\n", line)
		}
	}
	return b.String()
}

// names tells releases by what they are in a round.
type names struct {
	w            *World
	before, next *Commit
}

func (w *World) names(before, next *Commit) names { return names{w, before, next} }

func (n names) of(release string) string {
	if release == "" {
		return "none"
	}
	c := n.w.CommitOf(release)
	switch {
	case c == nil:
		return "unknown"
	case n.next != nil && c == n.next:
		return "NEW"
	case c == n.before:
		return "OLD"
	default:
		return "OLDER"
	}
}

// CommitOf finds out of which commit a release is, by the file RELEASE in it: whether
// the rest of it is that commit's too is for the digest to say.
func (w *World) CommitOf(release string) *Commit {
	for _, c := range w.Repo.Commits {
		if c.Release == release {
			return c
		}
	}
	for _, n := range w.Nodes {
		b, err := os.ReadFile(n.Srv("releases", release, "RELEASE"))
		if err != nil {
			continue
		}
		number, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil || number < 1 || number > len(w.Repo.Commits) {
			return nil
		}
		w.Repo.Commits[number-1].Release = release
		return w.Repo.Commits[number-1]
	}
	return nil
}

// Live is the commit of what a node has live.
func (w *World) Live(n *Node) *Commit { return w.CommitOf(n.Live()) }

func (n *Node) digest(names names) []string {
	var lines []string
	add := func(format string, args ...any) {
		lines = append(lines, "on "+n.Name+": "+fmt.Sprintf(format, args...))
	}
	live := n.Live()
	add("current %s", names.of(live))
	if c := names.w.CommitOf(live); c != nil {
		odd, kept, err := n.tree(live, c)
		if err != nil {
			add("%v", err)
		}
		for _, line := range odd {
			add("%s", line)
		}
		if asset := names.before.asset(); asset != "" && slices.Contains(kept, asset) {
			add("keeps the asset of OLD")
		}
		if asset := names.next.asset(); asset != "" && slices.Contains(kept, asset) {
			add("keeps the asset of NEW")
		}
	}
	entries, err := os.ReadDir(n.Srv("releases"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		add("%v", err)
	}
	for _, e := range entries {
		name := names.of(e.Name())
		switch name {
		case "OLD", "NEW":
			add("lies %s", name)
			if odd, _, err := n.tree(e.Name(), names.w.CommitOf(e.Name())); err != nil || len(odd) > 0 {
				add("%s is not what it should be: %v %v", name, odd, err)
			}
		case "unknown":
			add("releases/%s", e.Name())
		}
	}
	if b, err := os.ReadFile(n.Srv("shared", "activated")); err == nil {
		add("activated %s", names.of(strings.TrimSpace(string(b))))
	}
	return lines
}

// asset is the name of the commit's asset.
func (c *Commit) asset() string {
	if c == nil {
		return ""
	}
	for name := range c.Files {
		if strings.HasPrefix(name, "assets/") {
			return name
		}
	}
	return ""
}

// tree compares a release with its commit: names, modes, contents. Files that
// keep_old_files keeps are told apart, if the node lists them.
func (n *Node) tree(release string, c *Commit) (odd, kept []string, err error) {
	listed := map[string]any{}
	if b, err := os.ReadFile(n.Srv(".rollcall", "kept", release+".json")); err == nil {
		if err := json.Unmarshal(b, &listed); err != nil {
			return nil, nil, err
		}
	}
	wanted, folders := map[string]string{}, map[string]bool{".": true}
	for name, content := range c.Files {
		bare, executable := strings.CutSuffix(name, "*")
		mode := "-rw-r--r--"
		if executable {
			mode = "-rwxr-xr-x"
		}
		if strings.HasPrefix(content, "-> ") {
			mode = "L"
		}
		wanted[bare] = mode + " " + content
	}
	for name := range wanted {
		for dir := filepath.Dir(name); !folders[dir]; dir = filepath.Dir(dir) {
			folders[dir] = true
		}
	}
	for name := range listed {
		folders[filepath.Dir(name)] = true
	}
	// Step by step: a path may be longer than the kernel takes at once.
	root, err := os.OpenRoot(n.Srv("releases", release))
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := root.Lstat(name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if !folders[name] || info.Mode().Perm() != 0o755 {
				odd = append(odd, fmt.Sprintf("folder %s %s", name, info.Mode()))
			}
			return nil
		}
		is := info.Mode().String() + " "
		if d.Type() == fs.ModeSymlink {
			target, err := root.Readlink(name)
			if err != nil {
				return err
			}
			is = "L -> " + target
		} else {
			b, err := root.ReadFile(name)
			if err != nil {
				return err
			}
			is += string(b)
		}
		switch want, there := wanted[name]; {
		case there && want != is:
			odd = append(odd, fmt.Sprintf("%s is %.60q and not %.60q", name, is, want))
		case !there && listed[name] != nil:
			kept = append(kept, name)
		case !there:
			odd = append(odd, "foreign "+name)
		}
		delete(wanted, name)
		return nil
	})
	for name := range wanted {
		odd = append(odd, "missing "+name)
	}
	slices.Sort(odd)
	return odd, kept, err
}

// Leftovers are what deaths have left on the nodes' disks: a further roll sweeps it.
func (w *World) Leftovers() []string {
	var left []string
	for _, n := range w.Nodes {
		entries, _ := os.ReadDir(n.Srv(".rollcall", "incoming"))
		for _, e := range entries {
			left = append(left, n.Name+"/incoming/"+e.Name())
		}
		links, _ := filepath.Glob(n.Srv(".rollcall", "current.*"))
		left = append(left, links...)
	}
	return left
}
