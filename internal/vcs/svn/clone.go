package svn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// clone makes a bench out of the working copy that the branch is read from: that costs
// neither network nor the time that svn takes for a file. It tells whether there is one;
// what it is worth is looked at afterwards.
func (b *bench) clone(ctx context.Context) (bool, error) {
	unlock, err := b.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	from := b.copyPath(b.folder())
	if _, err := os.Stat(filepath.Join(from, ".svn", "wc.db")); err != nil {
		return false, nil
	}
	tmp := b.wc + ".new"
	err = errors.Join(os.RemoveAll(tmp), os.RemoveAll(b.wc))
	if err == nil {
		err = copyFolder(ctx, from, tmp)
	}
	if err == nil {
		err = os.Rename(tmp, b.wc)
	}
	if err != nil {
		return false, fmt.Errorf("copy a working copy: %w", err)
	}
	return true, nil
}

// copyFolder copies a working copy with its times, by which svn tells what was edited.
// What is in its store never changes, and is linked.
func copyFolder(ctx context.Context, from, to string) error {
	return copyBelow(ctx, from, to, filepath.Join(from, ".svn", "pristine")+string(filepath.Separator))
}

func copyBelow(ctx context.Context, from, to, store string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		path, place := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		var err error
		switch {
		case e.IsDir():
			err = copyBelow(ctx, path, place, store)
		case e.Type()&fs.ModeSymlink != 0:
			var target string
			if target, err = os.Readlink(path); err == nil {
				err = os.Symlink(target, place)
			}
		case !e.Type().IsRegular():
			err = fmt.Errorf("%s is neither file, folder nor link", path)
		case strings.HasPrefix(path, store) && os.Link(path, place) == nil:
		default:
			err = copyFile(path, place)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm()|0o200)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), os.Chtimes(to, info.ModTime(), info.ModTime()))
}
