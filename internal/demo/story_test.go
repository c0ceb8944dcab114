package demo

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTheStoryIsTheSameEverywhere(t *testing.T) {
	first, err := WriteStory(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// What a person's git may be told must not show.
	home := t.TempDir()
	settings := "[user]\n\tname = Somebody\n[commit]\n\tgpgsign = true\n[core]\n\tautocrlf = true\n"
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("TZ", "Asia/Tokyo")
	t.Setenv("GIT_AUTHOR_NAME", "Somebody")
	t.Setenv("GIT_DIR", home)
	second, err := WriteStory(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range first.Changesets {
		if other := second.Changesets[i].Commit; other != c.Commit || len(other) != 40 {
			t.Errorf("%s is %s once and %s then", c.Name, c.Commit, other)
		}
	}
}

func TestTheStoryHasAuthorsTicketsAndBranches(t *testing.T) {
	story, err := written()
	if err != nil {
		t.Fatal(err)
	}
	g := git{repository: story.Repository}
	log := func(branch string) []string {
		text, err := g.run(t.Context(), nil, "log", "--first-parent", "--reverse", "--format=%H %an <%ae> %s|%b%x00", branch)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
		for i := range lines {
			lines[i] = strings.TrimSpace(lines[i])
		}
		return lines
	}
	names := map[string]bool{}
	lines := log(Trunk)
	if len(lines) != len(story.Changesets) {
		t.Fatalf("%d commits on the trunk, want %d:\n%s", len(lines), len(story.Changesets), strings.Join(lines, "\n"))
	}
	for i, c := range story.Changesets {
		names[c.Author] = true
		want := c.Commit + " " + c.Author + " <" + c.Email + "> " + c.Subject + "|"
		if c.Ticket != "" {
			want += "Fixes #" + c.Ticket + "."
		} else if i > 0 {
			t.Errorf("no ticket for %q", c.Subject)
		}
		if lines[i] != want {
			t.Errorf("got %s, want %s", lines[i], want)
		}
		if story.Changeset(c.Name).Commit != c.Commit {
			t.Errorf("there are two %s", c.Name)
		}
	}
	if len(lines) != 9 || len(names) != 5 {
		t.Errorf("%d changesets of %d authors, want 9 of 5", len(lines), len(names))
	}
	if on := log(Production); !slices.Equal(on, lines[:3]) {
		t.Errorf("on production: %s", strings.Join(on, "\n"))
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(story.Repository), "..", "story-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestOneChangesetNeedsAnother holds the story to what the walk tells of it.
func TestOneChangesetNeedsAnother(t *testing.T) {
	story, err := written()
	if err != nil {
		t.Fatal(err)
	}
	g := git{repository: story.Repository}
	tip := story.Changeset("hours").Commit
	merges := func(names ...string) error {
		at := tip
		for _, name := range names {
			c := story.Changeset(name).Commit
			base, err := g.run(t.Context(), identity, "commit-tree", "-m", "base", "-p", c+"^", at+"^{tree}")
			if err != nil {
				return err
			}
			// The synthetic commit is what the changeset is picked onto: its parent is what
			// the changeset started from.
			tree, err := g.run(t.Context(), nil, "merge-tree", "--write-tree", base, c)
			if err != nil {
				return err
			}
			if at, err = g.run(t.Context(), identity, "commit-tree", "-m", name, "-p", at, tree); err != nil {
				return err
			}
		}
		return nil
	}
	for _, c := range story.Changesets[3:] {
		if err := merges(c.Name); (err != nil) != (c.Name == Count) {
			t.Errorf("%s alone: %v", c.Name, err)
		}
	}
	if err := merges(Keep, Autumn, Count, Warehouse, "photographs", Buttons); err != nil {
		t.Error(err)
	}
}

var identity = []string{
	"GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.com",
}

func TestTheTreesOfTheStory(t *testing.T) {
	var before []string
	for i, folder := range checkouts(t) {
		var files, assets []string
		err := filepath.WalkDir(folder, func(name string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(files) < 140 || len(files) > 170 {
			t.Errorf("%s: %d files, want about 150", built[i], len(files))
		}
		for _, name := range []string{"RELEASE", "templates/header.html", "templates/footer.html", "pages/index.html", "pages/about.html", "pages/shop.html"} {
			text, err := os.ReadFile(filepath.Join(folder, name))
			if err != nil || !strings.Contains(string(text), stamp(t, folder)) || strings.Contains(string(text), "{{stamp}}") {
				t.Errorf("%s: no stamp %s in %s (%v)", built[i], stamp(t, folder), name, err)
			}
		}
		for _, pattern := range []string{"assets/app.*.css", "assets/cart.*.js", "img/banner.*.png"} {
			found, err := filepath.Glob(filepath.Join(folder, pattern))
			if err != nil || len(found) != 1 {
				t.Fatalf("%s: %s is %v, %v", built[i], pattern, found, err)
			}
			assets = append(assets, filepath.Base(found[0]))
		}
		if i > 0 && slices.Equal(before, assets) != (built[i] == Warehouse) {
			t.Errorf("%s: %v after %v", built[i], assets, before)
		}
		before = assets
	}
}
