// Package git reads a code from git: revisions, changesets and frozen trees, always
// from the stored objects. It drives the git command (2.39 or newer).
package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// Repository is a rollcall.Repository in git.
type Repository struct {
	dir string // the git directory that is read
	// ceiling keeps git from taking a repository further up for the one that was named.
	ceiling string
	address string   // what a mirror is fetched from and pushed to
	env     []string // what git sees beside its allow-list
	objects objects
	// compared is what was compared last.
	compared atomic.Pointer[comparison]
	comers   comersOnce
}

var _ rollcall.Repository = (*Repository)(nil)

// timeLimit bounds every git command that does not talk to another host.
const timeLimit = 5 * time.Minute

// Open opens the repository at an address. A path is read where it is; anything else
// through a mirror in mirrorDir, which is fetched now. note is told before that.
func Open(ctx context.Context, address, mirrorDir string, note func(string)) (*Repository, error) {
	if err := CheckAddress(address); err != nil {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "git: %w", err)
	}
	if IsLocal(address) {
		dir, err := filepath.Abs(address)
		if err != nil {
			return nil, err
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		}
		r := repository(dir)
		r.ceiling = filepath.Dir(dir)
		if isBare(dir) { // nothing that git would have to find
			return r, nil
		}
		out, err := r.git(ctx, "rev-parse", "--absolute-git-dir")
		if err != nil {
			return nil, openError(address, err)
		}
		r.dir = strings.TrimRight(string(out), "\n")
		return r, nil
	}
	return OpenMirror(ctx, address, mirrorDir, note)
}

// OpenMirror opens the repository at an address through a mirror, also where it is a path:
// what is made while merging has no place in somebody's own repository.
func OpenMirror(ctx context.Context, address, mirrorDir string, note func(string)) (*Repository, error) {
	if err := CheckAddress(address); err != nil {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "git: %w", err)
	}
	if IsLocal(address) {
		dir, err := filepath.Abs(address)
		if err != nil {
			return nil, err
		}
		address = dir
	}
	r := repository(mirrorDir)
	r.address = address
	return r, r.fetch(ctx, address, note)
}

// with gives the same repository, read and written under some more of an environment.
func (r *Repository) with(env ...string) *Repository {
	other := repository(r.dir)
	other.ceiling, other.address, other.env = r.ceiling, r.address, append(slices.Clone(r.env), env...)
	return other
}

func repository(dir string) *Repository {
	r := &Repository{dir: dir}
	r.objects.repo = r
	return r
}

// isBare tells whether a folder is a bare repository by the look of it.
func isBare(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		return false
	}
	for _, name := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

func openError(address string, err error) error {
	e := rollcall.Errorf(rollcall.KindNotFound, "open the repository %s: %w", address, err)
	switch text := err.Error(); {
	case strings.Contains(text, "dubious ownership"):
		e.Hint = "it belongs to another user; as the one who rolls, run: git config --global --add safe.directory " + address
	case strings.Contains(text, "not a git repository"), strings.Contains(text, "cannot change to"):
		e.Hint = "look at the code's git: key in rollcall.yaml; a relative path starts at the site's folder"
	}
	return e
}

// command makes a git command that reads no hooks, starts no helpers of the repository's
// choosing and asks nothing. Its environment is an allow-list.
func (r *Repository) command(ctx context.Context, args ...string) *exec.Cmd {
	// -C lets git find the repository of a work tree's folder too.
	safe := []string{
		"-C", r.dir, "--no-optional-locks", "--literal-pathspecs",
		"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false",
		"-c", "protocol.ext.allow=never", "-c", "log.showSignature=false", "-c", "diff.external=",
		"-c", "gc.auto=0", "-c", "maintenance.auto=false",
	}
	c := exec.CommandContext(ctx, "git", append(safe, args...)...)
	c.Env = append(environment(), r.env...)
	if r.ceiling != "" {
		c.Env = append(c.Env, "GIT_CEILING_DIRECTORIES="+r.ceiling)
	}
	c.WaitDelay = 5 * time.Second
	return c
}

// environment is what git and the ssh below it may see.
func environment() []string {
	env := []string{
		"LC_ALL=C.UTF-8", "GIT_TERMINAL_PROMPT=0", "GIT_NO_REPLACE_OBJECTS=1", "GIT_OPTIONAL_LOCKS=0",
		"GIT_ASKPASS=true", "SSH_ASKPASS=true", "GIT_SSH_VARIANT=ssh",
		"GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15",
	}
	for _, name := range []string{
		"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME",
		"https_proxy", "HTTPS_PROXY", "http_proxy", "no_proxy", "NO_PROXY", "GIT_SSL_CAINFO",
		"GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM",
	} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func (r *Repository) git(ctx context.Context, args ...string) ([]byte, error) {
	return r.gitIn(ctx, "", args...)
}

// gitIn gives git a text to read.
func (r *Repository) gitIn(ctx context.Context, in string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	c := r.command(ctx, args...)
	var out, complaint bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaint
	if in != "" {
		c.Stdin = strings.NewReader(in)
	}
	if err := c.Run(); err != nil {
		return nil, commandError(ctx, args[0], err, complaint.String())
	}
	return out.Bytes(), nil
}

func commandError(ctx context.Context, verb string, err error, complaint string) error {
	if errors.Is(err, exec.ErrNotFound) {
		return rollcall.Errorf(rollcall.KindInvalid, "git is not installed").WithHint("install git 2.39 or newer")
	}
	if ctx.Err() != nil {
		return fmt.Errorf("git %s: %w", verb, ctx.Err())
	}
	complaint = rollcall.PrintableLines(strings.TrimSpace(complaint))
	if complaint == "" {
		complaint = err.Error()
	}
	return fmt.Errorf("git %s: %s", verb, strings.TrimPrefix(complaint, "fatal: "))
}
