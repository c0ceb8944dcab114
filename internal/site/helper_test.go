package site

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

// folder writes a site's files, name to text, and returns where.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// good loads a site that has no mistakes.
func good(t *testing.T, files map[string]string) *rollcall.Site {
	t.Helper()
	s, err := Load(folder(t, files))
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return s
}

// mistakesOf loads a site and returns its mistakes as people see them.
func mistakesOf(t *testing.T, dir string) []string {
	t.Helper()
	s, err := Load(dir)
	if err == nil {
		return nil
	}
	if s != nil {
		t.Error("Load returned a site with its mistakes")
	}
	if rollcall.ExitCode(err) != 2 {
		t.Errorf("exit code %d, want 2", rollcall.ExitCode(err))
	}
	var all rollcall.Mistakes
	if !errors.As(err, &all) {
		t.Fatalf("Load: %v (%T), want Mistakes", err, err)
	}
	var texts []string
	for _, m := range all {
		texts = append(texts, m.String())
	}
	return texts
}
