package pack

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-dev/rollcall"
)

func roundTrip(t interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, old, new []byte,
) int {
	var buf bytes.Buffer
	w, err := NewWriter(&buf, []byte("changes"), int64(len(new)))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Changed(old, new); err != nil {
		t.Fatal(err)
	}
	if err := w.Whole(int64(len(old)), bytes.NewReader(old)); err != nil {
		t.Fatal(err)
	}
	if err := w.Same(0); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(&buf)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if string(r.Changes()) != "changes" {
		t.Fatalf("changes are %q", r.Changes())
	}
	var made [3]bytes.Buffer
	places := Places{
		Old:  func() (io.ReaderAt, int64, error) { return bytes.NewReader(old), int64(len(old)), nil },
		Same: func(i int) (io.Reader, error) { return bytes.NewReader(made[i].Bytes()), nil },
	}
	for i, want := range [][]byte{new, old, new} {
		if err := r.Next(&made[i], int64(len(want)), places); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(made[i].Bytes(), want) {
			t.Fatalf("content %d differs: %d bytes for %d", i, made[i].Len(), len(want))
		}
	}
	var d differ
	delta, _ := d.append(nil, old, new)
	return len(delta)
}

func TestDeltaIsSmall(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	old := make([]byte, 100_000)
	for i := range old {
		old[i] = byte(random.UintN(256))
	}
	edited := bytes.Join([][]byte{[]byte("new begin"), old[:500], old[520:70_000], []byte("middle"), old[70_000:], []byte("end")}, nil)
	if size := roundTrip(t, old, edited); size > 100 {
		t.Errorf("three edits take %d bytes", size)
	}
	swapped := append(append([]byte{}, old[50_000:]...), old[:50_000]...)
	if size := roundTrip(t, old, swapped); size > 60 {
		t.Errorf("two swapped halves take %d bytes", size)
	}
	roundTrip(t, nil, old)
	roundTrip(t, old, nil)
	roundTrip(t, bytes.Repeat([]byte{0}, 5000), bytes.Repeat([]byte{0}, 7001))
}

func TestDeltaOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old := []byte(strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"a", "lorem ipsum dolor ", "sit amet consectetur", "\n", "0123456789abcdef"})).Draw(t, "old"), ""))
		new := []byte(strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"b", "lorem ipsum dolor ", "sit amet consectetur", "\r\n", "0123456789abcdef", string(old)})).Draw(t, "new"), ""))
		if len(new) < 1<<20 {
			roundTrip(t, old, new)
		}
	})
}

func entry(path string, t rollcall.EntryType, content string, mtime int64) rollcall.Entry {
	e := rollcall.Entry{Path: path, Type: t, Mtime: mtime}
	switch t {
	case rollcall.TypeLink:
		e.Target = content
	case rollcall.TypeFile, rollcall.TypeExecutable:
		e.Size = int64(len(content))
		copy(e.Hash[:], fmt.Sprintf("%-32s", content))
	}
	return e
}

func TestWantsAndChanges(t *testing.T) {
	base := &rollcall.Manifest{Entries: []rollcall.Entry{
		entry("a", 'f', "one", 1), entry("b", 'f', "two", 1), entry("c", 'f', "three", 1), entry("d", 'l', "a", 1), entry("e", 'f', "old", 1), entry("gone", 'f', "x", 1),
	}}
	to := &rollcall.Manifest{Entries: []rollcall.Entry{
		entry("a", 'f', "one", 1), entry("b", 'x', "two", 1), entry("c2", 'f', "three", 1), entry("d", 'f', "a", 2), entry("e", 'f', "new", 2), entry("f/g", 'f', "fresh", 2), entry("h", 'f', "one", 5),
	}}
	got := ""
	for _, w := range Wants(base, to) {
		from := "-"
		if w.From != nil {
			from = w.From.Path
		}
		got += fmt.Sprintf("%s %s %s\n", w.Entry.Path, [...]string{"link", "copy", "content"}[w.How], from)
	}
	want := "a link a\nb copy b\nc2 link c\nd content -\ne content e\nf/g content -\nh copy a\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	back, err := ApplyChanges(base, AppendChanges(nil, base, to))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(to, back); diff != "" {
		t.Error(diff)
	}
	empty := &rollcall.Manifest{}
	if back, err = ApplyChanges(empty, AppendChanges(nil, empty, to)); err != nil || !cmp.Equal(to, back) {
		t.Errorf("from nothing: %v", err)
	}
}

// A pack comes from the controller, but a node must survive any bytes.
func FuzzReader(f *testing.F) {
	var buf bytes.Buffer
	w, _ := NewWriter(&buf, AppendChanges(nil, &rollcall.Manifest{}, &rollcall.Manifest{Entries: []rollcall.Entry{entry("a", 'f', "one", 1)}}), 10)
	w.Changed([]byte("0123456789abcdef0123456789abcdef"), []byte("0123456789abcdef0123456789abcdefX"))
	w.Close()
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		defer r.Close()
		ApplyChanges(&rollcall.Manifest{}, r.Changes())
		old := []byte("0123456789abcdef0123456789abcdef")
		var out bytes.Buffer
		err = r.Next(&out, 1000, Places{
			Old:  func() (io.ReaderAt, int64, error) { return bytes.NewReader(old), int64(len(old)), nil },
			Same: func(int) (io.Reader, error) { return nil, fmt.Errorf("none") },
		})
		if err == nil && out.Len() != 1000 {
			t.Errorf("%d bytes were made", out.Len())
		}
	})
}
