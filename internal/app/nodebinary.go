package app

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/zeebo/blake3"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/fleet/ssh"
)

// nodeBinaries holds what was found, by platform: a roll asks once for every node.
var nodeBinaries struct {
	mu    sync.Mutex
	found map[string]ssh.Binary
}

// nodeBinary finds rollcall-node for a platform: beside this program, or, where this
// program was made by `go run` or `go build` from its sources, built from them. The
// name holds the hash of the one for this machine and is the same for all platforms.
func nodeBinary(ctx context.Context, platform string) (ssh.Binary, error) {
	nodeBinaries.mu.Lock()
	defer nodeBinaries.mu.Unlock()
	if b, ok := nodeBinaries.found[platform]; ok {
		return b, nil
	}
	own := "linux/" + runtime.GOARCH
	content, err := findNodeBinary(ctx, platform)
	if err != nil {
		return ssh.Binary{}, err
	}
	named := content
	if platform != own {
		if named, err = findNodeBinary(ctx, own); err != nil {
			return ssh.Binary{}, err
		}
	}
	sum := blake3.Sum256(named)
	b := ssh.Binary{Name: "rollcall-node-" + hex.EncodeToString(sum[:10]), Content: content}
	if nodeBinaries.found == nil {
		nodeBinaries.found = map[string]ssh.Binary{}
	}
	nodeBinaries.found[platform] = b
	return b, nil
}

func findNodeBinary(ctx context.Context, platform string) ([]byte, error) {
	system, arch, _ := strings.Cut(platform, "/")
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	dir := filepath.Dir(self)
	candidates := []string{fmt.Sprintf("rollcall-node-%s-%s", system, arch)}
	if arch == runtime.GOARCH && system == runtime.GOOS {
		candidates = append(candidates, "rollcall-node")
	}
	for _, name := range candidates {
		for _, place := range []string{dir, filepath.Join(dir, "..", "lib", "rollcall")} {
			b, err := os.ReadFile(filepath.Join(place, name))
			if err == nil {
				return b, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("read rollcall-node: %w", err)
			}
		}
	}
	return buildNodeBinary(ctx, system, arch, dir)
}

// buildNodeBinary builds from the sources that this program was built from. Go's own
// cache makes every time but the first quick.
func buildNodeBinary(ctx context.Context, system, arch, dir string) ([]byte, error) {
	missing := rollcall.Errorf(rollcall.KindInvalid, "there is no rollcall-node for %s/%s beside this program, in %s", system, arch, dir)
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
