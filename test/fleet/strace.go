package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Call is a system call as strace saw it: Begin and End are places in the order of what
// all threads did.
type Call struct {
	Begin, End int
	Name       string
	Args       string // as strace prints them, with the paths of descriptors
	Result     string
}

func (c Call) String() string { return c.Name + "(" + c.Args + ") = " + c.Result }

// StraceNode lets every session on a node run under strace from now on. What it returns
// reads what was seen so far, a session a list, and forgets it.
func (w *World) StraceNode(n *Node, calls string) func() [][]Call {
	w.t.Helper()
	dir := w.Path("strace", n.Name)
	w.check(os.MkdirAll(dir, 0o777))
	home := n.SSHD.Home()
	enter := fmt.Sprintf("cd '%[1]s' || exit 1\nHOME='%[1]s'; export HOME\ncommand=$SSH_ORIGINAL_COMMAND; unset SSH_ORIGINAL_COMMAND\n"+
		"exec strace -f -y -s 32 -e signal=none -e trace=%[2]s -o '%[3]s/'$$ /bin/sh -c \"$command\"\n", home, calls, dir)
	w.check(os.WriteFile(filepath.Join(filepath.Dir(home), "enter"), []byte(enter), 0o600))
	return func() (sessions [][]Call) {
		w.t.Helper()
		entries, err := os.ReadDir(dir)
		w.check(err)
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			w.check(err)
			w.check(os.Remove(filepath.Join(dir, e.Name())))
			sessions = append(sessions, readStrace(string(b)))
		}
		return sessions
	}
}

var (
	straceWhole   = regexp.MustCompile(`^(\d+)\s+(\w+)\((.*)\)\s+= (.*)$`)
	straceBegun   = regexp.MustCompile(`^(\d+)\s+(\w+)\((.*?)\s*<unfinished \.\.\.>$`)
	straceResumed = regexp.MustCompile(`^(\d+)\s+<\.\.\. (\w+) resumed>(.*)\)\s+= (.*)$`)
)

func readStrace(text string) (calls []Call) {
	open := map[string]int{} // by thread: a call that has not returned
	line := 0
	for row := range strings.Lines(text) {
		line++
		row = strings.TrimRight(row, "\n")
		if m := straceBegun.FindStringSubmatch(row); m != nil {
			open[m[1]] = len(calls)
			calls = append(calls, Call{Begin: line, Name: m[2], Args: m[3]})
		} else if m := straceResumed.FindStringSubmatch(row); m != nil {
			if i, ok := open[m[1]]; ok {
				calls[i].Args += m[3]
				calls[i].End, calls[i].Result = line, m[4]
				delete(open, m[1])
			}
		} else if m := straceWhole.FindStringSubmatch(row); m != nil {
			calls = append(calls, Call{Begin: line, End: line, Name: m[2], Args: m[3], Result: m[4]})
		}
	}
	return calls
}
