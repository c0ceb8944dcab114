package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Programs of the machine that rollcall starts have others of their names before them,
// which count and can kill: rollcall with its whole process group, before the real one
// starts or when it has ended; or rollcall alone, and the real one does its work after that.
const (
	// Orphaned is that rollcall dies, and what it has started goes on half a second later.
	Orphaned Phase = "orphaned"
	// Deaf is that nobody dies but the word of it: what was started does its work and
	// says nothing of it, as a server does that dies before it answers.
	Deaf Phase = "deaf"
	// Gone is Deaf, and nothing of its kind can be reached from then on.
	Gone Phase = "gone"
)

var wrapped = []string{"git", "svn", "svnmucc", "php", "diff3"}

// A wrapper's shell. What it is told stands in files beside it, since programs see only
// some of the environment.
const wrapper = `#!/bin/sh
own=%[1]s
real=%[2]s
read comm 2>/dev/null <"/proc/$PPID/comm" && [ "$comm" = rollcall ] && [ -e $own/count ] || exec $real "$@"
read pid name state ppid group rest <"/proc/$PPID/stat"
echo "$$ %[3]s $*" | tr '\n' ' ' | cut -c1-400 >>$own/calls
[ -e $own/gone ] && case "$*" in *" fetch "*|*" push "*|log\ *|commit\ *|info\ *) echo 'fatal: the remote end hung up unexpectedly' >&2; exit 128;; esac
[ -e $own/at ] || exec $real "$@"
n=$(grep -n "^$$ " $own/calls | tail -n 1 | cut -d: -f1)
read at phase <$own/at
[ "$n" = "$at" ] || exec $real "$@"
: >$own/reached
case $phase in
before)
	kill -9 -$group; exit 137;;
orphaned)
	: >$own/orphan
	kill -9 $PPID
	sleep 0.5
	$real "$@"
	rm -f $own/orphan; exit 137;;
deaf|gone)
	$real "$@" >/dev/null 2>&1
	[ $phase = deaf ] || : >$own/gone
	echo 'fatal: the remote end hung up unexpectedly' >&2; exit 128;;
*)
	$real "$@"
	kill -9 -$group; exit 137;;
esac
`

// Words are a command's, with the ids of the changesets that it names.
func (w *DeskWorld) Words(text string) []string {
	words := strings.Fields(text)
	for i, word := range words {
		switch id, ok := w.IDs[word]; {
		case word == "x":
			words[i] = w.Branch("x")
		case ok && i > 1:
			words[i] = id
		}
	}
	return words
}

// calls is the folder of the wrappers.
func (w *DeskWorld) calls(name string) string { return w.Path("calls", name) }

// Wrap puts the wrappers before the programs.
func (w *DeskWorld) Wrap() {
	w.t.Helper()
	w.check(os.MkdirAll(w.calls("bin"), 0o755))
	for _, name := range wrapped {
		real, err := exec.LookPath(name)
		w.check(err)
		w.check(os.WriteFile(w.calls("bin/"+name), fmt.Appendf(nil, wrapper, w.Path("calls"), real, name), 0o755))
	}
	w.early = w.calls("bin")
}

// Child is one run of a program that rollcall started.
type Child struct {
	Nth int // of all, from 1
	// Words is the program with its verb.
	Words string
}

// Effect tells whether it may have changed anything.
func (c Child) Effect() bool {
	switch c.Words {
	case "git init", "git fetch", "git push", "git hash-object", "git merge-tree", "git mktree",
		"svnmucc", "svn checkout", "svn update", "svn merge", "svn revert", "svn cleanup", "svn commit", "svn propset", "svn propdel", "svn resolve", "svn add", "svn delete", "svn copy":
		return true
	}
	return strings.HasPrefix(c.Words, "git update")
}

// Counted runs rollcall and tells what it started.
func (w *DeskWorld) Counted(args ...string) (Result, []Child) {
	w.t.Helper()
	r, _ := w.KillChild(Child{}, "", args...)
	return r, w.Calls()
}

