package main

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// raceDetector tells that the test was built with -race: then the command is too.
var raceDetector bool

// TestScript runs the commands end to end: the real program, real git, and nodes that
// are reached through real sshds. See testdata/script/README.md for what scripts can say.
func TestScript(t *testing.T) { runScripts(t, "script", "") }

// TestDesk runs every script of the desk twice: with git and with Subversion.
func TestDesk(t *testing.T) {
	for _, vcs := range []string{"git", "svn"} {
		t.Run(vcs, func(t *testing.T) {
			t.Parallel()
			runScripts(t, filepath.Join("script", "desk"), vcs)
		})
	}
}

var buildOnce struct {
	sync.Once
	bin string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if buildOnce.bin != "" {
		os.RemoveAll(buildOnce.bin)
	}
	os.Exit(code)
}

func runScripts(t *testing.T, dir, vcs string) {
	if testing.Short() {
		t.Skip("starts sshds and builds the command")
	}
	buildOnce.Do(func() { buildOnce.bin = build(t) })
	bin := buildOnce.bin
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", dir),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			if err := os.MkdirAll(home, 0o755); err != nil {
				return err
			}
			config := "[user]\n\tname = Test\n\temail = test@example.com\n[init]\n\tdefaultBranch = production\n[protocol \"file\"]\n\tallow = always\n"
			if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o600); err != nil {
				return err
			}
			for name, value := range map[string]string{
				"PATH": bin + string(filepath.ListSeparator) + os.Getenv("PATH"), "HOME": home, "ME": me.Username,
				"GIT_CONFIG_GLOBAL": filepath.Join(home, ".gitconfig"), "GIT_CONFIG_NOSYSTEM": "1", "TERM": "dumb", "TZ": "UTC",
				"GORACE": "atexit_sleep_ms=0 exitcode=99", "ESC": "\x1b", "RLO": "\u202e", "DOLLAR": "$", "VCS": vcs,
				"LONG": strings.Repeat("long-", 40), "DEEP": strings.Repeat("d/", 60) + "deep",
			} {
				e.Setenv(name, value)
			}
			w := newWorld(e.WorkDir)
			for _, pair := range e.Vars {
				name, _, _ := strings.Cut(pair, "=")
				w.env = append(w.env, name)
			}
			e.Values[worldKey{}] = w
			e.Defer(w.close)
			return nil
		},
		Cmds: scriptCommands,
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Getuid() == 0, nil
			}
			return deskCondition(vcs, name)
		},
	})
}

// build builds the command, and rollcall-node beside it, where the command looks for it.
func build(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rollcall-bin-")
	if err != nil {
		t.Fatal(err)
	}
	for name, flags := range map[string][]string{"rollcall": nil, "rollcall-node": {"-trimpath", "-ldflags=-s -w"}} {
		c := exec.Command("go", append(append([]string{"build", "-buildvcs=false", "-o", dir + "/"}, flags...), "../"+name)...)
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if name == "rollcall" && raceDetector {
			c.Args = append(c.Args[:2:2], append([]string{"-race"}, c.Args[2:]...)...)
			c.Env = append(os.Environ(), "CGO_ENABLED=1")
		}
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(c.Args, " "), err, out)
		}
	}
	return dir
}
