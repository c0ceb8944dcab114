package pack

import (
	"encoding/binary"
	"math/bits"
)

// A delta is a sequence of operations that ends when the new file's size is reached:
//
//	literals:uvarint bytes copied:uvarint [distance:varint]
//
// distance is from the end of the last copy in the old file to the begin of this one;
// it is absent where copied is 0.

const (
	blockSize = 16 // bytes that must match before a copy is looked at
	indexStep = 8  // one block of the old file in so many bytes is indexed
	// checkBits of a block's hash stand beside its place: most that differ need not be compared.
	// The other 25 hold the place of any block of a file that a delta is made of.
	checkBits = 7
	// MaxDelta is the size in bytes up to which a changed file is sent as a delta: old
	// and new are in memory together while it is made.
	MaxDelta = 256 << 20
)

// differ makes deltas. Its table serves one file after the other.
type differ struct{ table []uint32 }

// append appends the operations that make new out of old, and tells how many bytes of
// new are literals.
func (d *differ) append(b, old, new []byte) (_ []byte, literals int) {
	var literal, oldEnd int // new[literal:] is not yet written
	emit := func(from, to, start int) {
		b = binary.AppendUvarint(b, uint64(from-literal))
		b = append(b, new[literal:from]...)
		literals += from - literal
		b = binary.AppendUvarint(b, uint64(to-from))
		b = binary.AppendVarint(b, int64(start-oldEnd))
		oldEnd = start + to - from
		literal = to
	}
	// Most of a changed file is as it was, before and behind what changed: only what lies
	// between is indexed and looked through.
	head, tail := common(old, new)
	if head > 0 {
		emit(0, head, 0)
	}
	end := len(new) - tail
	table, shift := d.index(old[head : len(old)-tail])
	for position := head; position+blockSize <= end && len(table) > 0; {
		hash := blockHash(new[position:])
		slot := table[hash>>shift]
		candidate := head + int(slot>>checkBits)*indexStep
		if slot&(1<<checkBits-1) != checkOf(hash) || !sameBlock(old[candidate:], new[position:]) {
			// The farther from the last match, the less is looked at: what has nothing
			// in common with its old file must not cost more than reading it.
			position += 1 + (position-literal)>>9
			continue
		}
		from, start := position, candidate
		for from > literal && start > 0 && new[from-1] == old[start-1] {
			from--
			start--
		}
		length := blockSize + matchLength(old[candidate+blockSize:], new[position+blockSize:end])
		emit(from, position+length, start)
		position += length
	}
	if tail > 0 {
		emit(end, len(new), len(old)-tail)
	}
	if literal < len(new) {
		b = binary.AppendUvarint(b, uint64(len(new)-literal))
		b = append(b, new[literal:]...)
		literals += len(new) - literal
		b = binary.AppendUvarint(b, 0)
	}
	return b, literals
}

// common tells how many bytes at the begin and at the end are the same, where they are
// enough to be copied.
func common(old, new []byte) (head, tail int) {
	if head = matchLength(old, new); head < blockSize {
		head = 0
	}
	limit := min(len(old), len(new)) - head
	a, b := old[len(old)-limit:], new[len(new)-limit:]
	for tail+8 <= limit && binary.LittleEndian.Uint64(a[limit-tail-8:]) == binary.LittleEndian.Uint64(b[limit-tail-8:]) {
		tail += 8
	}
	for tail < limit && a[limit-tail-1] == b[limit-tail-1] {
		tail++
	}
	if tail < blockSize {
		tail = 0
	}
	return head, tail
}

// index maps the hash of a block to the first of its places, which keeps runs of equal
// bytes at their begin, and to what checkOf gives.
func (d *differ) index(old []byte) (table []uint32, shift int) {
	blocks := len(old) / indexStep
	if len(old) < blockSize {
		return nil, 0
	}
	size := bits.Len(uint(blocks)) + 1
	if cap(d.table) < 1<<size {
		d.table = make([]uint32, 1<<size)
	}
	table, shift = d.table[:1<<size], 64-size
	clear(table)
	for at := (len(old) - blockSize) / indexStep * indexStep; at >= 0; at -= indexStep {
		hash := blockHash(old[at:])
		table[hash>>shift] = uint32(at/indexStep)<<checkBits | checkOf(hash)
	}
	return table, shift
}

func blockHash(b []byte) uint64 {
	return (binary.LittleEndian.Uint64(b)*0x9E3779B185EBCA87 ^ binary.LittleEndian.Uint64(b[8:])) * 0xC2B2AE3D27D4EB4F
}

// checkOf is never 0, which stands where there is no block.
func checkOf(hash uint64) uint32 { return uint32(hash)&(1<<checkBits-1) | 1 }

func sameBlock(a, b []byte) bool {
	return binary.LittleEndian.Uint64(a) == binary.LittleEndian.Uint64(b) &&
		binary.LittleEndian.Uint64(a[8:]) == binary.LittleEndian.Uint64(b[8:])
}

func matchLength(a, b []byte) int {
	n, limit := 0, min(len(a), len(b))
	for n+8 <= limit {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < limit && a[n] == b[n] {
		n++
	}
	return n
}
