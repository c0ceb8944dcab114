package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// makeSVN writes a history into a new Subversion repository.
func makeSVN(ctx context.Context, dir string, z size) error {
	if err := run(ctx, "", "svnadmin", "create", dir); err != nil {
		return err
	}
	// Anybody may read.
	if err := os.WriteFile(filepath.Join(dir, "conf", "svnserve.conf"), []byte("[general]\nanon-access = read\n"), 0o644); err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "svnadmin", "load", "--quiet", "--no-flush-to-disk", dir)
	c.Stderr = os.Stderr
	err := feed(c, func(w *bufio.Writer) {
		d := &dumper{Writer: w, at: time.Date(2017, 7, 14, 2, 40, 0, 0, time.UTC), there: map[string]bool{}}
		d.dump(z)
	})
	if err != nil {
		return err
	}
	return run(ctx, "", "svnadmin", "pack", "--quiet", dir)
}

// dumper writes a dump of a repository.
type dumper struct {
	*bufio.Writer
	at       time.Time
	revision int
	there    map[string]bool // folders and files
}

func (w *dumper) dump(z size) {
	fmt.Fprint(w, "SVN-fs-dump-format-version: 2\n\nUUID: 5a3c6f0e-0a52-4b9d-9c1e-20260101beef\n\n")
	w.begin("", "")
	w.begin("Ada", "begin")
	w.folder("trunk")
	w.folder("branches")
	first := done{written: map[string]string{}}
	for _, f := range newHistory(z.files).trunk {
		first.written[f.path] = f.content()
	}
	w.changes("trunk", first)
	revisions := map[int]int{}
	var merged []int
	s := &story{
		changed: func(i int, c *changeset, d done) {
			w.begin(c.author, c.subject)
			w.changes("trunk", d)
			revisions[i] = w.revision - 1
		},
		parted: func() {
			w.begin("Grace", "make production")
			w.copy("dir", "branches/production", "trunk", w.revision-2)
			for name := range maps.Clone(w.there) {
				if rest, ok := strings.CutPrefix(name, "trunk"); ok {
					w.there["branches/production"+rest] = true
				}
			}
		},
		promoted: func(which []int, all []*changeset, d done) {
			var text strings.Builder
			for i, c := range all {
				merged = append(merged, revisions[which[i]])
				fmt.Fprintf(&text, "r%d: %s\n", revisions[which[i]], c.subject)
			}
			w.begin("Grace", "Merge from the trunk:\n\n"+text.String())
			w.property("branches/production", "svn:mergeinfo", "/trunk:"+ranges(merged))
			w.changes("branches/production", d)
		},
		hotfixed: func(d done) {
			w.begin("Grace", "mend it in a hurry")
			w.changes("branches/production", d)
		},
	}
	s.tell(z)
}

// ranges writes revisions as svn:mergeinfo has them.
func ranges(revisions []int) string {
	slices.Sort(revisions)
	var runs []string
	for i := 0; i < len(revisions); {
		j := i
		for j+1 < len(revisions) && revisions[j+1] == revisions[j]+1 {
			j++
		}
		if i == j {
			runs = append(runs, fmt.Sprint(revisions[i]))
		} else {
			runs = append(runs, fmt.Sprintf("%d-%d", revisions[i], revisions[j]))
		}
		i = j + 1
	}
	return strings.Join(runs, ",")
}

func properties(all ...[2]string) string {
	var b strings.Builder
	for _, p := range all {
		fmt.Fprintf(&b, "K %d\n%s\nV %d\n%s\n", len(p[0]), p[0], len(p[1]), p[1])
	}
	return b.String() + "PROPS-END\n"
}

// begin begins the next revision.
func (w *dumper) begin(author, message string) {
	w.at = w.at.Add(50 * time.Minute)
	all := [][2]string{{"svn:date", w.at.Format("2006-01-02T15:04:05.000000Z")}}
	if author != "" {
		all = append(all, [2]string{"svn:author", author}, [2]string{"svn:log", message})
	}
	props := properties(all...)
	fmt.Fprintf(w, "Revision-number: %d\nProp-content-length: %d\nContent-length: %d\n\n%s\n", w.revision, len(props), len(props), props)
	w.revision++
}

func (w *dumper) folder(name string) {
	w.there[name] = true
	fmt.Fprintf(w, "Node-path: %s\nNode-kind: dir\nNode-action: add\n\n\n", name)
}

func (w *dumper) copy(kind, to, from string, revision int) {
	fmt.Fprintf(w, "Node-path: %s\nNode-kind: %s\nNode-action: add\nNode-copyfrom-rev: %d\nNode-copyfrom-path: %s\n\n\n", to, kind, revision, from)
}

func (w *dumper) property(folder, name, value string) {
	props := properties([2]string{name, value})
	fmt.Fprintf(w, "Node-path: %s\nNode-kind: dir\nNode-action: change\nProp-content-length: %d\nContent-length: %d\n\n%s\n\n", folder, len(props), len(props), props)
}

// changes writes what was done to a branch.
func (w *dumper) changes(branch string, d done) {
	for _, m := range d.moved {
		if !w.there[branch+"/"+m[0]] {
			continue // it came in the same revision
		}
		w.parents(branch + "/" + m[1])
		w.copy("file", branch+"/"+m[1], branch+"/"+m[0], w.revision-2)
		fmt.Fprintf(w, "Node-path: %s/%s\nNode-action: delete\n\n\n", branch, m[0])
		w.there[branch+"/"+m[0]] = false
		w.there[branch+"/"+m[1]] = true
	}
	for _, name := range d.gone {
		if !w.there[branch+"/"+name] {
			continue
		}
		fmt.Fprintf(w, "Node-path: %s/%s\nNode-action: delete\n\n\n", branch, name)
		w.there[branch+"/"+name] = false
	}
	for _, name := range slices.Sorted(maps.Keys(d.written)) {
		full, action := branch+"/"+name, "change"
		if !w.there[full] {
			w.parents(full)
			action = "add"
			w.there[full] = true
		}
		text := d.written[name]
		fmt.Fprintf(w, "Node-path: %s\nNode-kind: file\nNode-action: %s\nText-content-length: %d\nContent-length: %d\n\n%s\n\n", full, action, len(text), len(text), text)
	}
}

func (w *dumper) parents(name string) {
	if folder := path.Dir(name); !w.there[folder] {
		w.parents(folder)
		w.folder(folder)
	}
}
