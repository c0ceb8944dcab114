package svn

import (
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

// scaleRevisions is how long the history is that BenchmarkScale reads.
const scaleRevisions = 3000

// dumpOf is a history of a file on trunk, from which production parted at r3, in svnadmin's form.
func dumpOf(revisions int) string {
	var b strings.Builder
	props := func(pairs ...string) string {
		text := ""
		for i := 0; i < len(pairs); i += 2 {
			text += fmt.Sprintf("K %d\n%s\nV %d\n%s\n", len(pairs[i]), pairs[i], len(pairs[i+1]), pairs[i+1])
		}
		return text + "PROPS-END\n"
	}
	revision := func(n int, message string) {
		p := props("svn:log", message, "svn:author", "bo", "svn:date", fmt.Sprintf("2026-01-01T00:%02d:%02d.000000Z", n/60%60, n%60))
		fmt.Fprintf(&b, "Revision-number: %d\nProp-content-length: %d\nContent-length: %d\n\n%s\n", n, len(p), len(p), p)
	}
	b.WriteString("SVN-fs-dump-format-version: 2\n\n")
	revision(1, "begin")
	for _, folder := range []string{"trunk", "branches"} {
		fmt.Fprintf(&b, "Node-path: %s\nNode-kind: dir\nNode-action: add\nProp-content-length: 10\nContent-length: 10\n\nPROPS-END\n\n\n", folder)
	}
	file := func(action, name, content string) {
		fmt.Fprintf(&b, "Node-path: %s\nNode-kind: file\nNode-action: %s\nText-content-length: %d\nContent-length: %d\n\n%s\n\n", name, action, len(content), len(content), content)
	}
	revision(2, "file")
	file("add", "trunk/a", "0\n")
	revision(3, "branch")
	fmt.Fprintf(&b, "Node-path: %s\nNode-kind: dir\nNode-action: add\nNode-copyfrom-rev: 2\nNode-copyfrom-path: trunk\n\n\n", production)
	for n := 4; n <= revisions; n++ {
		revision(n, fmt.Sprintf("change %d (#%d)", n, n))
		file("change", "trunk/a", fmt.Sprintln(n))
	}
	return b.String()
}

// BenchmarkScale measures a long history on a server.
func BenchmarkScale(b *testing.B) {
	w := newWorld(b)
	load := exec.Command("svnadmin", "load", "-q", w.dir)
	load.Stdin = strings.NewReader(dumpOf(scaleRevisions))
	if out, err := load.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	address := serve(b, w, "[general]\nanon-access = write\n") + "/" + url.PathEscape(filepath.Base(w.dir))
	r, err := Open(b.Context(), Options{Address: address, Mirror: filepath.Join(b.TempDir(), "m"), Branches: []string{"trunk"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("standees", func(b *testing.B) {
		for b.Loop() {
			all, err := r.Standees(b.Context(), "trunk", production, false)
			if err != nil || len(all) < 100 {
				b.Fatal(len(all), err)
			}
		}
	})
	b.Run("mark 857", func(b *testing.B) {
		for try := 0; b.Loop(); try++ {
			var marks []rollcall.Mark
			for i := range 857 {
				marks = append(marks, rollcall.Mark{Kind: rollcall.MarkIntegrated, ID: revisionID(int64(4 + i*3 + try%3))})
			}
			if _, err := r.Mark(b.Context(), "trunk", production, marks, "ada"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("standees of many", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Standees(b.Context(), "trunk", production, true); err != nil {
				b.Fatal(err)
			}
		}
	})
}
