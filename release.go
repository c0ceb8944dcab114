package rollcall

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
)

// Hash is a BLAKE3-256 of a file's content.
type Hash [32]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ReleaseID names a release: the BLAKE3-256 of its manifest's name part in hex, so
// the same files have the same name everywhere.
type ReleaseID string

// Short is the id as people read it.
func (id ReleaseID) Short() string {
	if len(id) > 12 {
		return string(id[:12])
	}
	return string(id)
}

// Valid tells whether id has the form of a release's name. It is asked before an id
// from a node, a person or a file comes near a path.
func (id ReleaseID) Valid() bool {
	if len(id) != 64 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// EntryType is what a path of a release is.
type EntryType byte

// The types of entries. A folder is listed only where it is empty.
const (
	TypeFile       EntryType = 'f'
	TypeExecutable EntryType = 'x'
	TypeLink       EntryType = 'l'
	TypeFolder     EntryType = 'd'
)

// Entry is one path of a release.
type Entry struct {
	Path   string // slash-separated, relative, clean
	Type   EntryType
	Size   int64  // bytes of a file
	Hash   Hash   // of a file's content
	Target string // of a link
	Mtime  int64  // seconds since 1970; not part of the name
}

// IsFile tells whether the entry has content.
func (e *Entry) IsFile() bool { return e.Type == TypeFile || e.Type == TypeExecutable }

// SameContent tells whether two entries hold the same bytes, whatever their modes.
func (e *Entry) SameContent(o *Entry) bool {
	return e.IsFile() && o.IsFile() && e.Hash == o.Hash && e.Size == o.Size
}

// Same tells whether two entries are alike in everything that makes a release's name.
func (e *Entry) Same(o *Entry) bool {
	return e.Type == o.Type && e.Size == o.Size && e.Hash == o.Hash && e.Target == o.Target
}

// Manifest lists every path of a release, sorted by the bytes of the path.
type Manifest struct {
	Entries []Entry
}

// Find returns the entry of a path, or nil.
func (m *Manifest) Find(p string) *Entry {
	i, ok := sort.Find(len(m.Entries), func(i int) int { return strings.Compare(p, m.Entries[i].Path) })
	if !ok {
		return nil
	}
	return &m.Entries[i]
}

// Size is the bytes of all files together.
func (m *Manifest) Size() int64 {
	var total int64
	for i := range m.Entries {
		total += m.Entries[i].Size
	}
	return total
}

const manifestNamePrefix = "rollcall manifest 1\n"

// WriteName writes the bytes whose hash is the release's id.
func (m *Manifest) WriteName(w io.Writer) error {
	b := append(make([]byte, 0, 32<<10), manifestNamePrefix...)
	for i := range m.Entries {
		if b = m.Entries[i].appendName(b); len(b) < cap(b)/2 {
			continue
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	_, err := w.Write(b)
	return err
}

func (e *Entry) appendName(b []byte) []byte {
	b = append(b, byte(e.Type))
	b = appendText(b, e.Path)
	switch e.Type {
	case TypeFile, TypeExecutable:
		b = binary.AppendUvarint(b, uint64(e.Size))
		b = append(b, e.Hash[:]...)
	case TypeLink:
		b = appendText(b, e.Target)
	}
	return b
}

// AppendEntry appends the stored form of an entry: its name part and its mtime.
func AppendEntry(b []byte, e *Entry) []byte {
	return binary.AppendVarint(e.appendName(b), e.Mtime)
}

const manifestFilePrefix = "rollcall manifest file 1\n"

// AppendBinary appends the stored form of the manifest (version 1).
func (m *Manifest) AppendBinary(b []byte) ([]byte, error) {
	b = slices.Grow(b, len(m.Entries)*100)
	b = append(b, manifestFilePrefix...)
	b = binary.AppendUvarint(b, uint64(len(m.Entries)))
	for i := range m.Entries {
		b = AppendEntry(b, &m.Entries[i])
	}
	return b, nil
}

// ParseManifest reads the stored form. Every path is checked: what comes from disk
// or from a node is not trusted to stay beneath its folder.
func ParseManifest(b []byte) (*Manifest, error) { return parseManifest(string(b)) }

// ReadManifest reads the stored form of about so many bytes.
func ReadManifest(r io.Reader, size int64) (*Manifest, error) {
	var b strings.Builder // its bytes become the paths: a large manifest is not copied
	b.Grow(int(min(max(size, 0), 1<<30)))
	if _, err := io.Copy(&b, r); err != nil {
		return nil, err
	}
	return parseManifest(b.String())
}

func parseManifest(text string) (*Manifest, error) {
	rest, ok := strings.CutPrefix(text, manifestFilePrefix)
	if !ok {
		return nil, fmt.Errorf("not a manifest of version 1")
	}
	r := &entryReader{text: rest}
	count := r.uvarint()
	if r.err == nil && count > uint64(len(rest)) {
		return nil, fmt.Errorf("manifest: %d entries in %d bytes", count, len(rest))
	}
	m := &Manifest{Entries: make([]Entry, count)}
	for i := range m.Entries {
		if r.entry(&m.Entries[i]); r.err != nil {
			return nil, r.err
		}
	}
	if r.text != "" {
		return nil, fmt.Errorf("manifest: %d bytes too many", len(r.text))
	}
	return m, m.Check()
}

// ParseEntries reads entries written by AppendEntry, until the bytes end.
func ParseEntries(b []byte) ([]Entry, error) {
	r := &entryReader{text: string(b)}
	var all []Entry
	for r.text != "" {
		var e Entry
		if r.entry(&e); r.err != nil {
			return nil, r.err
		}
		all = append(all, e)
	}
	return all, nil
}

// Check refuses a manifest that is out of order, or whose paths could leave the
// folder that they are laid out in, or lie below another's file or link.
func (m *Manifest) Check() error {
	before := ""
	var begins []int // lengths of earlier paths that the one before begins with, itself the last
	for i := range m.Entries {
		e := &m.Entries[i]
		shared := sharedLength(before, e.Path)
		// The folders that it shares with the one before were looked at there.
		if err := checkPath(e.Path, strings.LastIndexByte(e.Path[:shared], '/')+1); err != nil {
			return err
		}
		if e.Size < 0 {
			return fmt.Errorf("manifest: %q has the size %d", e.Path, e.Size)
		}
		if i > 0 && (shared == len(e.Path) || shared < len(before) && before[shared] > e.Path[shared]) {
			return fmt.Errorf("manifest: %q is out of order", e.Path)
		}
		if e.Type == TypeLink {
			if err := CheckLink(e.Path, e.Target); err != nil {
				return err
			}
		}
		// In the order of bytes, all paths that begin with another one follow it at once.
		for len(begins) > 0 && begins[len(begins)-1] > shared {
			begins = begins[:len(begins)-1]
		}
		for _, length := range begins {
			if e.Path[length] == '/' {
				return fmt.Errorf("manifest: %q lies below %q, which is no folder with contents", e.Path, e.Path[:length])
			}
		}
		begins = append(begins, len(e.Path))
		before = e.Path
	}
	return nil
}

func sharedLength(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// CheckPath refuses a path that is not clean, relative and free of control characters.
func CheckPath(p string) error { return checkPath(p, 0) }

// checkPath checks a path from the begin of one of its parts on.
func checkPath(p string, begin int) error {
	for i := begin; i <= len(p); i++ {
		if i < len(p) && p[i] != '/' {
			if p[i] < 0x20 || p[i] == 0x7f {
				return fmt.Errorf("path %q has a control character", p)
			}
			continue
		}
		if part := p[begin:i]; part == "" || part == "." || part == ".." {
			return fmt.Errorf("path %q is not a clean path beneath its folder", p)
		}
		begin = i + 1
	}
	return nil
}

// CheckLink refuses a link whose target is absolute or leaves the release. A ".."
// after a name is refused too: the name may be a link, and then the ".." leads
// elsewhere than it reads.
func CheckLink(p, target string) error {
	if target == "" || strings.ContainsRune(target, 0) {
		return fmt.Errorf("link %q has no usable target", p)
	}
	if target[0] == '/' {
		return fmt.Errorf("link %q points to the absolute path %q", p, target)
	}
	above, named := strings.Count(p, "/"), false
	for part := range strings.SplitSeq(target, "/") {
		switch {
		case part == "" || part == ".":
		case part != "..":
			named = true
		case named:
			return fmt.Errorf("link %q has .. after a name in its target %q", p, target)
		default:
			if above--; above < 0 {
				return fmt.Errorf("link %q points out of the release, to %q", p, target)
			}
		}
	}
	return nil
}

// FileChange is one path that differs between two manifests. Old or New is nil where
// the path is only in the other.
type FileChange struct {
	Path     string
	Old, New *Entry
}

// CompareManifests lists what changes from one manifest to another, in the order of
// the paths. A difference of mtime alone is listed too, because a node must learn it.
func CompareManifests(from, to *Manifest) []FileChange {
	var changes []FileChange
	i, j := 0, 0
	for i < len(from.Entries) || j < len(to.Entries) {
		switch {
		case j == len(to.Entries) || i < len(from.Entries) && from.Entries[i].Path < to.Entries[j].Path:
			changes = append(changes, FileChange{Path: from.Entries[i].Path, Old: &from.Entries[i]})
			i++
		case i == len(from.Entries) || from.Entries[i].Path > to.Entries[j].Path:
			changes = append(changes, FileChange{Path: to.Entries[j].Path, New: &to.Entries[j]})
			j++
		default:
			a, b := &from.Entries[i], &to.Entries[j]
			if a.Mtime != b.Mtime || !a.Same(b) {
				changes = append(changes, FileChange{Path: a.Path, Old: a, New: b})
			}
			i++
			j++
		}
	}
	return changes
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

type entryReader struct {
	text string
	err  error
}

func (r *entryReader) fail() {
	if r.err == nil {
		r.err = fmt.Errorf("manifest: %w", io.ErrUnexpectedEOF)
	}
	r.text = ""
}

func (r *entryReader) uvarint() uint64 {
	var v uint64
	for i := 0; i < len(r.text) && i < binary.MaxVarintLen64; i++ {
		c := r.text[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.text = r.text[i+1:]
			return v
		}
	}
	r.fail()
	return 0
}

func (r *entryReader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *entryReader) bytes(n uint64) string {
	if n > uint64(len(r.text)) {
		r.fail()
		return ""
	}
	text := r.text[:n]
	r.text = r.text[n:]
	return text
}

func (r *entryReader) entry(e *Entry) {
	t := r.bytes(1)
	if r.err != nil {
		return
	}
	e.Type = EntryType(t[0])
	e.Path = r.bytes(r.uvarint())
	switch e.Type {
	case TypeFile, TypeExecutable:
		e.Size = int64(r.uvarint())
		copy(e.Hash[:], r.bytes(32))
	case TypeLink:
		e.Target = r.bytes(r.uvarint())
	case TypeFolder:
	default:
		if r.err == nil {
			r.err = fmt.Errorf("manifest: unknown type %q of %q", t, e.Path)
		}
	}
	e.Mtime = r.varint()
}
