package git

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

// sketch is a small tree: the contents by path. Those that begin with "-> " are links.
type sketch map[string]string

func (s sketch) paths() []string { return slices.Sorted(maps.Keys(s)) }

// put makes place for a file, whatever stands in its way.
func (s sketch) put(path, content string) {
	for other := range s {
		if strings.HasPrefix(other, path+"/") || strings.HasPrefix(path, other+"/") {
			delete(s, other)
		}
	}
	s[path] = content
}

// edited does some of what people do to a tree. Every new line has a name of its own.
func (s sketch) edited(random *rand.Rand, who string) sketch {
	names := []string{"a", "b", "c", "a/x", "a/y", "b/x", "b/y", "c/a", "c/a/x", "d/x"}
	result := maps.Clone(s)
	for n := range 1 + random.IntN(4) {
		line := fmt.Sprintf("%s%d\n", who, n)
		all := result.paths()
		if len(all) == 0 {
			all = names
		}
		path, to := all[random.IntN(len(all))], names[random.IntN(len(names))]
		content := result[path]
		switch random.IntN(8) {
		case 0:
			delete(result, path)
		case 1:
			result.put(to, line)
		case 2:
			result.put(to, "-> "+who)
		case 3, 4: // with another name
			delete(result, path)
			result.put(to, content)
		case 5: // a folder with another name
			folder, _, _ := strings.Cut(path, "/")
			for _, below := range all {
				if rest, ok := strings.CutPrefix(below, folder+"/"); ok {
					moved := result[below]
					delete(result, below)
					result.put("moved"+who+"/"+rest, moved)
				}
			}
		default:
			if !strings.HasPrefix(content, "-> ") {
				if who == "P" {
					result[path] = line + content
				} else {
					result[path] = content + line
				}
			}
		}
	}
	return result
}

// write writes commits and gives their hashes: of each sketch one, on the one that was
// given before it.
func write(t *testing.T, dir string, lines ...[]sketch) [][]string {
	t.Helper()
	var in strings.Builder
	mark := 0
	for _, line := range lines {
		for i, s := range line {
			mark++
			fmt.Fprintf(&in, "commit refs/heads/made%d\nmark :%d\ncommitter A <a@example.com> 1 +0000\ndata 0\n", mark, mark)
			if i > 0 {
				fmt.Fprintf(&in, "from :%d\n", mark-i)
			}
			in.WriteString("deleteall\n")
			for _, path := range s.paths() {
				mode, content := modeFile, s[path]
				if target, ok := strings.CutPrefix(content, "-> "); ok {
					mode, content = modeLink, target
				}
				fmt.Fprintf(&in, "M %s inline %s\ndata %d\n%s\n", mode, path, len(content), content)
			}
		}
	}
	marks := filepath.Join(t.TempDir(), "marks")
	c := exec.Command("git", "-C", dir, "fast-import", "--quiet", "--force", "--export-marks="+marks)
	c.Stdin = strings.NewReader(in.String())
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("git fast-import: %v: %s", err, out)
	}
	out, err := exec.Command("sort", "-t:", "-k2n", marks).Output()
	if err != nil {
		t.Fatal(err)
	}
	var ids [][]string
	rest := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, line := range lines {
		var some []string
		for range line {
			_, id, _ := strings.Cut(rest[0], " ")
			some, rest = append(some, id), rest[1:]
		}
		ids = append(ids, some)
	}
	return ids
}

var anyHash = regexp.MustCompile(`[0-9a-f]{12}`)

// Whatever both sides did: no name of git's own invention comes into a tree, and what is
// taken is there, with every line of its side.
func TestNothingIsInvented(t *testing.T) {
	const merges = 160
	dir, r := newBare(t)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same every time
	var all [][]sketch
	for range merges {
		base := sketch{}
		for i, path := range []string{"a/x", "a/y", "b", "c/a", "d/x", "e"} {
			var text strings.Builder
			for n := range 9 {
				fmt.Fprintf(&text, "%d of %d\n", n, i)
			}
			base[path] = text.String()
		}
		all = append(all, []sketch{base, base.edited(random, "P"), base.edited(random, "T")})
	}
	ids := write(t, dir, all...)
	conflicts := 0
	for i, one := range all {
		b := benchAt(t, r, ids[i][1])
		step := rollcall.DeskStep{Kind: rollcall.StepPick, ID: ids[i][2]}
		for take, side := range map[rollcall.Take]int{rollcall.TakeProduction: 1, rollcall.TakeTheirs: 2} {
			tree, met := taking(t, b, step, take)
			conflicts += len(met)
			got := sketchOf(t, r, tree)
			describe := func(format string, args ...any) {
				t.Helper()
				t.Errorf("merge %d, %s taken: %s\nbase   %q\nours   %q\ntheirs %q\ngot    %q\nconflicts %q", i, take, fmt.Sprintf(format, args...), one[0], one[1], one[2], got, wordsOf(met))
			}
			for _, words := range wordsOf(met) {
				if anyHash.MatchString(words) {
					describe("nobody knows that commit")
				}
			}
			for path := range got {
				_, known := one[0][path]
				for _, s := range one[1:] {
					_, here := s[path]
					known = known || here
				}
				for _, c := range met {
					known = known || c.Path == path || c.Theirs != nil && c.Theirs.Path == path
				}
				if !known {
					describe("nobody has a %s", path)
				}
			}
			var text strings.Builder
			for _, content := range got {
				text.WriteString(content)
			}
			if strings.Contains(text.String(), "<<<<<<<") {
				describe("there is a marker")
			}
			for _, content := range one[side] {
				for line := range strings.Lines(content) {
					if strings.HasPrefix(line, string("bPT"[side])) && !strings.Contains(text.String(), line) {
						describe("%q is nowhere", line)
					}
				}
			}
		}
	}
	if conflicts < merges/2 {
		t.Errorf("only %d conflicts", conflicts)
	}
}

