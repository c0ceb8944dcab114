package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// promotion is a commit of production that is written once the trunk's hashes are known.
type promotion struct {
	of int // -1: a hotfix
	c  *changeset
	d  done
}

// makeGit writes a history into a new bare repository, packed as a server's is.
func makeGit(ctx context.Context, dir string, z size) error {
	z.batch = 1 // a commit a changeset
	if err := run(ctx, "", "git", "init", "-q", "--bare", "-b", "main", dir); err != nil {
		return err
	}
	var later []promotion
	marks := filepath.Join(dir, "marks")
	err := fastImport(ctx, dir, []string{"--export-marks=" + marks}, func(w *importer) {
		s := &story{
			changed: func(i int, c *changeset, d done) { w.commit("main", i+2, c.author, c.subject, d) },
			parted:  func() {},
			promoted: func(which []int, all []*changeset, d done) {
				later = append(later, promotion{which[0], all[0], d})
			},
			hotfixed: func(d done) { later = append(later, promotion{-1, nil, d}) },
		}
		begin := newHistory(z.files).trunk
		first := done{written: map[string]string{}}
		for _, f := range begin {
			first.written[f.path] = f.content()
		}
		w.commit("main", 1, "Ada", "begin", first)
		s.tell(z)
	})
	if err != nil {
		return err
	}
	hashes, err := readMarks(marks)
	if err != nil {
		return err
	}
	err = fastImport(ctx, dir, nil, func(w *importer) {
		w.from = hashes[z.trunk-z.since+1] // the mark of a changeset is two more than its number
		for _, p := range later {
			if p.of < 0 {
				w.commit("production", 0, "Grace", "mend it in a hurry", p.d)
				continue
			}
			w.commit("production", 0, p.c.author, p.c.subject+"\n\nRollcall-Pick: "+hashes[p.of+2]+"\nRollcall-By: grace", p.d)
		}
	})
	if err != nil {
		return err
	}
	return run(ctx, dir, "git", "repack", "-q", "-a", "-d", "-f", "--window=5")
}

func readMarks(name string) (map[int]string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	hashes := map[int]string{}
	for text := range strings.Lines(string(text)) {
		var mark int
		var hash string
		if _, err := fmt.Sscanf(text, ":%d %s", &mark, &hash); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", name, text, err)
		}
		hashes[mark] = hash
	}
	return hashes, os.Remove(name)
}

// importer writes a stream for git fast-import.
type importer struct {
	*bufio.Writer
	from    string
	seconds int64
}

func fastImport(ctx context.Context, dir string, more []string, write func(*importer)) error {
	c := exec.CommandContext(ctx, "git", append([]string{"-C", dir, "fast-import", "--quiet"}, more...)...)
	c.Stderr = os.Stderr
	return feed(c, func(w *bufio.Writer) { write(&importer{Writer: w, seconds: 1500000000}) })
}

// feed starts a command and writes to it.
func feed(c *exec.Cmd, write func(*bufio.Writer)) error {
	in, err := c.StdinPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	w := bufio.NewWriterSize(in, 1<<20)
	write(w)
	flushed := w.Flush()
	in.Close()
	if err := c.Wait(); err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	return flushed
}

func (w *importer) commit(branch string, mark int, author, message string, d done) {
	w.seconds += 3000
	fmt.Fprintf(w, "commit refs/heads/%s\n", branch)
	if mark > 0 {
		fmt.Fprintf(w, "mark :%d\n", mark)
	}
	who := fmt.Sprintf("%s <%s@example.com> %d +0000", author, strings.ToLower(author), w.seconds)
	fmt.Fprintf(w, "author %s\ncommitter %s\n", who, who)
	w.data(message + "\n")
	if w.from != "" {
		fmt.Fprintf(w, "from %s\n", w.from)
		w.from = ""
	}
	for _, m := range d.moved {
		fmt.Fprintf(w, "R %s %s\n", m[0], m[1])
	}
	for _, path := range d.gone {
		fmt.Fprintf(w, "D %s\n", path)
	}
	for _, path := range slices.Sorted(maps.Keys(d.written)) {
		fmt.Fprintf(w, "M 100644 inline %s\n", path)
		w.data(d.written[path])
	}
}

func (w *importer) data(text string) {
	fmt.Fprintf(w, "data %d\n", len(text))
	_, _ = io.WriteString(w, text) // the writer keeps its first error
	_ = w.WriteByte('\n')
}

func run(ctx context.Context, dir, program string, args ...string) error {
	c := exec.CommandContext(ctx, program, args...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", c, err, out)
	}
	return nil
}
