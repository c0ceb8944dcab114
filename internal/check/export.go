package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rollcall-dev/rollcall"
)

// workplace is the folder of one run. Its lock tells others that it is not left behind.
type workplace struct {
	dir  string
	lock *os.File
}

const workplaces = "run-"

func (c *Checker) workplace() (*workplace, error) {
	c.sweep()
	for {
		w, err := c.makeWorkplace()
		if err == nil {
			return w, nil
		}
		w.remove()
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("make a folder for the checks: %w", err)
		}
		// Another one's sweep came between its making and its lock.
	}
}

func (c *Checker) makeWorkplace() (w *workplace, err error) {
	w = &workplace{}
	if w.dir, err = os.MkdirTemp(c.dir, workplaces); err != nil {
		return w, err
	}
	if w.lock, err = os.Open(w.dir); err != nil {
		return w, err
	}
	if err := syscall.Flock(int(w.lock.Fd()), syscall.LOCK_SH); err != nil {
		return w, err
	}
	return w, os.Mkdir(w.temp(), 0o700)
}

// temp is where commands put what they need for a moment.
func (w *workplace) temp() string { return filepath.Join(w.dir, "tmp") }

func (w *workplace) remove() {
	if w.dir != "" {
		os.RemoveAll(w.dir)
	}
	if w.lock != nil {
		w.lock.Close()
	}
}

// sweep removes what runs that were killed left behind.
func (c *Checker) sweep() {
	left, _ := filepath.Glob(filepath.Join(c.dir, workplaces+"*"))
	for _, dir := range left {
		lock, err := os.Open(dir)
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(dir)
		}
		lock.Close()
	}
}

// export writes entries, sorted by their paths, into a new folder under the paths that
// they have: those that wanted says yes to. done is told of each, and why it can't stand
// in a folder here where that is so.
func (r *run) export(ctx context.Context, dir string, entries []*rollcall.TreeEntry, wanted func(path string, size int64) (bool, error), done func(path, unfit string) error) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	blobs := make([]string, len(entries))
	for i, e := range entries {
		blobs[i] = e.Blob
	}
	w := &writer{root: root}
	defer w.leave()
	r.repo.Lock()
	defer r.repo.Unlock()
	err = r.Repo.Blobs(ctx, blobs, func(i int, size int64, in io.Reader) error {
		e := entries[i]
		if yes, err := wanted(e.Path, size); !yes || err != nil {
			return err
		}
		unfit := ""
		switch err := w.write(e, in); {
		case errors.Is(err, syscall.ENAMETOOLONG):
			unfit = "its name is too long for a file here"
		case errors.Is(err, errLeadsOut):
			unfit = "is a link that leads out of the tree"
		case err != nil:
			return err
		}
		return done(e.Path, unfit)
	})
	if err != nil {
		return fmt.Errorf("export for the checks: %w", err)
	}
	return nil
}

// writer writes beneath a folder, and keeps the last folder within open: most files have
// the one that the file before had.
type writer struct {
	root *os.Root
	path string
	at   *os.Root
}

// errLeadsOut tells of a link that must not be followed. A release with it is refused.
var errLeadsOut = errors.New("leads out of the tree")

func (w *writer) write(e *rollcall.TreeEntry, in io.Reader) error {
	folder, name := path.Split(e.Path)
	at, err := w.enter(strings.TrimSuffix(folder, "/"))
	if err != nil {
		return err
	}
	if e.Type == rollcall.TypeLink {
		target, err := io.ReadAll(io.LimitReader(in, 4096))
		if err != nil {
			return err
		}
		if rollcall.CheckLink(e.Path, string(target)) != nil {
			return errLeadsOut
		}
		return at.Symlink(string(target), name)
	}
	mode := os.FileMode(0o644)
	if e.Type == rollcall.TypeExecutable {
		mode = 0o755
	}
	// What stands there already is no part of this tree: it is never written through.
	file, err := at.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, in)
	return errors.Join(err, file.Close())
}

func (w *writer) enter(folder string) (*os.Root, error) {
	if folder == "" {
		return w.root, nil
	}
	if w.at != nil && w.path == folder {
		return w.at, nil
	}
	w.leave()
	if err := w.root.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	at, err := w.root.OpenRoot(folder)
	if err == nil {
		w.at, w.path = at, folder
	}
	return at, err
}

func (w *writer) leave() {
	if w.at != nil {
		w.at.Close()
	}
	w.at = nil
}

// sizeOf writes a size as rollcall.yaml does.
func sizeOf(n int64) string {
	for _, unit := range []struct {
		name string
		of   int64
	}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"kB", 1 << 10}} {
		if n >= unit.of {
			text := fmt.Sprintf("%.1f", float64(n)/float64(unit.of))
			return strings.TrimSuffix(text, ".0") + unit.name
		}
	}
	return fmt.Sprintf("%dB", n)
}
