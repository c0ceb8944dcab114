package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Server is Subversion's server before the repository of a desk's world. Each connection
// has a svnserve of its own behind it, that can be killed in the middle of what it does;
// or there is an Apache, whose workers can.
type Server struct {
	w        *DeskWorld
	listener net.Listener
	apache   string // its address, or ""

	mu      sync.Mutex
	at      ServerPosition
	served  []*Served
	reached bool
	gone    bool
	open    map[*connection]bool
}

// Served is what one connection was about.
type Served struct {
	Told, Said int  // bytes
	Commits    bool // it made a revision
	Calls      map[Phase]int
	pid        int
}

// ServerPosition is where a server dies: in the middle of a connection, or in a hook of
// the commit that it is about.
type ServerPosition struct {
	Nth   int // of the connections, from 1; 0: the one that commits
	Phase Phase
	Bytes int  // that pass before it, of a connection; or the nth call
	Gone  bool // nothing can be reached from then on
}

// The phases of a connection, and the hooks of a commit.
const (
	Told        Phase = "told"         // it has heard a half
	Answering   Phase = "answering"    // it has said a half
	Unheard     Phase = "unheard"      // it has said all, and the last of it does not arrive
	StartCommit Phase = "start-commit" // the transaction has begun
	PreCommit   Phase = "pre-commit"   // all of it has arrived
	PostCommit  Phase = "post-commit"  // the revision is there, and nobody was told
	// Renaming and Syncing are the server's own nth rename and nth fdatasync: most are those
	// by which it makes a transaction a revision.
	Renaming Phase = "renaming"
	Syncing  Phase = "syncing"
	// Late is that the connection is lost at the hook before the commit, and the server
	// commits a time after that: see lateness.
	Late    Phase = "late"
	Later   Phase = "later"
	TooLate Phase = "too-late" // the next command is long done
)

// counting is that nothing dies.
const counting Phase = "counting"

var calls = map[Phase]string{Renaming: "rename", Syncing: "fdatasync"}

var lateness = map[Phase]string{Late: "0.7", Later: "1.5", TooLate: "4"}

func (p ServerPosition) String() string {
	where := string(p.Phase)
	if p.Nth > 0 {
		where = fmt.Sprintf("%s connection %d", p.Phase, p.Nth)
	}
	if calls[p.Phase] != "" {
		where = fmt.Sprintf("%s (%d)", p.Phase, p.Bytes)
	}
	if p.Gone {
		where += " and gone"
	}
	return where
}

const serverHook = `#!/bin/sh
own=%[1]s
echo "%[2]s $PPID" >>$own/hooks
read at late <$own/at || exit 0
case "$at" in
%[2]s)
	rm -f $own/at
	: >$own/reached
	kill -9 $PPID;;
late-%[2]s)
	rm -f $own/at
	: >$own/cut
	sleep $late;;
esac
exit 0
`

// Serve puts a server before the repository, and has the site go there: "svn" or "http".
func (w *DeskWorld) Serve(scheme string) *Server {
	w.t.Helper()
	own := w.Path("server")
	w.check(os.MkdirAll(own, 0o755))
	w.check(os.MkdirAll(w.calls(""), 0o755)) // see Settle
	w.check(os.WriteFile(w.Path("repo", "conf", "svnserve.conf"), []byte("[general]\nanon-access = write\n"), 0o600))
	for _, phase := range []Phase{StartCommit, PreCommit, PostCommit} {
		w.check(os.WriteFile(w.Path("repo", "hooks", string(phase)), fmt.Appendf(nil, serverHook, own, phase), 0o755))
	}
	s := &Server{w: w, open: map[*connection]bool{}}
	var err error
	s.listener, err = net.Listen("tcp", "127.0.0.1:0")
	w.check(err)
	site := w.Path("site", "rollcall.yaml")
	b, err := os.ReadFile(site)
	w.check(err)
	if scheme == "http" {
		s.apache = w.startApache()
	}
	address := fmt.Sprintf("%s://%s/repo", scheme, s.listener.Addr())
	w.check(os.WriteFile(site, []byte(strings.Replace(string(b), "../repo", address, 1)), 0o644))
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := s.listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.serve(c) })
		}
	})
	w.t.Cleanup(func() {
		s.listener.Close()
		s.cut()
		all.Wait()
	})
	return s
}

