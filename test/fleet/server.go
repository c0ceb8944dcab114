package fleet

import (
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
// has a svnserve of its own behind it, that can be killed in the middle of what it does.
type Server struct {
	w        *DeskWorld
	listener net.Listener

	mu      sync.Mutex
	at      ServerPosition
	served  []*Served
	reached bool
	gone    bool
	open    map[*connection]bool
}

// Served is what one connection was about.
type Served struct {
	Told, Said int // bytes
}

// ServerPosition is where a server dies: in the middle of a connection, or in a hook of
// the commit that it is about.
type ServerPosition struct {
	Nth   int // of the connections, from 1; 0: the one that commits
	Phase Phase
	Bytes int  // that pass before it, of a connection
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
	// Late is that the connection is lost at the hook before the commit, and the server
	// commits a time after that: see lateness.
	Late    Phase = "late"
	Later   Phase = "later"
	TooLate Phase = "too-late" // the next command is long done
)

var lateness = map[Phase]string{Late: "0.7", Later: "1.5", TooLate: "4"}

func (p ServerPosition) String() string {
	where := string(p.Phase)
	if p.Nth > 0 {
		where = fmt.Sprintf("%s connection %d", p.Phase, p.Nth)
	}
	if p.Gone {
		where += " and gone"
	}
	return where
}

const serverHook = `#!/bin/sh
own=%[1]s
echo %[2]s >>$own/hooks
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

// Serve puts a server before the repository, and has the site go there.
func (w *DeskWorld) Serve() *Server {
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
	address := fmt.Sprintf("svn://%s/repo", s.listener.Addr())
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

// Counted runs rollcall, and tells what the server was asked and whether that was a commit.
func (s *Server) Counted(args ...string) (r Result, served []Served, commits bool) {
	r, _ = s.Kill(ServerPosition{}, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.served {
		served = append(served, *one)
	}
	hooks, _ := os.ReadFile(s.w.Path("server", "hooks"))
	return r, served, strings.Contains(string(hooks), string(PostCommit))
}

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
	if at.Phase != "" && at.Nth == 0 {
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
	close(ended)
	watch.Wait()
	os.Remove(own("at"))
	_, hooked := os.Stat(own("reached"))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.gone = ServerPosition{}, false
	return r, s.reached || hooked == nil
}

// reach notes that the server dies now.
func (s *Server) reach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reached, s.gone = true, s.at.Gone
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
		if s.at.Nth == len(s.served) {
			c.at = s.at
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
	c.cmd = exec.Command("svnserve", "-i", "-r", s.w.Dir)
	c.cmd.Env = s.w.plain()
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return
	}
	if err := c.cmd.Start(); err != nil {
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
	_ = c.cmd.Wait()
	if _, err := os.Stat(s.w.Path("server", "reached")); err == nil {
		s.reach()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.late {
		s.w.orphan(false)
	}
}

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
	if c.at.Phase != Unheard {
		if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return
		}
	}
	c.client.Close()
}
