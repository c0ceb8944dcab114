package command

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// outputLimit is how much of a command's output is kept: its end.
const outputLimit = 16 << 10

// runHere runs a command on the controller. Its whole process group ends with its time.
func runHere(ctx context.Context, dir string, c rollcall.Command, node string) (rollcall.Output, error) {
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	args := c.Args
	if c.Shell != "" {
		args = []string{"/bin/sh", "-e", "-c", c.Shell}
	}
	process := exec.CommandContext(limited, args[0], args[1:]...)
	process.Dir = dir
	process.Env = environment(node)
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	process.Cancel = func() error { return syscall.Kill(-process.Process.Pid, syscall.SIGKILL) }
	process.WaitDelay = 2 * time.Second
	var kept tail
	process.Stdout, process.Stderr = &kept, &kept
	err := process.Run()
	out := rollcall.Output{Text: string(kept)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return out, context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay): // it ended and left something in the background
	case limited.Err() != nil && err != nil:
		return out, rollcall.Errorf(rollcall.KindFailed, "%s did not end within %v", c, c.Timeout).
			WithHint("give it more time with timeout:, or look why it hangs; %s", said(out.Text, "it said nothing"))
	case errors.As(err, &exit):
		out.Exit = exit.ExitCode()
		if out.Exit < 0 {
			out.Exit = 128 + int(exit.Sys().(syscall.WaitStatus).Signal())
		}
	case err != nil:
		return out, rollcall.Errorf(rollcall.KindFailed, "start %s: %w", args[0], err).
			WithHint("look whether it is there, executable, and on the PATH; a path is read from the site's folder")
	}
	return out, nil
}

// environment is an allow-list: what is in the controller's may be secret.
func environment(node string) []string {
	env := []string{"LC_ALL=C.UTF-8", nodeVariable + "=" + node}
	for _, name := range []string{"PATH", "HOME"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// tail keeps the end of what is written to it.
type tail []byte

func (t *tail) Write(b []byte) (int, error) {
	*t = append(*t, b...)
	if over := len(*t) - outputLimit; over > 0 {
		*t = append((*t)[:0], (*t)[over:]...)
	}
	return len(b), nil
}
