package release

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
)

// growing is a file that is read while it is still being written.
type growing struct {
	name    string // where it is being written
	path    string // where it will be then
	mu      sync.Mutex
	more    sync.Cond
	size    int64 // that is there
	soon    int64 // of it, that is not to wait for more
	awaited int64 // size that the first reader waits for, or 0
	ended   bool
	err     error // why it ended early
}

func newGrowing(name, path string) *growing {
	g := &growing{name: name, path: path}
	g.more.L = &g.mu
	return g
}

// grew tells readers that there is more, once it is enough for one of them: it grows in
// small pieces, and each node has a reader.
func (g *growing) grew(n int) {
	g.mu.Lock()
	g.size += int64(n)
	enough := g.awaited > 0 && g.size >= g.awaited
	if enough {
		g.awaited = 0
	}
	g.mu.Unlock()
	if enough {
		g.more.Broadcast()
	}
}

// hurry tells readers not to wait for more than there is.
func (g *growing) hurry() {
	g.mu.Lock()
	g.soon = g.size
	g.mu.Unlock()
	g.more.Broadcast()
}

// end tells readers that nothing more comes.
func (g *growing) end(err error) {
	g.mu.Lock()
	g.ended, g.err = true, err
	g.mu.Unlock()
	g.more.Broadcast()
}

// wait waits until so much is there behind a place, or what is there is not to wait, and
// tells how much that is.
func (g *growing) wait(at, n int64) (size int64, ended bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.size < at+n && g.soon <= at && !g.ended {
		if g.awaited == 0 || at+n < g.awaited {
			g.awaited = at + n
		}
		g.more.Wait()
	}
	return g.size, g.ended, g.err
}

// whole waits for the end and tells the size.
func (g *growing) whole() (int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.ended {
		g.more.Wait()
	}
	return g.size, g.err
}

func (g *growing) open() (io.ReadCloser, error) {
	file, err := os.Open(g.name)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = os.Open(g.path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, ended := g.whole(); ended != nil {
			return nil, ended // it was taken away again
		}
	}
	if err != nil {
		return nil, err
	}
	return &growingReader{g: g, file: file}, nil
}

type growingReader struct {
	g    *growing
	file *os.File
	at   int64
}

// Read gives as much as is asked for, unless what there is is not to wait. The end comes
// with the last of it.
func (r *growingReader) Read(b []byte) (int, error) {
	size, ended, err := r.g.wait(r.at, int64(len(b)))
	if err != nil {
		return 0, err
	}
	n, err := r.file.ReadAt(b[:min(int64(len(b)), size-r.at)], r.at)
	r.at += int64(n)
	if err == nil && ended && r.at == size {
		err = io.EOF
	}
	return n, err
}

func (r *growingReader) Close() error { return r.file.Close() }

// growingWriter writes into a growing file.
type growingWriter struct {
	g    *growing
	file io.Writer
}

func (w growingWriter) Write(b []byte) (int, error) {
	n, err := w.file.Write(b)
	w.g.grew(n)
	return n, err
}
