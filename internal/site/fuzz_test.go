package site

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rollcall-dev/rollcall"
)

// checkMistakes holds what every mistake must be: on a line of the file, and one line of text.
func checkMistakes(t *testing.T, file string, text []byte, mistakes rollcall.Mistakes) {
	t.Helper()
	lines := strings.Split(string(text), "\n")
	for _, m := range mistakes {
		// One line more than there are: where the text ends too soon.
		if m.File != file || m.Line < 1 || m.Line > len(lines)+1 || m.Column < 1 {
			t.Fatalf("%+v is not in a file of %d lines", m, len(lines))
		}
		if m.Message == "" || !utf8.ValidString(m.Message) || strings.ContainsAny(m.Message, "\n\r\x1b\x00") {
			t.Fatalf("a message is %q", m.Message)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(fullConfig))
	cases, _ := filepath.Glob("testdata/mistakes/*.txtar")
	for _, file := range cases {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, files := parts(string(text))
		f.Add([]byte(files[configFile]))
	}
	inv, _ := ParseInventory("nodes/production", []byte(fullNodes))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := &loader{dir: "/nonexistent", inventories: map[string]inventoryFile{}}
		d, ok := l.config(text)
		if !ok && len(l.mistakes) == 0 {
			t.Fatal("refused without a mistake")
		}
		checkMistakes(t, configFile, text, l.mistakes)
		if !ok || len(l.mistakes) > 0 {
			return
		}
		for _, e := range d.environments {
			file := e.value.nodes.value
			if file == "" {
				file = "nodes/" + e.name
			}
			l.inventories[file] = inventoryFile{Inventory: inv, right: true}
		}
		site := l.site(d)
		if len(l.mistakes) > 0 {
			return
		}
		for _, env := range site.Environments {
			if env.Code == nil || env.Keep < 2 || len(env.Tiers) == 0 {
				t.Fatalf("an environment without mistakes is %+v", env)
			}
			checkTiers(t, env)
		}
		for _, code := range site.Codes {
			names := map[string]bool{rollcall.ConflictMarkers: true, rollcall.Releasable: true}
			for _, c := range code.Checks {
				if names[c.Name] || c.Takes(rollcall.CheckFile) == c.Takes(rollcall.CheckTree) || c.Run.Timeout <= 0 || (len(c.Run.Args) == 0) == (c.Run.Shell == "") {
					t.Fatalf("a check without mistakes is %+v", c)
				}
				names[c.Name] = true
			}
		}
	})
}

// checkTiers holds what those who roll rely on.
func checkTiers(t *testing.T, env *rollcall.Environment) {
	t.Helper()
	for _, tier := range env.Tiers {
		if len(tier.Nodes) == 0 || len(tier.Batch) == 0 {
			t.Fatalf("a tier without mistakes is %+v", tier)
		}
		for _, n := range tier.Nodes {
			if checkFolder(n.Folder) != nil {
				t.Fatalf("folder %q", n.Folder)
			}
			for _, c := range tier.Activate {
				if _, err := c.Expand(n.Variables()); err != nil || c.Timeout <= 0 || (len(c.Args) == 0) == (c.Shell == "") {
					t.Fatalf("command %+v: %v", c, err)
				}
			}
			for _, p := range tier.Verify {
				if _, err := p.Expand(n.Variables()); err != nil || p.Within <= 0 {
					t.Fatalf("probe %+v: %v", p, err)
				}
			}
		}
	}
}

func FuzzInventory(f *testing.F) {
	f.Add([]byte(fullNodes))
	files, _ := filepath.Glob("testdata/inventories/*.ini")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	cases, _ := filepath.Glob("testdata/mistakes/*.txtar")
	for _, file := range cases {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, files := parts(string(text))
		f.Add([]byte(files["nodes/production"]))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		inv, mistakes := ParseInventory("n", text)
		checkMistakes(t, "n", text, mistakes)
		rolling := map[*Host]int{}
		for _, s := range inv.Rolling() {
			for _, e := range s.Entries {
				rolling[e.Host]++
			}
		}
		for _, h := range inv.Hosts {
			if !validHost(h.Name) {
				t.Fatalf("host %q", h.Name)
			}
			if rolling[h] == 0 {
				t.Fatalf("host %q is left out", h.Name)
			}
			inv.Vars(h)
		}
		for _, s := range inv.Sections {
			if s.Line < 1 || s.Column < 1 || !validName.MatchString(s.Name) {
				t.Fatalf("section %+v", s)
			}
			inv.Entries(s)
		}
	})
}

func FuzzSplitWords(f *testing.F) {
	for _, text := range []string{"a 'b c' \"d\\\"e\" f\\ g", "a | b", "'", "\\\n", "", "\"\\"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words, err := SplitWords(text)
		if err != nil {
			return
		}
		// Quoted one by one, the words must come out as they were.
		var b strings.Builder
		for _, w := range words {
			b.WriteString(" '" + strings.ReplaceAll(w, "'", `'\''`) + "'")
		}
		again, err := SplitWords(b.String())
		if err != nil || strings.Join(again, "\x00") != strings.Join(words, "\x00") || len(again) != len(words) {
			t.Fatalf("%q gave %q, and quoted %q: %v", text, words, again, err)
		}
	})
}
