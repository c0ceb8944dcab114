package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The branches of the story.
const (
	Trunk      = "main"
	Production = "production"
)

// Story is a bare git repository with a trunk and a production branch, which starts behind it.
type Story struct {
	Repository string
	Changesets []Changeset // of the trunk, the oldest first; the opening is on both branches
}

// Changeset is one commit of the story.
type Changeset struct {
	Name                                   string
	Commit, Author, Email, Subject, Ticket string
}

// Changeset returns the changeset of that name, or nil.
func (s *Story) Changeset(name string) *Changeset {
	for i := range s.Changesets {
		if s.Changesets[i].Name == name {
			return &s.Changesets[i]
		}
	}
	return nil
}

// WriteStory makes the repository in dir/vcs/www.git.
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
	return s, nil
}

func (s *Story) write(ctx context.Context, g git, worktree string) error {
	if err := os.MkdirAll(filepath.Dir(s.Repository), 0o755); err != nil {
		return fmt.Errorf("cannot make a folder for the story: %w", err)
	}
	// Without a template, because those of the machine may bring hooks.
	if _, err := g.run(ctx, nil, "init", "--quiet", "--bare", "--template=",
		"--object-format=sha1", "--initial-branch="+Trunk); err != nil {
		return err
	}
	for _, setting := range [][]string{
		{"gc.auto", "0"},       // nothing is left running when the demo ends
		{"core.fsync", "none"}, // nobody will miss the story after a power cut
	} {
		if _, err := g.run(ctx, nil, "config", setting[0], setting[1]); err != nil {
			return err
		}
	}
	site, commit := firstSite(), ""
	var files map[string][]byte
	for i, change := range slices.Concat(opening, onTrunk) {
		change.edit(&site)
		before := files
		files = site.files()
		if err := changeTree(worktree, before, files); err != nil {
			return err
		}
		var err error
		if commit, err = g.commit(ctx, worktree, change, i+1, commit); err != nil {
			return err
		}
		s.Changesets = append(s.Changesets, Changeset{
			Name:    change.name,
			Commit:  commit,
			Author:  change.by.name,
			Email:   change.by.email,
			Subject: change.subject,
			Ticket:  change.ticket,
		})
	}
	for branch, tip := range map[string]string{Trunk: commit, Production: s.Changesets[len(opening)-1].Commit} {
		if _, err := g.run(ctx, nil, "update-ref", "refs/heads/"+branch, tip); err != nil {
			return err
		}
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
	if c.ticket != "" {
		arguments = append(arguments, "-m", "Fixes #"+c.ticket+".")
	}
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
