package app

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"github.com/zeebo/blake3"

	"github.com/rollcall-dev/rollcall"
)

// nodeBinaries finds rollcall-node: beside this program, or, where this program was made
// by `go run` or `go build` from its sources, built from them.
type nodeBinaries struct {
	names string // a file that remembers what the name of which binary is

	mu    sync.Mutex
	built map[string][]byte // by platform
}

// nodeName is what is remembered: hashing some megabytes at every start would be most of
// what a roll without changes costs.
type nodeName struct {
	Path  string    `json:"path"`
	Size  int64     `json:"size"`
	Mtime time.Time `json:"mtime"`
	Name  string    `json:"name"`
}

// Name holds the hash of the binary for this machine, and is the same for all platforms.
func (n *nodeBinaries) Name(ctx context.Context) (string, error) {
	path, info, err := siblingNode(runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return "", err
	}
	now := nodeName{Path: path}
	if path != "" {
		now.Size, now.Mtime = info.Size(), info.ModTime().UTC()
		var known nodeName
		if b, err := os.ReadFile(n.names); err == nil && json.Unmarshal(b, &known) == nil {
			now.Name = known.Name
			if known == now && known.Name != "" {
				return known.Name, nil
			}
		}
	}
	// Nodes are Linux, whatever this machine is.
	content, err := n.Content(ctx, "linux/"+runtime.GOARCH)
	if err != nil {
		return "", err
	}
	sum := blake3.Sum256(content)
	now.Name = "rollcall-node-" + hex.EncodeToString(sum[:10])
	if path != "" {
		if b, err := json.Marshal(now); err == nil {
			_ = renameio.WriteFile(n.names, b, 0o600) // forgotten is only slower
		}
	}
	return now.Name, nil
}

// Content gives the binary for a GOOS/GOARCH.
func (n *nodeBinaries) Content(ctx context.Context, platform string) ([]byte, error) {
	system, arch, _ := strings.Cut(platform, "/")
	path, _, err := siblingNode(system, arch)
	if err != nil {
		return nil, err
	}
	if path != "" {
		return os.ReadFile(path)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if b := n.built[platform]; b != nil {
		return b, nil
	}
	b, err := buildNodeBinary(ctx, system, arch)
	if err != nil {
		return nil, err
	}
	if n.built == nil {
		n.built = map[string][]byte{}
	}
	n.built[platform] = b
	return b, nil
}

// siblingNode finds rollcall-node beside this program; "" where there is none.
func siblingNode(system, arch string) (string, fs.FileInfo, error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", nil, fmt.Errorf("find this program: %w", err)
	}
	dir := filepath.Dir(self)
	names := []string{fmt.Sprintf("rollcall-node-%s-%s", system, arch)}
	if arch == runtime.GOARCH && system == runtime.GOOS {
		names = append(names, "rollcall-node")
	}
	for _, name := range names {
		for _, place := range []string{dir, filepath.Join(dir, "..", "lib", "rollcall")} {
			path := filepath.Join(place, name)
			info, err := os.Stat(path)
			if err == nil {
				return path, info, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return "", nil, fmt.Errorf("look for rollcall-node: %w", err)
			}
		}
	}
	return "", nil, nil
}

// buildNodeBinary builds from the sources that this program was built from. Go's own
// cache makes every time but the first quick.
func buildNodeBinary(ctx context.Context, system, arch string) ([]byte, error) {
	missing := rollcall.Errorf(rollcall.KindInvalid, "there is no rollcall-node for %s/%s beside this program", system, arch)
	_, file, _, ok := runtime.Caller(0)
	module := filepath.Join(filepath.Dir(file), "..", "..")
	if _, err := os.Stat(filepath.Join(module, "cmd", "rollcall-node", "main.go")); !ok || err != nil {
		return nil, missing.WithHint("put rollcall-node-%s-%s of the same release there", system, arch)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	out := filepath.Join(cache, "rollcall")
	if err := os.MkdirAll(out, 0o700); err != nil {
		return nil, fmt.Errorf("build rollcall-node: %w", err)
	}
	tmp, err := os.MkdirTemp(out, "build-")
	if err != nil {
		return nil, fmt.Errorf("build rollcall-node: %w", err)
	}
	defer os.RemoveAll(tmp)
	binary := filepath.Join(tmp, "rollcall-node")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, "./cmd/rollcall-node")
	c.Dir = module
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch, "GOFLAGS=")
	if said, err := c.CombinedOutput(); err != nil {
		return nil, missing.WithHint("building it failed: %s", rollcall.PrintableLines(string(bytes.TrimSpace(said))))
	}
	return os.ReadFile(binary)
}
