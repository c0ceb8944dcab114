package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// module is the public tree: Kubernetes, because it is some thousand files of all sizes
// that add up to what a large web application has, with patch releases that are small
// and older ones that differ in a third of it. The sums are go.sum's.
const module = "k8s.io/kubernetes"

var versions = []struct{ tree, version, sum string }{
	{"base", "v1.28.0", "h1:p8qq/VoNHnBWinLEi5LO2IvCfzFouN7Jhdz8+L++V+U="},
	{"a", "v1.30.2", "h1:11WhS78OYX/lnSy6TXxPO6Hk+E5K9ZNrEsk9JgMSX8I="},
	{"b", "v1.30.3", "h1:A0qoXI1YQNzrQZiff33y5zWxYHFT/HeZRK98/sRDJI0="},
}

// smallFiles are what `small` changes: a line more in each.
var smallFiles = []string{"README.md", "pkg/kubelet/kubelet.go", "cmd/kube-apiserver/apiserver.go"}

// treeInfo tells what a tree is.
type treeInfo struct {
	Name, What string
	Files      int
	Bytes      int64
	Changed    int   // files that differ from the tree before or are new
	NewBytes   int64 // in them
}

// buildFile differs between the revisions of one tree, as what a build stamps does.
const buildFile = "BUILD"

// seasons is how many revisions of a tree, besides it, roll one after the other where
// nodes are to be as they are in use: with as many releases as they keep, and an old
// one that was let go.
const seasons = 5

// material lays the trees out and makes the repository of them, with seasons of base, a
// and d before each:
//
//	base - a - b - s        s: b with smallFiles changed
//	            \- d - ds   d: b with all of it once more under copy/
func (s *stage) material(ctx context.Context) error {
	trees := s.path("trees")
	if err := os.RemoveAll(trees); err != nil {
		return err
	}
	if err := os.MkdirAll(trees, 0o755); err != nil {
		return err
	}
	for _, v := range versions {
		dir, err := s.download(ctx, v.version, v.sum)
		if err != nil {
			return err
		}
		if err := copyTree(dir, filepath.Join(trees, v.tree)); err != nil {
			return err
		}
		if err := writeTimed(filepath.Join(trees, v.tree, buildFile), stamp(seasons)); err != nil {
			return err
		}
	}
	for _, made := range []struct {
		tree, from string
		change     func(dir string) error
	}{
		{"s", "b", changeSmall},
		{"d", "b", func(dir string) error { return copyTree(filepath.Join(trees, "b"), filepath.Join(dir, "copy")) }},
		{"ds", "d", changeSmall},
	} {
		dir := filepath.Join(trees, made.tree)
		if err := copyTree(filepath.Join(trees, made.from), dir); err != nil {
			return err
		}
		if err := made.change(dir); err != nil {
			return err
		}
	}
	say("making the repository")
	return s.repository(ctx)
}

func stamp(number int) []byte { return fmt.Appendf(nil, "%d\n", number) }

// download gets a version by way of Go's module proxy.
func (s *stage) download(ctx context.Context, version, sum string) (string, error) {
	say("downloading %s@%s", module, version)
	c := exec.CommandContext(ctx, "go", "mod", "download", "-json", module+"@"+version)
	c.Dir = s.Dir
	c.Env = append(os.Environ(), "GOMODCACHE="+s.Modules, "GOFLAGS=-modcacherw", "GONOSUMDB=*", "GOWORK=off")
	var complaint bytes.Buffer
	c.Stderr = &complaint
	out, err := c.Output()
	var got struct{ Dir, Sum, Error string }
	if json.Unmarshal(out, &got); err != nil || got.Error != "" {
		return "", fmt.Errorf("go mod download %s@%s: %s%s", module, version, got.Error, complaint.String())
	}
	if got.Sum != sum { // pinned here, so no checksum database is asked
		return "", fmt.Errorf("%s@%s has the sum %s instead of %s", module, version, got.Sum, sum)
	}
	return got.Dir, nil
}