func newBare(t *testing.T) (string, *Repository) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "r.git")
	if out, err := exec.Command("git", "init", "-q", "--bare", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	return dir, repository(dir)
}

// benchAt is one on a commit.
func benchAt(t *testing.T, r *Repository, id string) *bench {
	t.Helper()
	c, err := r.commit(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{repo: r, target: "production", base: rollcall.Revision{ID: id, Tree: c.tree}, tree: c.tree, close: func() error { return nil }}
}

// Names that are other ones on each side.
func TestConflictsOfNames(t *testing.T) {
	long := func(first, last string) string { return first + "\n2\n3\n4\n5\n6\n7\n8\n" + last + "\n" }
	lib := sketch{"lib/a": long("a", "a"), "lib/b": long("b", "b")}
	lib2 := sketch{"lib2/a": long("a", "a"), "lib2/b": long("b", "b")}
	plus := func(s sketch, path, content string) sketch {
		s = maps.Clone(s)
		s[path] = content
		return s
	}
	for name, one := range map[string]struct {
		base, ours, theirs   sketch
		words                []string
		production, byTheirs sketch // what comes of taking that side
	}{
		"both rename it": {
			sketch{"old": long("1", "9")},
			sketch{"seek": long("1", "9")},
			sketch{"find": long("1", "9")},
			[]string{"find: old renamed to seek in production and to find in THEIRS", "old: production and THEIRS each give it another name", "seek: old renamed to seek in production and to find in THEIRS"},
			sketch{"seek": long("1", "9")},
			sketch{"find": long("1", "9")},
		},
		"theirs renames it, both edit": {
			sketch{"old": long("1", "9")},
			sketch{"old": long("P", "9")},
			sketch{"new": long("T", "9")},
			[]string{"new: production and THEIRS both change the same lines; THEIRS renamed it, from old"},
			sketch{"new": long("P", "9")},
			sketch{"new": long("T", "9")},
		},
		"production renames it, both edit": {
			sketch{"old": long("1", "9")},
			sketch{"new": long("P", "9")},
			sketch{"old": long("T", "9")},
			[]string{"new: production and THEIRS both change the same lines; production renamed it, from old"},
			sketch{"new": long("P", "9")},
			sketch{"new": long("T", "9")},
		},
		"theirs adds to a folder that production renames": {
			lib, lib2, plus(lib, "lib/late", "T\n"),
			[]string{"lib2/late: THEIRS has it as lib/late, in a folder to which production gives another name"},
			lib2, plus(lib2, "lib2/late", "T\n"),
		},
		"production adds to a folder that theirs renames": {
			lib, plus(lib, "lib/late", "P\n"), lib2,
			[]string{"lib/late: production has it in a folder to which THEIRS gives another name: it would become lib2/late"},
			plus(lib2, "lib/late", "P\n"), plus(lib2, "lib2/late", "P\n"),
		},
		"theirs moves a file into a folder that production renames": {
			plus(lib, "old", long("1", "9")), plus(lib2, "old", long("1", "9")), plus(lib, "lib/old", long("1", "9")),
			[]string{"lib2/old: THEIRS has it as lib/old, in a folder to which production gives another name"},
			plus(lib2, "old", long("1", "9")), plus(lib2, "lib2/old", long("1", "9")),
		},
		"production gives a file the name of a folder": {
			plus(lib, "old", long("1", "9")),
			sketch{"lib": long("P", "9")},
			plus(lib, "old", long("T", "9")),
			[]string{"lib: production and THEIRS both change the same lines; production renamed it, from old"},
			sketch{"lib": long("P", "9")},
			sketch{"lib": long("T", "9")},
		},
		"theirs gives a file the name of one of production's": {
			sketch{"old": long("1", "9"), "x": "x\n"},
			sketch{"old": long("1", "9"), "x": "x\n", "new": "P\n"},
			sketch{"new": long("1", "9"), "x": "x\n"},
			[]string{"new: production and THEIRS both add it, with other contents"},
			sketch{"old": long("1", "9"), "x": "x\n", "new": "P\n"},
			sketch{"new": long("1", "9"), "x": "x\n"},
		},
		"theirs makes a folder of a file that production edits": {
			sketch{"a": "1\n", "x": "x\n"},
			sketch{"a": "P\n", "x": "x\n"},
			sketch{"a/b": "T\n", "x": "x\n"},
			[]string{"a: production has a file there, THEIRS brings a folder"},
			sketch{"a": "P\n", "x": "x\n"},
			sketch{"a/b": "T\n", "x": "x\n"},
		},
		"a folder's files are decided with it": {
			sketch{"a/b": "1\n", "a/c": "c\n"},
			sketch{"a/b": "P\n", "a/c": "c\n"},
			sketch{"a": "T\n"},
			[]string{"a: production has a folder there, THEIRS brings a file"},
			sketch{"a/b": "P\n", "a/c": "c\n"},
			sketch{"a": "T\n"},
		},
		"one folder became two": {
			plus(plus(lib, "lib/c", long("c", "c")), "lib/d", long("d", "d")),
			sketch{"l1/a": long("a", "a"), "l1/b": long("b", "b"), "l2/c": long("c", "c"), "l2/d": long("d", "d")},
			plus(plus(plus(lib, "lib/c", long("c", "c")), "lib/d", long("d", "d")), "lib/late", "T\n"), nil,
			sketch{"l1/a": long("a", "a"), "l1/b": long("b", "b"), "l2/c": long("c", "c"), "l2/d": long("d", "d"), "lib/late": "T\n"},
			sketch{"l1/a": long("a", "a"), "l1/b": long("b", "b"), "l2/c": long("c", "c"), "l2/d": long("d", "d"), "lib/late": "T\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, r := newBare(t)
			ids := write(t, dir, []sketch{one.base, one.ours, one.theirs})[0]
			b := benchAt(t, r, ids[1])
			step := rollcall.DeskStep{Kind: rollcall.StepPick, ID: ids[2]}
			for take, want := range map[rollcall.Take]sketch{rollcall.TakeProduction: one.production, rollcall.TakeTheirs: one.byTheirs} {
				tree, met := taking(t, b, step, take)
				words := wordsOf(met)
				for i := range words {
					words[i] = strings.ReplaceAll(words[i], rollcall.ShortRevision(step.ID), "THEIRS")
				}
				if !slices.Equal(words, one.words) {
					t.Errorf("the conflicts are %q", words)
				}
				if got := sketchOf(t, r, tree); !maps.Equal(got, want) {
					t.Errorf("%s taken: %q", take, got)
				}
				if len(met) == 0 {
					continue
				}
				var predicted []string
				err := b.Each(t.Context(), []rollcall.DeskStep{step}, func(_ int, applied rollcall.Applied, err error) {
					for i, c := range applied.Conflicts {
						if err != nil || c.Path != met[i].Path {
							t.Errorf("predicted: %v, %v", applied.Conflicts, err)
						}
						predicted = append(predicted, c.Path)
					}
				})
				if err != nil || len(predicted) != len(met) {
					t.Errorf("predicted: %q, %v", predicted, err)
				}
			}
		})
	}
}

// taking does a step, with one side taken wherever there is a conflict.
func taking(t *testing.T, b *bench, step rollcall.DeskStep, take rollcall.Take) (string, []rollcall.Conflict) {
	t.Helper()
	ctx := context.Background()
	if err := b.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	met, err := b.Apply(ctx, step, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(met.Conflicts) > 0 {
		var decided []rollcall.Resolution
		for _, c := range met.Conflicts {
			decided = append(decided, rollcall.Resolution{Path: c.Path, Of: c.Fingerprint(), Take: take})
		}
		if err := b.Reset(ctx); err != nil {
			t.Fatal(err)
		}
		if left, err := b.Apply(ctx, step, decided); err != nil || len(left.Conflicts) > 0 {
			t.Fatalf("%+v decided: %+v, %v", met.Conflicts, left, err)
		}
	}
	return b.tree, met.Conflicts
}

func sketchOf(t *testing.T, r *Repository, tree string) sketch {
	t.Helper()
	changes, err := r.Changes(t.Context(), "", tree)
	if err != nil {
		t.Fatal(err)
	}
	s := sketch{}
	for _, c := range changes {
		content, err := r.blob(t.Context(), c.New.Blob)
		if err != nil {
			t.Fatal(err)
		}
		s[c.Path] = string(content)
		if c.New.Type == rollcall.TypeLink {
			s[c.Path] = "-> " + s[c.Path]
		}
	}
	return s
}

func wordsOf(all []rollcall.Conflict) []string {
	var words []string
	for _, c := range all {
		words = append(words, c.Path+": "+c.Words)
	}
	return words
}
