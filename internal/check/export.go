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

// unfit are paths that can't stand in a folder here, and why.
type unfit map[string]string

// export writes entries into a new folder under the paths that they have, where wanted
// says so.
func (r *run) export(ctx context.Context, dir string, entries []*rollcall.TreeEntry, wanted func(path string, size int64) bool) (unfit, error) {
	out := unfit{}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return out, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return out, err
	}
	defer root.Close()
	blobs := make([]string, len(entries))
	for i, e := range entries {
		blobs[i] = e.Blob
	}
	made := map[string]bool{".": true}
	r.repo.Lock()
	defer r.repo.Unlock()
	err = r.Repo.Blobs(ctx, blobs, func(i int, size int64, in io.Reader) error {
		e := entries[i]
		if !wanted(e.Path, size) {
			return nil
		}
		if parent := path.Dir(e.Path); !made[parent] {
			if err := root.MkdirAll(parent, 0o755); err != nil {
				return out.tell(e.Path, err)
			}
			made[parent] = true
		}
		if e.Type == rollcall.TypeLink {
			return out.link(root, e.Path, in)
		}
		return out.tell(e.Path, write(root, e, in))
	})
	if err != nil {
		return out, fmt.Errorf("export for the checks: %w", err)
	}
	return out, nil
}

func write(root *os.Root, e *rollcall.TreeEntry, in io.Reader) error {
	mode := os.FileMode(0o644)
	if e.Type == rollcall.TypeExecutable {
		mode = 0o755
	}
	// What stands there already is no part of this tree: it is never written through.
	file, err := root.OpenFile(e.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, in)
	return errors.Join(err, file.Close())
}

// link makes a link, unless it leads out: such a tree is refused later, and until then
// nothing may follow it.
func (u unfit) link(root *os.Root, p string, in io.Reader) error {
	target, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return err
	}
	if rollcall.CheckLink(p, string(target)) != nil {
		u[p] = "is a link that leads out of the tree"
		return nil
	}
	return u.tell(p, root.Symlink(string(target), p))
}

// tell keeps to one path what is wrong with one path.
func (u unfit) tell(p string, err error) error {
	if errors.Is(err, syscall.ENAMETOOLONG) {
		u[p] = "its name is too long for a file here"
		return nil
	}
	return err
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
