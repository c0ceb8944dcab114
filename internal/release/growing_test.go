package release

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
)

const frame = 64 << 10 // what a reader asks for at once

// A reader waits for as much as it asks for, except for what is not to wait and at the end.
func TestGrowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "pack")
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		g := newGrowing(path, path)
		w := growingWriter{g, file}
		r, err := g.open()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var got []int // what each read gave
		var all bytes.Buffer
		var ended error
		go func() {
			b := make([]byte, frame)
			for ended == nil {
				var n int
				n, ended = r.Read(b)
				got = append(got, n)
				all.Write(b[:n])
			}
		}()
		expect := func(when string, want ...int) {
			t.Helper()
			synctest.Wait()
			total := 0
			for _, n := range want {
				total += n
			}
			if len(got) != len(want) || all.Len() != total {
				t.Errorf("%s: reads of %v bytes, not of %v", when, got, want)
			}
		}
		some := bytes.Repeat([]byte("x"), 1000)
		w.Write(some)
		expect("little is there")
		g.hurry()
		expect("it is not to wait", 1000)
		for range 2 * frame / 1000 {
			w.Write(some)
		}
		expect("there is enough", 1000, frame)
		w.Write(some)
		expect("there is more", 1000, frame, frame)
		w.Write(some)
		g.end(nil)
		expect("it ended", 1000, frame, frame, 2*frame/1000*1000+2000-2*frame)
		if !errors.Is(ended, io.EOF) {
			t.Errorf("the end came with %v", ended)
		}
	})
}
