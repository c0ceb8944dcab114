package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// git is the plain git command in one repository, with an index of its own.
type git struct {
	dir   string // what --git-dir says
	index string // empty: none is used
}

// run gives what git writes, and an error with git's own words where it fails.
func (g git) run(ctx context.Context, in io.Reader, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "git", append([]string{
		"--git-dir", g.dir, "--literal-pathspecs", "--no-optional-locks",
		"-c", "core.quotePath=false", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0",
		"-c", "core.attributesFile=/dev/null", "-c", "log.showSignature=false",
		"-c", "diff.algorithm=myers", "-c", "diff.context=3", "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false",
	}, args...)...)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "GIT_NO_REPLACE_OBJECTS=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	if g.index != "" {
		c.Env = append(c.Env, "GIT_INDEX_FILE="+g.index)
	}
	var out, complaint bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = in, &out, &complaint
	if err := c.Run(); err != nil {
		return out.String(), fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}

// line is run for one line of output.
func (g git) line(ctx context.Context, args ...string) (string, error) {
	out, err := g.run(ctx, nil, args...)
	return strings.TrimRight(out, "\n"), err
}

// fields is run for output whose fields end with NUL.
func (g git) fields(ctx context.Context, args ...string) ([]string, error) {
	out, err := g.run(ctx, nil, args...)
	if err != nil || out == "" {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(out, "\x00"), "\x00"), nil
}

// revision gives the commit of a branch, of one of the remote "origin", of a tag, or of
// any other text that names one, of the replayed repository.
func (g git) revision(ctx context.Context, name string) (string, error) {
	for _, place := range []string{"refs/heads/", "refs/remotes/origin/", "refs/tags/"} {
		if id, err := g.commit(ctx, replayed+place+name); err == nil {
			return id, nil
		}
	}
	if id, err := g.commit(ctx, name); err == nil {
		return id, nil
	}
	return "", fmt.Errorf("the repository has no branch, tag or commit %q", name)
}

// commit gives the full id of the one commit that a text names.
func (g git) commit(ctx context.Context, text string) (string, error) {
	return g.line(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", text+"^{commit}")
}

// emptyTree is what a commit without a parent changes.
const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
