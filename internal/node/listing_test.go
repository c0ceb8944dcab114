package node

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// Names come as manifests have them: a folder where its files are.
func TestList(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a-b", "a.b", "a0", ".hidden", "ü"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	all, err := list(int(open.Fd()), make([]byte, 300)) // less than all names take
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, one := range all {
		keys = append(keys, one.key)
		want := byte(unix.DT_REG)
		switch one.name {
		case "a":
			want = unix.DT_DIR
		case "b":
			want = unix.DT_LNK
		}
		if one.kind != want {
			t.Errorf("%s is a %d", one.name, one.kind)
		}
	}
	if want := []string{".hidden", "a-b", "a.b", "a/", "a0", "b", "ü"}; !slices.Equal(keys, want) {
		t.Errorf("names are %q, want %q", keys, want)
	}
}
