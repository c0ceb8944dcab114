package svn

import (
	"bytes"
	"context"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

func newReader(b []byte) io.Reader { return bytes.NewReader(b) }

// Patch is what a changeset of a branch changes.
func (r *Repository) Patch(ctx context.Context, branch, id string) ([]byte, error) {
	number, err := parseRevision(id)
	if err != nil {
		return nil, err
	}
	book, history, err := r.branch(ctx, branch)
	if err != nil {
		return nil, err
	}
	defer book.close()
	place, ok := segmentOf(history, number)
	if !ok {
		return nil, rollcall.Errorf(rollcall.KindNotFound, "%s is no revision of %s", revisionID(number), branch)
	}
	return r.client.svn(ctx, "diff", []string{"--internal-diff", "-c", revisionID(number)[1:]}, at(join(r.root, place.path), number))
}

// Branches lists the branches of a pattern, such as branches/dev-*. Without one it is
// those that are known, and all that stand beside one of them in a folder.
func (r *Repository) Branches(ctx context.Context, pattern string) ([]string, error) {
	patterns := []string{pattern}
	if pattern == "" {
		patterns = []string{"trunk", "branches/*"}
		for _, branch := range r.known() {
			patterns = append(patterns, branch)
			if i := strings.LastIndexByte(branch, '/'); i > 0 {
				patterns = append(patterns, branch[:i]+"/*")
			}
		}
	}
	var all []string
	for _, one := range patterns {
		some, err := r.matching(ctx, one)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// matching goes down a pattern, folder by folder.
func (r *Repository) matching(ctx context.Context, pattern string) ([]string, error) {
	found := []string{""}
	for word := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		if _, err := path.Match(word, ""); err != nil || word == "" || word == "." || word == ".." {
			return nil, rollcall.Errorf(rollcall.KindInvalid, "%q is no pattern of branches", rollcall.Printable(pattern))
		}
		var next []string
		for _, folder := range found {
			names, err := r.folders(ctx, folder)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				if ok, _ := path.Match(word, name); ok {
					next = append(next, strings.TrimPrefix(folder+"/"+name, "/"))
				}
			}
		}
		found = next
	}
	return found, nil
}

// folders lists what folders there are in one.
func (r *Repository) folders(ctx context.Context, folder string) ([]string, error) {
	type entry struct {
		Kind string `xml:"kind,attr"`
		Name string `xml:"name"`
	}
	var names []string
	one := command{verb: "list", options: []string{"--xml"}, targets: []string{at(join(r.url, folder), r.head)}}
	err := r.client.stream(ctx, one, func(out io.Reader) error {
		return elements(out, "entry", func(e *entry) error {
			if e.Kind == "dir" {
				names = append(names, e.Name)
			}
			return nil
		})
	})
	if complains(err, "160013", "200009") {
		return nil, nil
	}
	return names, err
}
