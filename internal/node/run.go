package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sort"
	"syscall"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// outputLimit is how much of a command's output is kept: its end.
const outputLimit = 16 << 10

// run runs a command in a release, the live one where none is named. Its whole process group ends with its time.
func (s *Server) run(ctx context.Context, f *folder, q *wire.Request) (rollcall.Output, error) {
	if s.Permits != nil {
		if err := s.Permits(q.Run.Command); err != nil {
			return rollcall.Output{}, err
		}
	}
	// A superseded controller must not reload anything either.
	if f.root != nil {
		if unlock, err := f.guard(q.Token); err != nil {
			return rollcall.Output{}, err
		} else {
			unlock()
		}
	}
	limit := q.Run.Command.Timeout
	if limit <= 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	args := q.Run.Command.Args
	if q.Run.Command.Shell != "" {
		args = []string{"/bin/sh", "-e", "-c", q.Run.Command.Shell}
	}
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir = f.path(current)
	if f.target != nil {
		c.Dir = f.target.dir
	}
	if q.Release != "" {
		c.Dir = f.path(releases, string(q.Release))
	}
	if _, err := os.Stat(c.Dir); err != nil {
		c.Dir = "/"
	}
	c.Env = environment(q.Run.Env)
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
		return result, rollcall.Errorf(rollcall.KindFailed, "%s did not end within %v", q.Run.Command, limit).
			WithHint("give it more time with timeout:, or look why it hangs; it said: %s", rollcall.Printable(result.Text))
	case errors.As(err, &exit):
		result.Exit = exit.ExitCode()
		if result.Exit < 0 {
			result.Exit = 128 + int(exit.Sys().(syscall.WaitStatus).Signal())
		}
	case errors.Is(err, exec.ErrWaitDelay): // it ended and left something in the background
	case err != nil:
		return result, rollcall.Errorf(rollcall.KindFailed, "start %s: %w", args[0], err).
			WithHint("look whether it is installed and on the PATH of the ssh user")
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
	sort.Strings(names)
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
