package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
)

// Result is how a command ended.
type Result struct {
	Exit     int // -1: killed
	Out, Err string
}

// Environ is what the world's commands see.
func (w *World) Environ() []string {
	path := os.Getenv("PATH") + ":/usr/sbin:/sbin"
	if w.early != "" {
		path = w.early + ":" + path
	}
	env := []string{
		"HOME=" + w.Path("home"), "PATH=" + path, "TERM=dumb", "TZ=UTC",
		"GIT_CONFIG_GLOBAL=" + w.Path("home", ".gitconfig"), "GIT_CONFIG_NOSYSTEM=1",
	}
	return append(env, w.env...)
}

// Command is rollcall, to be run in the site.
func (w *World) Command(args ...string) *exec.Cmd {
	c := exec.Command(w.program, args...)
	if w.netns != "" {
		c = exec.Command("nsenter", append([]string{"--net=" + w.netns, w.program}, args...)...)
	}
	c.Dir, c.Env = w.Path("site"), w.Environ()
	return c
}

// Run runs rollcall to its end.
func (w *World) Run(args ...string) Result {
	w.t.Helper()
	c := w.Command(args...)
	var out, err bytes.Buffer
	c.Stdout, c.Stderr = &out, &err
	r := Result{}
	var exit *exec.ExitError
	if failed := c.Run(); errors.As(failed, &exit) {
		r.Exit = exit.ExitCode()
	} else {
		w.check(failed)
	}
	r.Out, r.Err = out.String(), err.String()
	return r
}

// Must runs rollcall, which must end with a code.
func (w *World) Must(code int, args ...string) Result {
	w.t.Helper()
	r := w.Run(args...)
	if r.Exit != code {
		w.t.Fatalf("rollcall %s ended with %d, want %d\n%s%s", strings.Join(args, " "), r.Exit, code, r.Out, r.Err)
	}
	return r
}

// ask runs what only looks, and must end with 0. On a shared machine somebody's pkill may
// have meant another process of the same name: then once more.
func (w *World) ask(args ...string) string {
	w.t.Helper()
	if r := w.Run(args...); r.Exit == 0 {
		return r.Out
	} else if r.Exit != -1 {
		w.t.Fatalf("rollcall %s ended with %d\n%s%s", strings.Join(args, " "), r.Exit, r.Out, r.Err)
	}
	return w.Must(0, args...).Out
}

// jsonLines reads the lines of a command's --json.
func jsonLines[T any](w *World, text string) []T {
	w.t.Helper()
	var all []T
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		var one T
		w.check(d.Decode(&one))
		all = append(all, one)
	}
	return all
}