// copyTree copies files with times that follow from their contents: what did not change
// keeps its time from tree to tree.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return writeTimed(filepath.Join(to, name), content)
	})
}

func writeTimed(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return err
	}
	sum := fnv.New64()
	sum.Write(content)
	at := time.Unix(1_600_000_000+int64(sum.Sum64()%100_000_000), 0)
	return os.Chtimes(path, at, at)
}

func changeSmall(dir string) error {
	for _, name := range smallFiles {
		path := filepath.Join(dir, name)
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		middle := len(content) / 2
		changed := append(bytes.Clone(content[:middle]), "\n// a line more\n"...)
		if err := writeTimed(path, append(changed, content[middle:]...)); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) repository(ctx context.Context) error {
	repo := s.path("www.git")
	if err := os.RemoveAll(repo); err != nil {
		return err
	}
	if _, err := command(ctx, s.Dir, "git", "init", "-q", "--bare", "-b", "production", repo); err != nil {
		return err
	}
	s.Commits = map[string]string{}
	for _, t := range []struct{ name, before, what string }{
		{"base", "", module + " " + versions[0].version},
		{"a", "base", module + " " + versions[1].version},
		{"b", "a", module + " " + versions[2].version},
		{"s", "b", "b with 3 files changed"},
		{"d", "b", "b twice"},
		{"ds", "d", "d with 3 files changed"},
	} {
		if err := s.commit(ctx, repo, t.name, t.before); err != nil {
			return err
		}
		info := treeInfo{Name: t.name, What: t.what}
		if err := info.count(s.path("trees"), t.before); err != nil {
			return err
		}
		s.Tree = append(s.Tree, info)
	}
	for name, commit := range s.Commits { // all stay reachable wherever production points
		if _, err := command(ctx, repo, "git", "update-ref", "refs/heads/tree-"+name, commit); err != nil {
			return err
		}
	}
	_, err := command(ctx, repo, "git", "gc", "-q") // packed, as a repository in use is
	return err
}

// commit commits a tree's seasons, a.0 to a.4, and then itself.
func (s *stage) commit(ctx context.Context, repo, name, before string) error {
	git := func(args ...string) (string, error) {
		return command(ctx, repo, "git", append([]string{
			"--git-dir=" + repo, "--work-tree=" + s.path("trees", name),
			"-c", "user.name=Bench", "-c", "user.email=bench@example.com", "-c", "core.excludesFile=/dev/null", "-c", "core.autocrlf=false",
		}, args...)...)
	}
	if _, err := git("add", "-A", "-f", "."); err != nil {
		return err
	}
	parent := s.Commits[before]
	for number := range seasons + 1 {
		file := s.path(buildFile)
		if err := os.WriteFile(file, stamp(number), 0o644); err != nil {
			return err
		}
		blob, err := git("hash-object", "-w", file)
		if err != nil {
			return err
		}
		if _, err := git("update-index", "--add", "--cacheinfo", "100644,"+blob+","+buildFile); err != nil {
			return err
		}
		tree, err := git("write-tree")
		if err != nil {
			return err
		}
		args := []string{"commit-tree", "-m", fmt.Sprintf("%s %d", name, number), tree}
		if parent != "" {
			args = append(args, "-p", parent)
		}
		commit, err := git(args...)
		if err != nil {
			return err
		}
		if number == seasons {
			s.Commits[name] = commit
			break
		}
		if name == "base" || name == "a" || name == "d" {
			s.Commits[season(name, number)] = commit
			parent = commit
		}
	}
	return nil
}

func season(tree string, number int) string { return fmt.Sprintf("%s.%d", tree, number) }

func (t *treeInfo) count(trees, before string) error {
	root := filepath.Join(trees, t.Name)
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		t.Files++
		t.Bytes += info.Size()
		if before == "" {
			return nil
		}
		old, err := os.Stat(filepath.Join(trees, before, strings.TrimPrefix(path, root)))
		if err != nil || old.Size() != info.Size() || !old.ModTime().Equal(info.ModTime()) {
			t.Changed++
			t.NewBytes += info.Size()
		}
		return nil
	})
}
