package check

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// releasable finds what keeps the tree from being a release, as making one would, and in
// the same words: by names and links wherever they stand, by other contents where they
// differ from the base. It is quick, and nothing of it is kept. What a build would make of
// the contents nobody knows before it has run.
func (r *run) releasable(ctx context.Context) error {
	if !r.Release || r.Code.Build != nil {
		return nil
	}
	users := map[string][]*rollcall.TreeEntry{} // of a blob
	var blobs []string
	for _, p := range r.paths {
		e := r.entries[p]
		if _, differs := r.differ[p]; e.Type != rollcall.TypeLink && r.Base != "" && !differs {
			continue
		}
		if users[e.Blob] == nil {
			blobs = append(blobs, e.Blob)
		}
		users[e.Blob] = append(users[e.Blob], e)
	}
	r.repo.Lock()
	defer r.repo.Unlock()
	return r.Repo.Blobs(ctx, blobs, func(i int, _ int64, in io.Reader) error {
		content, err := io.ReadAll(io.LimitReader(in, rollcall.FitLimit))
		for _, e := range users[blobs[i]] {
			r.unfit(e, rollcall.CheckContent(e, content))
		}
		return err
	})
}

// unfit notes why a path can't be part of a release.
func (r *run) unfit(e *rollcall.TreeEntry, why error) {
	if r.Release && why != nil {
		r.refused = append(r.refused, rollcall.CheckFailure{Check: rollcall.Releasable, Path: e.Path, Text: rollcall.Printable(why.Error())})
	}
}

// addReleasable adds to a report what releasable found, if anything.
func (r *run) addReleasable(report *rollcall.CheckReport) {
	if len(r.refused) == 0 {
		return
	}
	slices.SortStableFunc(r.refused, func(a, b rollcall.CheckFailure) int { return strings.Compare(a.Path, b.Path) })
	report.Failures = append(report.Failures, r.refused...)
	report.Checks = append(report.Checks, rollcall.CheckResult{
		Name: rollcall.Releasable, Whole: true, Files: 1, Ran: 1, Failed: len(r.refused),
	})
}
