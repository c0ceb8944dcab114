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
	name  string // where it is being written
	path  string // where it will be then
	mu    sync.Mutex
	more  sync.Cond
	size  int64 // that is there
	ended bool
	err   error // why it ended early
}

func newGrowing(name, path string) *growing {
	g := &growing{name: name, path: path}
	g.more.L = &g.mu
	return g
}

// wakeEvery is of how many bytes readers are told at once. It grows in small pieces, and
// each node has a reader.
const wakeEvery = 64 << 10

// grew tells readers that there is more.
func (g *growing) grew(n int) {
	g.mu.Lock()
	before := g.size
	g.size += int64(n)
	g.mu.Unlock()
	if before/wakeEvery != (before+int64(n))/wakeEvery {
		g.more.Broadcast()
	}
}

// end tells readers that nothing more comes.
func (g *growing) end(err error) {
	g.mu.Lock()
	g.ended, g.err = true, err
	g.mu.Unlock()
	g.more.Broadcast()
}

// wait waits until so much is there behind a place, or the end, and tells how much there
// is.
func (g *growing) wait(at, n int64) (size int64, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.size < at+n && !g.ended {
		g.more.Wait()
	}
	if g.size <= at && g.err == nil {
		return g.size, io.EOF
	}
	return g.size, g.err
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

func (r *growingReader) Read(b []byte) (int, error) {
	size, err := r.g.wait(r.at, int64(len(b)))
	if err != nil {
		return 0, err
	}
	n, err := r.file.ReadAt(b[:min(int64(len(b)), size-r.at)], r.at)
	r.at += int64(n)
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
