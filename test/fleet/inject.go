package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Inject lets the nth call of a kind fail, or kill its process, in each thread of every
// session on a node from now on: what is in strace(1) behind inject=. The returned
// function ends it, and tells how often it happened.
func (w *World) Inject(n *Node, call, what string, nth int) (end func() int) {
	w.t.Helper()
	dir := w.Path("strace", n.Name)
	w.check(os.MkdirAll(dir, 0o777))
	home := n.SSHD.Home()
	entry := filepath.Join(filepath.Dir(home), "enter")
	before, err := os.ReadFile(entry)
	w.check(err)
	enter := fmt.Sprintf("cd '%[1]s' || exit 1\nHOME='%[1]s'; export HOME\ncommand=$SSH_ORIGINAL_COMMAND; unset SSH_ORIGINAL_COMMAND\n"+
		"exec strace -f -y -s 32 -e trace=%[2]s -e inject=%[2]s:%[3]s:when=%[4]d -o '%[5]s/'$$ /bin/sh -c \"$command\"\n", home, call, what, nth, dir)
	w.check(os.WriteFile(entry, []byte(enter), 0o600))
	return func() (times int) {
		w.t.Helper()
		w.check(os.WriteFile(entry, before, 0o600))
		entries, err := os.ReadDir(dir)
		w.check(err)
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			w.check(err)
			w.check(os.Remove(filepath.Join(dir, e.Name())))
			times += strings.Count(string(b), "(INJECTED)")
			times += strings.Count(string(b), "+++ killed by SIGKILL")
		}
		return times
	}
}
