package demo

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	gossh "golang.org/x/crypto/ssh"
)

// signals are those that RFC 4254, section 6.10, has names for.
var signals = map[string]syscall.Signal{
	"ABRT": syscall.SIGABRT,
	"ALRM": syscall.SIGALRM,
	"FPE":  syscall.SIGFPE,
	"HUP":  syscall.SIGHUP,
	"ILL":  syscall.SIGILL,
	"INT":  syscall.SIGINT,
	"KILL": syscall.SIGKILL,
	"PIPE": syscall.SIGPIPE,
	"QUIT": syscall.SIGQUIT,
	"SEGV": syscall.SIGSEGV,
	"TERM": syscall.SIGTERM,
	"USR1": syscall.SIGUSR1,
	"USR2": syscall.SIGUSR2,
}

// command is what a session runs on a node.
type command struct {
	cmd            *exec.Cmd
	channel        gossh.Channel
	stdin          io.WriteCloser
	stdout, stderr io.ReadCloser
	streams        sync.WaitGroup
}

// startCommand starts line as sshd would, by a shell in the home folder. Nothing of the
// demo's own environment but PATH is handed on, and nothing that the client sends.
func startCommand(home, line string, channel gossh.Channel) (*command, error) {
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Dir = home
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + home,
		"USER=" + User,
		"LANG=C.UTF-8",
		"SHELL=/bin/sh",
	}
	// A group of its own, so that what the shell starts ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	c := &command{cmd: cmd, channel: channel}
	var err error
	if c.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	if c.stdout, err = cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	if c.stderr, err = cmd.StderrPipe(); err != nil {
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the shell: %w", err)
	}
	return c, nil
}

// stream carries input and output until the command ends, and then says how it ended.
func (c *command) stream() {
	var output sync.WaitGroup
	c.streams.Go(func() {
		_, _ = io.Copy(c.stdin, c.channel)
		_ = c.stdin.Close()
		// A command that stopped reading must not stop a client that still writes.
		_, _ = io.Copy(io.Discard, c.channel)
	})
	output.Go(func() { _, _ = io.Copy(c.channel, c.stdout) })
	output.Go(func() { _, _ = io.Copy(c.channel.Stderr(), c.stderr) })
	c.streams.Go(func() {
		output.Wait()
		_ = c.channel.CloseWrite()
		_ = c.cmd.Wait()
		c.kill() // what it left in the background
		name, payload := exitRequest(c.cmd.ProcessState)
		_, _ = c.channel.SendRequest(name, false, payload)
		_ = c.channel.Close()
	})
}

// exitRequest is what RFC 4254, section 6.10, sends for the end of a command.
func exitRequest(state *os.ProcessState) (name string, payload []byte) {
	status := state.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		return "exit-status", gossh.Marshal(struct{ Status uint32 }{uint32(status.ExitStatus())})
	}
	for name, signal := range signals {
		if signal == status.Signal() {
			return "exit-signal", gossh.Marshal(struct {
				Signal        string
				CoreDumped    bool
				Message, Lang string
			}{name, status.CoreDump(), "", ""})
		}
	}
	// Without a name it is told as a shell tells it.
	return "exit-status", gossh.Marshal(struct{ Status uint32 }{128 + uint32(status.Signal())})
}

// signal sends a signal to the command and to all that it started.
func (c *command) signal(name string) bool {
	signal, known := signals[name]
	return known && syscall.Kill(-c.cmd.Process.Pid, signal) == nil
}

// kill ends the command and all that it started. A group that is gone is no error, and
// its number is not given away again while any of its processes lives.
func (c *command) kill() {
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	// A process that left the group may hold the pipes: nobody reads them any more.
	_ = c.stdout.Close()
	_ = c.stderr.Close()
}

// wait returns when nothing is carried any more, after the channel was closed by either side.
func (c *command) wait() { c.streams.Wait() }
