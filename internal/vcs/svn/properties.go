package svn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

const (
	propMergeinfo  = "svn:mergeinfo"
	propBlocked    = "rollcall:blocked"
	propIntegrated = "svnmerge-integrated" // svnmerge.py's
	propAvoided    = "svnmerge-blocked"    // svnmerge.py's too
)

// ledgerProps are those of a branch's root that are about the branch itself. A merge must
// not bring another branch's.
var ledgerProps = []string{propBlocked, propIntegrated, propAvoided}

// isLedger tells whether a property is about what is merged and not about the code.
func isLedger(path, property string) bool {
	return property == propMergeinfo || path == "." && slices.Contains(ledgerProps, property)
}

// plainProps are the properties that are no ledger, in their order.
func plainProps(path string, props properties) []string {
	var all []string
	for name, value := range props {
		if !isLedger(path, name) {
			all = append(all, name+"="+value)
		}
	}
	slices.Sort(all)
	return all
}

// rootProps are the properties of the target's root, as they stand on the bench.
func (b *bench) rootProps(ctx context.Context) (properties, error) {
	all, err := b.client.properties(ctx, b.wc, false, ".")
	return all["."], err
}

// propertiesAt gives the properties of a path of the repository, as of a revision.
func (r *Repository) propertiesAt(ctx context.Context, path string, revision int64) (properties, error) {
	all, err := r.client.properties(ctx, "", false, at(join(r.root, path), revision))
	if err != nil {
		return nil, err
	}
	for _, props := range all {
		return props, nil
	}
	return properties{}, nil
}

// setProperty makes a property of a path what want says, if it is not so.
func (b *bench) setProperty(ctx context.Context, path, property string, now, want properties) error {
	have, has := now[property]
	value, wanted := want[property]
	if has == wanted && have == value {
		return nil
	}
	if !wanted {
		_, err := b.client.svnIn(ctx, b.wc, "propdel", []string{"-q", property}, at(path, 0))
		return err
	}
	file, remove, err := b.temporary([]byte(value))
	if err != nil {
		return err
	}
	defer remove()
	options := []string{"-q", "--force"}
	if strings.HasPrefix(property, "svn:") {
		options = append(options, "--encoding", "UTF-8")
	}
	if _, err := b.client.svnIn(ctx, b.wc, "propset", append(options, "-F", file, property), at(path, 0)); err != nil {
		return fmt.Errorf("set %s of %s: %w", rollcall.Printable(property), rollcall.Printable(path), err)
	}
	return nil
}

// temporary writes what svn can only take from a file.
func (r *Repository) temporary(content []byte) (file string, remove func(), err error) {
	f, err := os.CreateTemp(r.client.config, ".text-")
	if err != nil {
		return "", nil, fmt.Errorf("write a temporary file: %w", err)
	}
	remove = func() { os.Remove(f.Name()) }
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		remove()
		return "", nil, fmt.Errorf("write a temporary file: %w", err)
	}
	return f.Name(), remove, nil
}

// subtrees are the folders and files below the target's root that have mergeinfo of
// their own: what the root's says does not count for them.
func (b *bench) subtrees(ctx context.Context) (map[string]mergeinfo, error) {
	type target struct {
		Path  string `xml:"path,attr"`
		Value string `xml:"property"`
	}
	below := map[string]mergeinfo{}
	one := command{verb: "propget", options: []string{"--xml", "-R", propMergeinfo}, targets: []string{"."}, dir: b.wc}
	err := b.client.stream(ctx, one, func(r io.Reader) error {
		return elements(r, "target", func(t *target) error {
			// Here svn names the places in full.
			if t.Path == filepath.ToSlash(b.wc) || t.Path == "." {
				return nil
			}
			name := strings.TrimPrefix(t.Path, filepath.ToSlash(b.wc)+"/")
			if strings.HasPrefix(name, "/") {
				return fmt.Errorf("svn names %s, which is not on the bench", rollcall.Printable(name))
			}
			info, err := parseMergeinfo(t.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", rollcall.Printable(name), err)
			}
			below[name] = info
			return nil
		})
	})
	return below, err
}
