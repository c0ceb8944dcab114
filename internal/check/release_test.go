package check

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-dev/rollcall"
)

const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"

// What keeps a tree from being a release is told where it is asked for, with what was so
// before.
func TestReleasable(t *testing.T) {
	w := newWorld(t)
	w.code.Exclude = []string{"tests/"}
	base := w.tree(map[string]string{"a": "a\n", "old": "-> /etc", "pic": pointer})
	tree := w.tree(map[string]string{"a": "b\n", "old": "-> /etc", "pic": pointer, "d/new": "-> ../../x", "fine": "-> a", "more": pointer, "tests/x": "-> /etc"})
	c := w.open()
	for name, one := range map[string]struct {
		release bool
		base    string
		build   *rollcall.Command
		want    []string
	}{
		"not asked":   {base: base},
		"a candidate": {release: true, base: base, want: []string{"d/new", "more", "old before"}},
		"a branch":    {release: true, want: []string{"d/new", "more", "old", "pic"}},
		"to be built": {release: true, base: base, build: &rollcall.Command{Args: []string{"make"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w.code.Build = one.build
			request := w.request(tree, one.base)
			request.Release = one.release
			report, err := c.Run(context.Background(), request)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range report.Failures {
				if f.Check == rollcall.Releasable {
					at := f.Path
					if f.Before {
						at += " before"
					}
					got = append(got, at)
				}
			}
			if diff := cmp.Diff(one.want, got); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
			told := slices.ContainsFunc(report.Checks, func(r rollcall.CheckResult) bool { return r.Name == rollcall.Releasable })
			if told != (len(one.want) > 0) {
				t.Errorf("the check is told of: %v", told)
			}
		})
	}
}
