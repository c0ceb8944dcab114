package demo

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// git runs the git command on a bare repository. It reads no configuration but the
// repository's, so that the story is the same on every machine.
type git struct {
	repository string
	index      string // where trees are put together; needed by commands that do so
}

// run returns what git printed, without the newline at its end.
func (g git) run(ctx context.Context, environment []string, arguments ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", arguments...)
	cmd.Dir = filepath.Dir(g.repository)
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + g.repository,
		"LC_ALL=C.UTF-8",
		"TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_DIR=" + g.repository,
		"GIT_INDEX_FILE=" + g.index,
	}, environment...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if cmd.Process == nil { // it did not even start
			return "", rollcall.Errorf(rollcall.KindInternal, "cannot run git: %w", err).
				WithHint("install git 2.39 or newer: the demo makes a real repository")
		}
		return "", rollcall.Errorf(rollcall.KindInternal, "git %s: %w: %s",
			strings.Join(arguments, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSuffix(stdout.String(), "\n"), nil
}