// KillChild runs rollcall and kills it at a call, and tells whether it came to that.
func (w *DeskWorld) KillChild(at Child, phase Phase, args ...string) (Result, bool) {
	w.t.Helper()
	for _, name := range []string{"calls", "reached", "at", "gone", "orphan"} {
		os.Remove(w.calls(name))
	}
	w.check(os.WriteFile(w.calls("count"), nil, 0o644))
	defer os.Remove(w.calls("count"))
	defer os.Remove(w.calls("at"))
	if phase != "" {
		w.check(os.WriteFile(w.calls("at"), fmt.Appendf(nil, "%d %s\n", at.Nth, phase), 0o644))
	}
	r := w.Start(args...).Wait()
	_, err := os.Stat(w.calls("reached"))
	return r, err == nil
}

// Calls are those of the last run.
func (w *DeskWorld) Calls() (all []Child) {
	b, err := os.ReadFile(w.calls("calls"))
	w.check(err)
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)[1:]
		verb := ""
		for i := 1; i < len(words); i++ {
			if words[i] == "-C" || words[i] == "-c" {
				i++
			} else if !strings.HasPrefix(words[i], "-") {
				verb = words[i]
				break
			}
		}
		name := words[0]
		if name == "git" || name == "svn" {
			name += " " + verb
		}
		all = append(all, Child{len(all) + 1, name})
	}
	return all
}

// Settle waits until what was orphaned has ended.
func (w *DeskWorld) Settle() {
	w.t.Helper()
	w.Eventually("what was orphaned", func() bool { _, err := os.Stat(w.calls("orphan")); return err != nil })
}

// orphan says that something goes on which nobody waits for, or that it has ended.
func (w *DeskWorld) orphan(is bool) {
	if is {
		_ = os.WriteFile(w.calls("orphan"), nil, 0o644)
	} else {
		_ = os.Remove(w.calls("orphan"))
	}
}

// Back lets what had gone be reached again.
func (w *DeskWorld) Back() { os.Remove(w.calls("gone")) }

// Started is a command of its own process group that goes on.
type Started struct {
	w      *World
	c      *exec.Cmd
	out    *os.File
	failed *os.File
}

// Start starts rollcall. What it says goes to files: a child that outlives it holds nobody up.
func (w *World) Start(args ...string) *Started {
	w.t.Helper()
	s := &Started{w: w, c: w.Command(args...)}
	var err error
	s.out, err = os.CreateTemp(w.Dir, "out")
	w.check(err)
	s.failed, err = os.CreateTemp(w.Dir, "out")
	w.check(err)
	s.c.Stdout, s.c.Stderr, s.c.SysProcAttr = s.out, s.failed, &syscall.SysProcAttr{Setpgid: true}
	w.check(s.c.Start())
	return s
}

// Wait waits until it has ended.
func (s *Started) Wait() Result {
	s.w.t.Helper()
	stop := time.AfterFunc(5*Patience, func() { _ = syscall.Kill(-s.c.Process.Pid, syscall.SIGKILL) })
	defer stop.Stop()
	r := Result{}
	var exit *exec.ExitError
	if failed := s.c.Wait(); errors.As(failed, &exit) {
		r.Exit = exit.ExitCode()
	} else {
		s.w.check(failed)
	}
	for file, into := range map[*os.File]*string{s.out: &r.Out, s.failed: &r.Err} {
		b, err := os.ReadFile(file.Name())
		s.w.check(err)
		*into = string(bytes.TrimSpace(b))
		file.Close()
		os.Remove(file.Name())
	}
	return r
}

func (c Child) String() string { return strconv.Itoa(c.Nth) + " " + filepath.Base(c.Words) }

// KillAfter runs rollcall and after a time kills it with all that it has started, wherever
// they are. A test's process group is not enough: svn has one of its own.
func (w *DeskWorld) KillAfter(late time.Duration, args ...string) (Result, bool) {
	w.t.Helper()
	s := w.Start(args...)
	ended := make(chan Result, 1)
	go func() { ended <- s.Wait() }()
	select {
	case r := <-ended:
		return r, false
	case <-time.After(late):
	}
	for _, pid := range family(s.c.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	r := <-ended
	return r, r.Exit == -1
}

// family is a process and all below it. It must not have been waited for.
func family(pid int) []int {
	children := map[int][]int{}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range all {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		own, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		words := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if err != nil || len(words) < 2 {
			continue
		}
		if parent, err := strconv.Atoi(words[1]); err == nil {
			children[parent] = append(children[parent], own)
		}
	}
	found := []int{pid}
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i]]...)
	}
	return found
}
