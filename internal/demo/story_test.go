package demo

import (
	"os"
	"path/filepath"
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
	for i, push := range first.Pushes {
		if other := second.Pushes[i].Commit; other != push.Commit || len(other) != 40 {
			t.Errorf("%s is %s once and %s then", push.Name, push.Commit, other)
		}
	}
}

func TestTheStoryHasAuthorsTicketsAndPushes(t *testing.T) {
	story, err := WriteStory(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	g := git{repository: story.Repository}
	names, count := map[string]bool{}, 0
	for i, push := range story.Pushes {
		if err := story.Push(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		log, err := g.run(t.Context(), nil, "log", "--first-parent", "--reverse", "--format=%H %an <%ae> %s", Branch)
		if err != nil {
			t.Fatal(err)
		}
		count += len(push.Changesets)
		lines := strings.Split(log, "\n")
		if len(lines) != count {
			t.Fatalf("after %s the branch has %d commits, want %d", push.Name, len(lines), count)
		}
		for j, c := range push.Changesets {
			names[c.Author] = true
			want := c.Commit + " " + c.Author + " <" + c.Email + "> " + c.Subject
			if got := lines[count-len(push.Changesets)+j]; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if first := i+j == 0; !first && !strings.Contains(c.Subject, "#") {
				t.Errorf("no ticket in %q", c.Subject)
			}
		}
	}
	if count != 11 || len(names) != 5 {
		t.Errorf("%d changesets of %d authors, want 11 of 5", count, len(names))
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(story.Repository), "..", "story-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestTheTreesOfTheStory(t *testing.T) {
	story, folders := checkouts(t)
	var before []string
	for i, push := range story.Pushes {
		var files, styles []string
		err := filepath.WalkDir(folders[i], func(name string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(files) < 140 || len(files) > 170 {
			t.Errorf("%s: %d files, want about 150", push.Name, len(files))
		}
		for _, name := range []string{"RELEASE", "templates/header.html", "templates/footer.html", "pages/index.html", "pages/about.html", "pages/shop.html"} {
			text, err := os.ReadFile(filepath.Join(folders[i], name))
			if err != nil || !strings.Contains(string(text), push.Stamp) {
				t.Errorf("%s: no stamp %s in %s (%v)", push.Name, push.Stamp, name, err)
			}
		}
		for _, pattern := range []string{"assets/app.*.css", "assets/app.*.js", "assets/cart.*.js"} {
			found, err := filepath.Glob(filepath.Join(folders[i], pattern))
			if err != nil || len(found) != 1 {
				t.Fatalf("%s: %s is %v, %v", push.Name, pattern, found, err)
			}
			styles = append(styles, filepath.Base(found[0]))
		}
		for j := range before {
			if set := i < 3; set && before[j] == styles[j] {
				t.Errorf("%s: %s is still named so", push.Name, styles[j])
			}
		}
		before = styles
	}
}
