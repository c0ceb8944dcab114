package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Branch is what rolls to production.
const Branch = "production"

// Story is a git repository whose production branch can be moved on from push to push.
type Story struct {
	Repository string // a bare repository's folder
	Pushes     []Push
}

// Push is what the authors bring to the production branch at one time.
type Push struct {
	Name       string // set1 set2 set3 bad fix
	Subject    string // what it brings, in a few words
	Commit     string // where the branch then stands
	Stamp      string // what every file that is stamped, and /health, then says
	Changesets []Changeset
}

// Changeset is one commit of the story.
type Changeset struct {
	Commit, Author, Email, Subject string
}

// WriteStory makes the repository in dir/vcs/www.git, with its branch at the first push.
// The same release of this package makes the same commits, whoever runs it and when.
func WriteStory(ctx context.Context, dir string) (*Story, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot tell where the demo's folder is: %w", err)
	}
	temporary, err := os.MkdirTemp(dir, "story-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a folder for the story: %w", err)
	}
	s := &Story{Repository: filepath.Join(dir, "vcs", "www.git")}
	g := git{repository: s.Repository, index: filepath.Join(temporary, "index")}
	err = s.write(ctx, g, filepath.Join(temporary, "tree"))
	if err := errors.Join(err, os.RemoveAll(temporary)); err != nil {
		return nil, err
	}
	return s, s.Push(ctx, 0)
}

func (s *Story) write(ctx context.Context, g git, worktree string) error {
	if err := os.MkdirAll(filepath.Dir(s.Repository), 0o755); err != nil {
		return fmt.Errorf("cannot make a folder for the story: %w", err)
	}
	// Without a template, because those of the machine may bring hooks.
	if _, err := g.run(ctx, nil, "init", "--quiet", "--bare", "--template=",
		"--object-format=sha1", "--initial-branch="+Branch); err != nil {
		return err
	}
	for _, setting := range [][]string{
		{"gc.auto", "0"},       // the later pushes are on no branch yet: nothing may tidy them away
		{"core.fsync", "none"}, // nobody will miss the story after a power cut
	} {
		if _, err := g.run(ctx, nil, "config", setting[0], setting[1]); err != nil {
			return err
		}
	}
	site, commit, count := firstSite(), "", 0
	var files map[string][]byte
	for _, told := range chapters {
		push := Push{Name: told.name, Subject: told.subject}
		for _, change := range told.changes {
			count++
			site.stamp = fmt.Sprintf("build-%02d", count)
			change.edit(&site)
			before := files
			files = site.files()
			if err := changeTree(worktree, before, files); err != nil {
				return err
			}
			var err error
			if commit, err = g.commit(ctx, worktree, change, count, commit); err != nil {
				return err
			}
			push.Changesets = append(push.Changesets, Changeset{
				Commit:  commit,
				Author:  change.by.name,
				Email:   change.by.email,
				Subject: change.subject,
			})
		}
		push.Commit, push.Stamp = commit, site.stamp
		s.Pushes = append(s.Pushes, push)
	}
	return nil
}

// commit makes the nth commit of the story, of what stands in worktree, and returns its hash.
func (g git) commit(ctx context.Context, worktree string, c change, n int, parent string) (string, error) {
	if _, err := g.run(ctx, nil, "--work-tree="+worktree, "add", "--all", "--force", worktree); err != nil {
		return "", err
	}
	tree, err := g.run(ctx, nil, "write-tree")
	if err != nil {
		return "", err
	}
	began := time.Date(2026, time.January, 12, 9, 0, 0, 0, time.UTC)
	date := began.Add(time.Duration(n) * 97 * time.Minute).Format(time.RFC3339)
	arguments := []string{"commit-tree", "-m", c.subject, tree}
	if parent != "" {
		arguments = append(arguments, "-p", parent)
	}
	return g.run(ctx, []string{
		"GIT_AUTHOR_NAME=" + c.by.name,
		"GIT_AUTHOR_EMAIL=" + c.by.email,
		"GIT_AUTHOR_DATE=" + date,
		"GIT_COMMITTER_NAME=" + c.by.name,
		"GIT_COMMITTER_EMAIL=" + c.by.email,
		"GIT_COMMITTER_DATE=" + date,
	}, arguments...)
}

// changeTree turns a folder that holds old into one that holds files, and writes only what
// differs: so the story is there in a moment on slow disks too.
func changeTree(folder string, old, files map[string][]byte) error {
	for name := range old {
		if _, stays := files[name]; stays {
			continue
		}
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			return fmt.Errorf("cannot remove a file of the story: %w", err)
		}
	}
	for name, content := range files {
		if was, there := old[name]; there && bytes.Equal(was, content) {
			continue
		}
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("cannot make a folder of the story: %w", err)
		}
		var mode fs.FileMode = 0o644
		if filepath.Dir(name) == "bin" {
			mode = 0o755
		}
		if err := os.WriteFile(file, content, mode); err != nil {
			return fmt.Errorf("cannot write a file of the story: %w", err)
		}
	}
	return nil
}

// Push moves the production branch to the ith push, forwards or back.
func (s *Story) Push(ctx context.Context, i int) error {
	g := git{repository: s.Repository}
	_, err := g.run(ctx, nil, "update-ref", "refs/heads/"+Branch, s.Pushes[i].Commit)
	return err
}
