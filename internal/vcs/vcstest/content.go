package vcstest

import (
	"io"

	"github.com/rollcall-dev/rollcall"
)

func (s *scene) blob(m rollcall.Merger, id string) string {
	s.Helper()
	var text string
	s.must(m.Blobs(s.ctx, []string{id}, func(_ int, _ int64, content io.Reader) error {
		b, err := io.ReadAll(content)
		text = string(b)
		return err
	}))
	return text
}
