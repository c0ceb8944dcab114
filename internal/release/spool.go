package release

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/rollcall-dev/rollcall"
)

// spoolMemory is how many bytes of contents stay in memory before a file takes over.
const spoolMemory = 32 << 20

// spool keeps the contents that this process read, so that what was hashed for a
// manifest is not read from the repository again for the pack.
type spool struct {
	mu     sync.Mutex
	memory map[rollcall.Hash][]byte
	held   int
	file   *os.File
	end    int64
	places map[rollcall.Hash]place
}

type place struct{ at, size int64 }

// add keeps a content.
func (s *spool) add(hash rollcall.Hash, content []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory == nil {
		s.memory, s.places = map[rollcall.Hash][]byte{}, map[rollcall.Hash]place{}
	}
	if s.held+len(content) <= spoolMemory {
		s.memory[hash] = bytes.Clone(content)
		s.held += len(content)
		return nil
	}
	if s.file == nil {
		file, err := os.CreateTemp("", "rollcall-spool-")
		if err != nil {
			return fmt.Errorf("keep contents aside: %w", err)
		}
		os.Remove(file.Name()) // it lives as long as this process
		s.file = file
	}
	if _, err := s.file.WriteAt(content, s.end); err != nil {
		return fmt.Errorf("keep contents aside: %w", err)
	}
	s.places[hash] = place{s.end, int64(len(content))}
	s.end += int64(len(content))
	return nil
}

// open gives a content that was added, or nil.
func (s *spool) open(hash rollcall.Hash) io.Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if content, ok := s.memory[hash]; ok {
		return bytes.NewReader(content)
	}
	if p, ok := s.places[hash]; ok {
		return io.NewSectionReader(s.file, p.at, p.size)
	}
	return nil
}

func (s *spool) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		s.file.Close()
	}
	s.memory, s.places, s.file, s.held, s.end = nil, nil, nil, 0, 0
}
