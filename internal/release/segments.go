package release

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/zeebo/blake3"

	"github.com/rollcall-dev/rollcall/internal/proc"
)

const (
	// maxSegment is from how many bytes on a segment is appended to no more: what is not
	// used for long goes in such pieces.
	maxSegment = 64 << 20
	// maxKept is up to how many bytes a content is kept: it is in memory at once.
	maxKept = 64 << 20
	// appendAtOnce is how many bytes of small contents are written together.
	appendAtOnce = 1 << 20
)

// segments keep contents that were read from a repository, one behind the other, so that
// none is read from it twice: it is compressed there, and asking git costs more than a
// file does. What cache.db says of their places is only a hint: a segment may have been
// evicted, or have lost its end with the power. So the hash is compared of what was
// written before this machine's last start. A disk's own errors are found by the nodes.
type segments struct {
	dir  string
	boot int64 // what names begin with that were given since this machine's last start; 0: unknown

	mu      sync.Mutex
	out     *os.File // what this process appends to, locked, or nil
	name    int64
	end     int64  // of what is in the file
	waiting []byte // to be written behind it
	open    map[int64]*os.File
}

// bootShift is how many bits of a segment's name are its own: by chance, for what cache.db
// says of an evicted one must not be found in another.
const bootShift = 32

// openSegments looks into a folder of segments.
func openSegments(dir string) segments {
	boot := proc.Self().Boot
	if boot == "" {
		return segments{dir: dir}
	}
	h := fnv.New32a()
	_, _ = io.WriteString(h, boot) // a hash takes everything
	return segments{dir: dir, boot: int64(h.Sum32() >> 1)}
}

// fresh tells whether a segment was begun since this machine's last start.
func (s *segments) fresh(name int64) bool { return s.boot != 0 && name>>bootShift == s.boot }

// place is where a content is kept. The zero place is none.
type place struct{ segment, at int64 }

// keep reads a content and keeps it, unless it turns out to be no good. It is there for
// readers after the next flush.
func (s *segments) keep(size int64, from io.Reader, good func(content []byte) bool) (place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out != nil && s.end+int64(len(s.waiting)) >= maxSegment {
		if err := s.finish(); err != nil {
			return place{}, err
		}
	}
	if s.out != nil && int64(len(s.waiting))+size > appendAtOnce {
		if err := s.write(); err != nil {
			return place{}, err
		}
	}
	s.waiting = slices.Grow(s.waiting, int(size))
	begin := len(s.waiting)
	content := s.waiting[begin : begin+int(size)]
	if _, err := io.ReadFull(from, content); err != nil {
		return place{}, err
	}
	if !good(content) {
		return place{}, nil
	}
	if s.out == nil {
		if err := s.begin(); err != nil {
			return place{}, fmt.Errorf("keep a content: %w", err)
		}
	}
	s.waiting = s.waiting[:begin+int(size)]
	return place{s.name, s.end + int64(begin)}, nil
}

// begin goes on with a segment that has room and that no other process appends to, or
// begins one.
func (s *segments) begin() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, info := segmentName(e)
		if name != 0 && name>>bootShift == s.boot && info.Size() < maxSegment && s.claim(name, os.O_RDWR) == nil {
			return nil
		}
	}
	for {
		var own [bootShift / 8]byte
		_, _ = rand.Read(own[:]) // it never fails
		err := s.claim(s.boot<<bootShift|int64(binary.NativeEndian.Uint32(own[:])|1), os.O_RDWR|os.O_CREATE|os.O_EXCL)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}

func (s *segments) claim(name int64, flags int) error {
	file, err := os.OpenFile(s.path(name), flags, 0o600)
	if err != nil {
		return err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	var info fs.FileInfo
	if err == nil {
		info, err = file.Stat()
	}
	if err != nil {
		file.Close()
		return err
	}
	s.out, s.name, s.end = file, name, info.Size()
	return nil
}

func (s *segments) write() error {
	n, err := s.out.WriteAt(s.waiting, s.end)
	s.end += int64(n)
	s.waiting = s.waiting[:0]
	if err != nil {
		return fmt.Errorf("keep a content: %w", err)
	}
	return nil
}

func (s *segments) finish() error {
	err := s.write()
	s.out.Close()
	s.out, s.end = nil, 0
	return err
}

// flush writes what waits, and lets others append.
func (s *segments) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil {
		return nil
	}
	return s.finish()
}

// reader opens a segment, or gives nil where it is gone.
func (s *segments) reader(name int64) *os.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	file, known := s.open[name]
	if known {
		return file
	}
	file, err := os.Open(s.path(name))
	if err != nil {
		file = nil
	} else {
		now := time.Now()
		_ = os.Chtimes(s.path(name), now, now) // the least recently used goes first
	}
	if s.open == nil {
		s.open = map[int64]*os.File{}
	}
	s.open[name] = file
	return file
}

// read gives a content, in a buffer that has room for it, or nothing where it is not what
// it was.
func (s *segments) read(one *source, buf []byte) (content []byte, ok bool) {
	file := s.reader(one.at.segment)
	if file == nil {
		return nil, false
	}
	content = buf[:one.size]
	if _, err := file.ReadAt(content, one.at.at); err != nil {
		return nil, false
	}
	return content, s.fresh(one.at.segment) && !one.doubted || blake3.Sum256(content) == one.hash
}

func (s *segments) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out != nil {
		s.out.Close() // only after an error: what waited is not asked for
	}
	for _, file := range s.open {
		if file != nil {
			file.Close()
		}
	}
	s.out, s.waiting, s.open = nil, nil, nil
}

func (s *segments) path(name int64) string {
	return filepath.Join(s.dir, strconv.FormatInt(name, 16))
}

func segmentName(e fs.DirEntry) (int64, fs.FileInfo) {
	name, err := strconv.ParseInt(e.Name(), 16, 64)
	if err != nil || name <= 0 {
		return 0, nil
	}
	info, err := e.Info()
	if err != nil {
		return 0, nil
	}
	return name, info
}
