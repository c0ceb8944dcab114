package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteInPlace makes docroot like tree as rsync --delete-before does: it removes what the
// tree does not have, and then replaces file by file, by name, those that differ. Nothing rolls so. It is what
// the visitors of Load are held against: were they content with this too, their silence
// during a roll would prove nothing.
func WriteInPlace(ctx context.Context, tree fs.FS, docroot string) error {
	if info, err := os.Lstat(docroot); err == nil && !info.IsDir() {
		if err := os.Remove(docroot); err != nil {
			return fmt.Errorf("cannot replace the link %s: %w", docroot, err)
		}
	}
	if err := os.MkdirAll(docroot, 0o755); err != nil {
		return fmt.Errorf("cannot make %s: %w", docroot, err)
	}
	if err := removeOthers(ctx, tree, docroot); err != nil {
		return fmt.Errorf("cannot remove old files from %s: %w", docroot, err)
	}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err := errors.Join(err, context.Cause(ctx)); err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(docroot, name), 0o755)
		}
		return replaceFile(tree, name, filepath.Join(docroot, name))
	})
	if err != nil {
		return fmt.Errorf("cannot write in place to %s: %w", docroot, err)
	}
	return nil
}

// removeOthers removes the files that tree does not have.
func removeOthers(ctx context.Context, tree fs.FS, docroot string) error {
	old := os.DirFS(docroot)
	return fs.WalkDir(old, ".", func(name string, entry fs.DirEntry, err error) error {
		if err := errors.Join(err, context.Cause(ctx)); err != nil || entry.IsDir() {
			return err
		}
		if _, err := fs.Lstat(tree, name); errors.Is(err, fs.ErrNotExist) {
			return os.Remove(filepath.Join(docroot, name))
		}
		return nil
	})
}

// replaceFile puts a file of tree in the place of file. Each file by itself is switched
// properly, as rsync does it: what is wrong with writing in place is not half files.
func replaceFile(tree fs.FS, name, file string) error {
	content, err := fs.ReadFile(tree, name)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, content) {
		return nil
	}
	temporary := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".new")
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}
