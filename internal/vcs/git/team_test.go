package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/vcs/vcstest"
)

// Many contents come from several processes, whose pipes some of them do not fit into,
// and in the order in which they were asked for.
func TestManyBlobs(t *testing.T) {
	h := newHistory(t)
	files, contents := map[string]string{}, map[string]string{}
	for i := range 5 * manyNames {
		size := i * 97 % 3000
		if i%40 == 7 {
			size = 2 << 20
		}
		files[fmt.Sprintf("f%03d", i)] = fmt.Sprintf("%d %s", i, strings.Repeat("x", size))
	}
	h.Commit(t, vcstest.Commit{Branch: "main", Author: "A", Message: "many", Files: files})
	repo := h.Repository(t)
	tip, err := repo.Tip(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	changes, err := repo.Changes(t.Context(), "", tip.Tree)
	if err != nil {
		t.Fatal(err)
	}
	var blobs []string
	for _, c := range changes {
		if content, ok := files[c.Path]; ok {
			blobs = append(blobs, c.New.Blob)
			contents[c.New.Blob] = content
		}
	}
	all := func() {
		t.Helper()
		next := 0
		err := repo.Blobs(t.Context(), blobs, func(i int, size int64, content io.Reader) error {
			got, err := io.ReadAll(io.LimitReader(content, 1+int64(i%3)*size)) // whoever leaves some of it
			want := contents[blobs[i]]
			if err != nil || i != next || size != int64(len(want)) || !strings.HasPrefix(want, string(got)) {
				t.Errorf("content %d, when %d is expected, begins with %.20q for %.20q: %v", i, next, got, want, err)
			}
			next++
			return err
		})
		if err != nil || next != len(files) {
			t.Errorf("%d contents of %d: %v", next, len(files), err)
		}
	}
	all()
	enough := errors.New("enough")
	if err := repo.Blobs(t.Context(), blobs, func(i int, _ int64, _ io.Reader) error {
		if i == 3*manyNames {
			return enough
		}
		return nil
	}); !errors.Is(err, enough) {
		t.Errorf("stopped: %v", err)
	}
	all()
	gone := append(blobs[:len(blobs):len(blobs)], strings.Repeat("1", 40))
	if err := repo.Blobs(t.Context(), gone, func(int, int64, io.Reader) error { return nil }); rollcall.KindOf(err) != rollcall.KindInternal {
		t.Errorf("a content that is not there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := repo.Blobs(ctx, blobs, func(int, int64, io.Reader) error { cancel(); return nil }); err == nil {
		t.Error("nothing told of an end from outside")
	}
	all()
}
