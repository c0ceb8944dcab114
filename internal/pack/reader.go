package pack

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// maxChanges bounds the manifest's changes in a pack: about ten million files.
const maxChanges = 1 << 30

// Reader reads a pack.
type Reader struct {
	z       *zstd.Decoder
	r       *bufio.Reader
	changes []byte
	buf     []byte
}

// NewReader reads the begin of a pack.
func NewReader(r io.Reader) (*Reader, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(windowSize), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("read a pack: %w", err)
	}
	p := &Reader{z: z, r: bufio.NewReaderSize(z, 1<<16), buf: make([]byte, 1<<16)}
	if err := p.begin(); err != nil {
		z.Close()
		return nil, fmt.Errorf("read a pack: %w", err)
	}
	return p, nil
}

func (p *Reader) begin() error {
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(p.r, head); err != nil {
		return err
	}
	if string(head) != magic {
		return fmt.Errorf("it begins with %q", head)
	}
	length, err := binary.ReadUvarint(p.r)
	if err != nil {
		return err
	}
	if length > maxChanges {
		return fmt.Errorf("its changes have %d bytes", length)
	}
	p.changes, err = io.ReadAll(io.LimitReader(p.r, int64(length)))
	if err == nil && uint64(len(p.changes)) != length {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Changes are what ApplyChanges takes.
func (p *Reader) Changes() []byte { return p.changes }

// Places give Next the files that contents refer to.
type Places struct {
	Old  func() (io.ReaderAt, int64, error) // the node's old file of the same path
	Same func(i int) (io.Reader, error)     // an earlier content of this pack
}

// Next writes the next content, of size bytes, to w.
func (p *Reader) Next(w io.Writer, size int64, places Places) error {
	b, err := p.r.ReadByte()
	if err != nil {
		return fmt.Errorf("read a pack: %w", noEOF(err))
	}
	switch method(b) {
	case methodWhole:
		_, err = io.CopyN(w, p.r, size)
	case methodDelta:
		err = p.delta(w, size, places)
	case methodSame:
		err = p.same(w, size, places)
	default:
		err = fmt.Errorf("unknown method %d", b)
	}
	if err != nil {
		return fmt.Errorf("read a pack: %w", noEOF(err))
	}
	return nil
}

func (p *Reader) same(w io.Writer, size int64, places Places) error {
	i, err := binary.ReadUvarint(p.r)
	if err != nil {
		return err
	}
	content, err := places.Same(int(min(i, 1<<40)))
	if err != nil {
		return err
	}
	_, err = io.CopyN(w, content, size)
	return err
}

func (p *Reader) delta(w io.Writer, size int64, places Places) error {
	old, oldSize, err := places.Old()
	if err != nil {
		return err
	}
	var end int64
	for size > 0 {
		literals, err := binary.ReadUvarint(p.r)
		if err != nil {
			return err
		}
		if literals > uint64(size) {
			return fmt.Errorf("a delta makes a file longer than it is")
		}
		if _, err := io.CopyN(w, p.r, int64(literals)); err != nil {
			return err
		}
		size -= int64(literals)
		copied, err := binary.ReadUvarint(p.r)
		if err != nil {
			return err
		}
		if copied == 0 {
			if literals == 0 {
				return fmt.Errorf("a delta does nothing")
			}
			continue
		}
		distance, err := binary.ReadVarint(p.r)
		if err != nil {
			return err
		}
		start := end + distance
		if copied > uint64(size) || start < 0 || start > oldSize || int64(copied) > oldSize-start {
			return fmt.Errorf("a delta copies from outside the old file")
		}
		if _, err := io.CopyBuffer(w, io.NewSectionReader(old, start, int64(copied)), p.buf); err != nil {
			return err
		}
		size -= int64(copied)
		end = start + int64(copied)
	}
	return nil
}

// Close frees what reading took.
func (p *Reader) Close() { p.z.Close() }

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
