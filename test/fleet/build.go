package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// programs are built once a test process.
var programs struct {
	once sync.Once
	dir  string
	err  error
}

// Programs is the folder with rollcall and rollcall-node, as they are shipped. They are
// never built with -race: what is killed must be what people run.
func Programs(t testing.TB) string {
	t.Helper()
	programs.once.Do(func() {
		if programs.dir, programs.err = os.MkdirTemp("", "rollcall-programs"); programs.err == nil {
			programs.err = build(programs.dir)
		}
	})
	if programs.err != nil {
		t.Fatal(programs.err)
	}
	return programs.dir
}

// RemovePrograms ends a test process.
func RemovePrograms() { os.RemoveAll(programs.dir) }

func build(dir string, flags ...string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	args := append([]string{"build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", dir + "/"}, flags...)
	c := exec.Command("go", append(args, "./cmd/...")...)
	c.Dir, c.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// Spoiled builds both programs with a text in one of their files replaced: with it, a
// test shows that it sees what it looks for.
func Spoiled(t testing.TB, file, text, by string) string {
	t.Helper()
	dir := t.TempDir()
	err := func() error {
		root, err := moduleRoot()
		if err != nil {
			return err
		}
		file = filepath.Join(root, file)
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if strings.Count(string(b), text) != 1 {
			return fmt.Errorf("%s does not hold %q once", file, text)
		}
		spoiled := filepath.Join(dir, "spoiled.go")
		if err := os.WriteFile(spoiled, []byte(strings.ReplaceAll(string(b), text, by)), 0o600); err != nil {
			return err
		}
		overlay, err := json.Marshal(map[string]map[string]string{"Replace": {file: spoiled}})
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
			return err
		}
		if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
			return err
		}
		return build(filepath.Join(dir, "bin"), "-overlay="+filepath.Join(dir, "overlay.json"))
	}()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "bin")
}

// moduleRoot is the folder with go.mod, above the test's.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no go.mod above the working folder")
}
