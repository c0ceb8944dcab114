package git

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// Changes lists what differs between two trees, as stored.
func (r *Repository) Changes(ctx context.Context, from, to string) ([]rollcall.TreeChange, error) {
	if from == "" {
		return r.list(ctx, to)
	}
	out, err := r.git(ctx, "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", from, to, "--")
	if err != nil {
		return nil, err
	}
	// :old-mode new-mode old-blob new-blob status NUL path NUL
	var changes []rollcall.TreeChange
	for len(out) > 0 {
		head, rest, _ := bytes.Cut(out, []byte{0})
		name, rest, ok := bytes.Cut(rest, []byte{0})
		fields := strings.Fields(strings.TrimPrefix(string(head), ":"))
		if !ok || len(fields) != 5 {
			return nil, fmt.Errorf("git diff-tree: cannot read %q", head)
		}
		out = rest
		change := rollcall.TreeChange{Path: string(name)}
		if fields[4] != "D" {
			if change.New, err = treeEntry(change.Path, fields[1], fields[3]); err != nil {
				return nil, err
			}
		}
		changes = append(changes, change)
	}
	return changes, nil
}

func (r *Repository) list(ctx context.Context, tree string) ([]rollcall.TreeChange, error) {
	out, err := r.git(ctx, "ls-tree", "-r", "-z", "--full-tree", tree)
	if err != nil {
		return nil, err
	}
	// mode SP type SP blob TAB path NUL
	var changes []rollcall.TreeChange
	for len(out) > 0 {
		record, rest, _ := bytes.Cut(out, []byte{0})
		out = rest
		head, name, ok := strings.Cut(string(record), "\t")
		fields := strings.Fields(head)
		if !ok || len(fields) != 3 {
			return nil, fmt.Errorf("git ls-tree: cannot read %q", record)
		}
		entry, err := treeEntry(name, fields[0], fields[2])
		if err != nil {
			return nil, err
		}
		changes = append(changes, rollcall.TreeChange{Path: name, New: entry})
	}
	return changes, nil
}

func treeEntry(name, mode, blob string) (*rollcall.TreeEntry, error) {
	e := &rollcall.TreeEntry{Path: name, Blob: blob}
	switch mode {
	case "100644", "100664": // 100664 stands in very old repositories
		e.Type = rollcall.TypeFile
	case "100755":
		e.Type = rollcall.TypeExecutable
	case "120000":
		e.Type = rollcall.TypeLink
	case "160000":
		e.Module = true
	default:
		return nil, fmt.Errorf("git: %q has the mode %s", name, mode)
	}
	return e, nil
}

// Blobs streams contents out of one git process.
func (r *Repository) Blobs(ctx context.Context, blobs []string, fn func(i int, size int64, content io.Reader) error) error {
	if len(blobs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	c := r.command(ctx, "cat-file", "--batch", "--buffer")
	c.Stdin = strings.NewReader(strings.Join(blobs, "\n") + "\n")
	var complaint bytes.Buffer
	c.Stderr = &complaint
	out, err := c.StdoutPipe()
	if err != nil {
		return fmt.Errorf("git cat-file: %w", err)
	}
	if err := c.Start(); err != nil {
		return commandError(ctx, "cat-file", err, "")
	}
	err = readBlobs(bufio.NewReaderSize(out, 1<<17), blobs, fn)
	if err != nil {
		cancel()
		_ = c.Wait() // killed: err says why
		return err
	}
	if err := c.Wait(); err != nil {
		return commandError(ctx, "cat-file", err, complaint.String())
	}
	return nil
}

func readBlobs(out *bufio.Reader, blobs []string, fn func(i int, size int64, content io.Reader) error) error {
	for i, blob := range blobs {
		head, err := out.ReadString('\n')
		if err != nil {
			return fmt.Errorf("git cat-file: the repository ended before blob %s: %w", blob, err)
		}
		fields := strings.Fields(head)
		if len(fields) == 2 && fields[1] == "missing" {
			return rollcall.Errorf(rollcall.KindInternal, "the repository lacks the content %s that its tree names", blob).
				WithHint("it is a partial or shallow clone, or damaged: see git fsck there")
		}
		if len(fields) != 3 || fields[1] != "blob" {
			return fmt.Errorf("git cat-file: %s", strings.TrimSpace(head))
		}
		size, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return fmt.Errorf("git cat-file: %q: %w", head, err)
		}
		content := &io.LimitedReader{R: out, N: size}
		if err := fn(i, size, content); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, content); err != nil {
			return fmt.Errorf("git cat-file: %w", err)
		}
		if content.N > 0 {
			return fmt.Errorf("git cat-file: blob %s ended early", blob)
		}
		if _, err := out.Discard(1); err != nil {
			return fmt.Errorf("git cat-file: %w", err)
		}
	}
	return nil
}