// Counted runs rollcall, and tells what the server was asked.
func (s *Server) Counted(args ...string) (r Result, served []Served) {
	r, _ = s.Kill(ServerPosition{Phase: counting}, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	hooks, _ := os.ReadFile(s.w.Path("server", "hooks"))
	for i, one := range s.served {
		log, _ := os.ReadFile(s.callsOf(i + 1))
		one.Calls = map[Phase]int{}
		for phase, call := range calls {
			one.Calls[phase] = strings.Count(string(log), call+"(")
		}
		one.Commits = one.Commits || strings.Contains(string(hooks), fmt.Sprintf("%s %d\n", PostCommit, one.pid))
		served = append(served, *one)
	}
	return r, served
}

func (s *Server) callsOf(nth int) string { return s.w.Path("server", fmt.Sprintf("calls.%d", nth)) }

// Kill runs rollcall while its server dies, and tells whether it came to that.
func (s *Server) Kill(at ServerPosition, args ...string) (Result, bool) {
	s.w.t.Helper()
	own := func(name string) string { return s.w.Path("server", name) }
	for _, name := range []string{"hooks", "reached", "at", "cut"} {
		os.Remove(own(name))
	}
	s.mu.Lock()
	s.at, s.served, s.reached, s.gone = at, nil, false, false
	s.mu.Unlock()
	if at.Phase != counting && at.Nth == 0 {
		text := string(at.Phase) + "\n"
		if late := lateness[at.Phase]; late != "" {
			text = fmt.Sprintf("late-%s %s\n", PreCommit, late)
		}
		s.w.check(os.WriteFile(own("at"), []byte(text), 0o644))
	}
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			if _, err := os.Stat(own("cut")); err == nil {
				s.w.orphan(true)
				s.reach()
				s.cut()
				return
			}
			select {
			case <-ended:
				return
			case <-tick.C:
			}
		}
	})
	r := s.w.Start(args...).Wait()
	if at.Phase == counting || calls[at.Phase] != "" {
		s.w.Eventually("the server's end", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.open) == 0
		})
	}
	close(ended)
	watch.Wait()
	os.Remove(own("at"))
	_, hooked := os.Stat(own("reached"))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = ServerPosition{}
	return r, s.reached || hooked == nil
}

// reach notes that the server dies now.
func (s *Server) reach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reached, s.gone = true, s.gone || s.at.Gone
}

// Back lets what is gone be reached again.
func (s *Server) Back() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = false
}

// cut closes every connection to a client; what is behind it goes on.
func (s *Server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.late = true
		c.client.Close()
	}
}

// connection is a client with the svnserve behind it.
type connection struct {
	s      *Server
	client net.Conn
	at     ServerPosition // or nothing
	cmd    *exec.Cmd
	served *Served
	late   bool // it is lost, and what is behind it goes on
}

func (s *Server) serve(client net.Conn) {
	defer client.Close()
	s.mu.Lock()
	c := &connection{s: s, client: client, served: &Served{}}
	gone := s.gone
	if !gone {
		s.served = append(s.served, c.served)
		s.open[c] = true
		if s.at.Nth == len(s.served) || s.at.Phase == counting {
			c.at = s.at
			c.at.Nth = len(s.served)
		}
	}
	s.mu.Unlock()
	if gone {
		return
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, c)
	}()
	in, out, err := s.behind(c)
	if err != nil {
		return
	}
	var pumps sync.WaitGroup
	pumps.Go(func() {
		c.pump(in, client, &c.served.Told, Told)
		in.Close()
	})
	c.pump(client, out, &c.served.Said, Answering, Unheard)
	client.Close()
	pumps.Wait()
	_, _ = io.Copy(io.Discard, out)
	if c.cmd != nil {
		_ = c.cmd.Wait()
		if calls[c.at.Phase] != "" && c.cmd.ProcessState.ExitCode() == -1 {
			s.reach()
		}
	}
	if _, err := os.Stat(s.w.Path("server", "reached")); err == nil {
		s.reach()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.late {
		s.w.orphan(false)
	}
}

// behind is what a connection leads to.
func (s *Server) behind(c *connection) (in io.WriteCloser, out io.Reader, err error) {
	if s.apache != "" {
		far, err := net.Dial("tcp", s.apache)
		if err != nil {
			return nil, nil, err
		}
		return halfConn{far.(*net.TCPConn)}, far, nil
	}
	args := []string{"svnserve", "-i", "-r", s.w.Dir}
	// The tracer is nobody's parent: a hook's is svnserve.
	switch call := calls[c.at.Phase]; {
	case call != "":
		inject := fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, c.at.Bytes)
		args = append([]string{"strace", "-D", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", inject}, args...)
	case c.at.Phase == counting:
		args = append([]string{"strace", "-D", "-qq", "-o", s.callsOf(c.at.Nth), "-e", "trace=rename,fdatasync"}, args...)
	}
	c.cmd = exec.Command(args[0], args[1:]...)
	c.cmd.Env = s.w.plain()
	if in, err = c.cmd.StdinPipe(); err != nil {
		return nil, nil, err
	}
	if out, err = c.cmd.StdoutPipe(); err != nil {
		return nil, nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	c.served.pid = c.cmd.Process.Pid
	s.mu.Unlock()
	return in, out, nil
}

// halfConn closes the way there alone.
type halfConn struct{ *net.TCPConn }

func (c halfConn) Close() error { return c.CloseWrite() }

// pump passes on what comes, up to where the server is to die.
func (c *connection) pump(to io.Writer, from io.Reader, count *int, phases ...Phase) {
	buffer := make([]byte, 16<<10)
	mine := slices.Contains(phases, c.at.Phase)
	passed := 0
	for {
		n, err := from.Read(buffer)
		if mine && passed+n > c.at.Bytes {
			_, _ = to.Write(buffer[:c.at.Bytes-passed])
			c.die(to)
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		passed += n
		c.s.mu.Lock()
		*count = passed
		if phases[0] == Told && bytes.Contains(buffer[:n], []byte("MERGE /")) {
			c.served.Commits = true // over HTTP
		}
		c.s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// die kills the server once it has read what it was told.
func (c *connection) die(to io.Writer) {
	if pipe, ok := to.(interface{ Fd() uintptr }); ok {
		for until := time.Now().Add(time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) {
			if left, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ); err != nil || left == 0 {
				break
			}
		}
	}
	c.s.reach()
	if c.at.Phase != Unheard && c.cmd != nil {
		if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return
		}
	}
	c.client.Close()
}
