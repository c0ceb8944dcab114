// Package proc runs one command of the site, on a node or on the controller: with a time
// limit for its whole process group, an environment that holds what it is given and
// little more, and the end of its output kept.
package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// outputLimit is how much of a command's output is kept: its end.
const outputLimit = 16 << 10

// Run runs a command in a folder. An exit code is no error; a command that can't be
// started or takes too long is KindFailed.
func Run(ctx context.Context, dir string, command rollcall.Command, env map[string]string) (rollcall.Output, error) {
	limit := command.Timeout
	if limit <= 0 {
		limit = time.Minute
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	args := command.Args
	if command.Shell != "" {
		args = []string{"/bin/sh", "-e", "-c", command.Shell}
	}
	c := exec.CommandContext(limited, args[0], args[1:]...)
	c.Dir = dir
	c.Env = environment(env)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 2 * time.Second
	var out tail
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	result := rollcall.Output{Text: string(out.b)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return result, context.Cause(ctx)
	case limited.Err() != nil:
		return result, rollcall.Errorf(rollcall.KindFailed, "%s did not end within %v", command, limit).
			WithHint("give it more time with timeout:, or look why it hangs; it said: %s", rollcall.Printable(result.Text))
	case errors.As(err, &exit):
		result.Exit = exit.ExitCode()
		if result.Exit < 0 {
			result.Exit = 128 + int(exit.Sys().(syscall.WaitStatus).Signal())
		}
	case errors.Is(err, exec.ErrWaitDelay): // it ended and left something in the background
	case err != nil:
		return result, rollcall.Errorf(rollcall.KindFailed, "start %s: %w", args[0], err).
			WithHint("look whether it is installed and on the PATH of the user that runs it")
	}
	return result, nil
}

// environment is what a command sees: the user's own basics, and what the roll says.
func environment(given map[string]string) []string {
	env := []string{"LC_ALL=C.UTF-8"}
	for _, name := range []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "XDG_RUNTIME_DIR", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		env = append(env, fmt.Sprintf("%s=%s", name, given[name]))
	}
	return env
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.b = append(t.b, b...)
	if over := len(t.b) - outputLimit; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(b), nil
}
