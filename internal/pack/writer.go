package pack

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// windowSize bounds what a node keeps in memory while it reads a pack.
const windowSize = 4 << 20

// Writer writes a pack. Contents come in the order of Wants.
type Writer struct {
	z      *zstd.Encoder
	b      []byte
	err    error
	differ differ
}

// NewWriter begins a pack with the manifest's changes. raw is about how many bytes
// will follow: the more there are, the less each is worth compressing well.
func NewWriter(w io.Writer, changes []byte, raw int64) (*Writer, error) {
	level := zstd.SpeedDefault // what is better makes packs of deltas hardly smaller, and clears megabytes first
	if raw >= 16<<20 {
		level = zstd.SpeedFastest
	}
	window := windowSize // it is made twice as large: not for what is far smaller
	for window > 64<<10 && int64(window)/2 >= raw+int64(len(changes)) {
		window /= 2
	}
	// Not concurrent: to wake others for every block costs more than it saves.
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(level), zstd.WithWindowSize(window), zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("write a pack: %w", err)
	}
	p := &Writer{z: z}
	p.b = append(p.b, magic...)
	p.b = binary.AppendUvarint(p.b, uint64(len(changes)))
	p.write(p.b)
	p.write(changes)
	return p, p.err
}

func (p *Writer) write(b []byte) {
	if p.err == nil {
		if _, err := p.z.Write(b); err != nil {
			p.err = fmt.Errorf("write a pack: %w", err)
		}
	}
}

// Flush writes what waits to be compressed with more.
func (p *Writer) Flush() error {
	if err := p.z.Flush(); err != nil && p.err == nil {
		p.err = fmt.Errorf("write a pack: %w", err)
	}
	return p.err
}

// Whole writes a content of size bytes.
func (p *Writer) Whole(size int64, content io.Reader) error {
	p.write([]byte{byte(methodWhole)})
	if p.err != nil {
		return p.err
	}
	n, err := io.Copy(p.z, content)
	if err == nil && n != size {
		err = fmt.Errorf("a content is %d B long instead of %d B", n, size)
	}
	if err != nil {
		p.err = fmt.Errorf("write a pack: %w", err)
	}
	return p.err
}

// Changed writes a content of which the node has an older one: as a delta where that is
// worth it.
func (p *Writer) Changed(old, new []byte) error {
	delta, literals := p.differ.append(p.b[:0], old, new)
	p.b = delta
	if literals > len(new)*9/10 {
		p.write([]byte{byte(methodWhole)})
		p.write(new)
	} else {
		p.write([]byte{byte(methodDelta)})
		p.write(delta)
	}
	return p.err
}

// Same writes a content that an earlier one of this pack equals; i counts from 0.
func (p *Writer) Same(i int) error {
	p.write(binary.AppendUvarint([]byte{byte(methodSame)}, uint64(i)))
	return p.err
}

// Close ends the pack. It does not close the writer below.
func (p *Writer) Close() error {
	if err := p.z.Close(); err != nil && p.err == nil {
		p.err = fmt.Errorf("write a pack: %w", err)
	}
	return p.err
}
