package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
)

// readNew is what git alone takes to give the contents that a case brings: nobody who
// rolls out of a repository can take less, and rsync is given them as plain files.
type readNew struct{}

func (readNew) name() string { return "git cat-file" }

func (readNew) names(f *fleet) string { return f.path("new-contents") }

func (r readNew) reset(ctx context.Context, f *fleet, c *benchCase) error {
	diff, err := command(ctx, f.path("www.git"), "git", "diff-tree", "-r", f.Commits[c.from], f.Commits[c.target()])
	if err != nil {
		return err
	}
	var names strings.Builder
	for l := range strings.Lines(diff) {
		if fields := strings.Fields(l); fields[4] != "D" {
			names.WriteString(fields[3] + "\n")
		}
	}
	return os.WriteFile(r.names(f), []byte(names.String()), 0o644)
}

func (r readNew) lines(f *fleet, _ *benchCase) []line {
	return []line{{{"sh", "-c", `git -C "$0" cat-file --batch --buffer <"$1" >/dev/null`, f.path("www.git"), r.names(f)}}}
}

func (readNew) result(*node) string { return "" }

// compressAll is what it takes to compress a tree, as one stream.
type compressAll struct{}

func (compressAll) name() string { return "zstd -1" }

func (compressAll) archive(f *fleet) string { return f.path("tree.tar") }

func (c compressAll) reset(ctx context.Context, f *fleet, b *benchCase) error {
	_, err := command(ctx, f.path("trees", b.to), "tar", "--create", "--file", c.archive(f), ".")
	return err
}

func (c compressAll) lines(f *fleet, _ *benchCase) []line {
	return []line{{{"zstd", "-1", "-q", "--single-thread", "-f", "-o", os.DevNull, c.archive(f)}}}
}

func (compressAll) result(*node) string { return "" }

// compressions are those of the programs that are here.
func compressions() []contestant {
	if _, err := exec.LookPath("zstd"); err != nil {
		return nil
	}
	return []contestant{compressAll{}}
}
