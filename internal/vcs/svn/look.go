package svn

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// look tells what differs from the base, by path: with its content and its properties,
// but for the ledger.
func (b *bench) look(ctx context.Context) (map[string]string, error) {
	if b.state == nil && len(b.applied) == 0 {
		b.state = map[string]string{}
	}
	if b.state != nil {
		return b.state, nil
	}
	all, err := b.client.status(ctx, b.wc)
	if err != nil {
		return nil, err
	}
	b.state, err = b.describe(ctx, all)
	return b.state, err
}

func (b *bench) describe(ctx context.Context, all []*changed) (map[string]string, error) {
	var now, stored []string
	for _, one := range all {
		switch {
		case one.Status.Item == "added" || one.Status.Item == "replaced":
			now = append(now, at(one.Path, 0))
		case one.Status.Props == "modified":
			now, stored = append(now, at(one.Path, 0)), append(stored, one.Path+"@BASE")
		}
	}
	props, err := b.client.properties(ctx, b.wc, false, now...)
	if err != nil {
		return nil, err
	}
	before, err := b.client.properties(ctx, b.wc, false, stored...)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(b.wc)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	state := map[string]string{}
	for _, one := range all {
		text, err := describeItem(root, one)
		if err != nil {
			return nil, err
		}
		own := plainProps(one.Path, props[one.Path])
		if text != "" || !slices.Equal(own, plainProps(one.Path, before[one.Path])) {
			state[one.Path] = text + "\x00" + strings.Join(own, "\x00")
		}
	}
	return state, nil
}

// describeItem tells what befell a path apart from its properties; nothing: nothing.
func describeItem(root *os.Root, one *changed) (string, error) {
	if one.Status.Props == "conflicted" || one.Status.Conflict {
		return "", rollcall.Errorf(rollcall.KindInternal, "after the merge %s still conflicts", rollcall.Printable(one.Path))
	}
	switch one.Status.Item {
	case "normal", "external":
		return "", nil
	case "added", "replaced", "modified":
		content, err := digest(root, one.Path)
		return one.Status.Item + " " + content, err
	case "deleted":
		return "deleted", nil
	}
	return "", rollcall.Errorf(rollcall.KindInternal, "after the merge %s is %s", rollcall.Printable(one.Path), one.Status.Item)
}

func digest(root *os.Root, path string) (string, error) {
	name := filepath.FromSlash(path)
	info, err := root.Lstat(name)
	switch {
	case err != nil:
		return "", fmt.Errorf("look at the bench: %w", err)
	case info.IsDir():
		return "folder", nil
	case info.Mode()&os.ModeSymlink != 0:
		target, err := root.Readlink(name)
		return "link " + target, err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("look at the bench: %s is neither file nor link", rollcall.Printable(path))
	}
	f, err := root.Open(name)
	if err != nil {
		return "", fmt.Errorf("look at the bench: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("look at the bench: %w", err)
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}
