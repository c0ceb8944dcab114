package git

import (
	"reflect"
	"testing"
)

// What stands in the lines looks like heads, and must not be taken for one.
func TestParseOldLines(t *testing.T) {
	text := ":100644 100644 aa bb M\x00a \"b\nc\x00:160000 160000 aa bb M\x00module\x00:100644 000000 aa 00 D\x00z\x00\x00" +
		"diff --git \"a/a\" \"b/a\"\nindex aa..bb 100644\n--- a\n+++ b\n" +
		"@@ -3,2 +3 @@ fn\n-diff --git a/x b/x\n-@@ -9 +9 @@\n+@@ -8 +8 @@\n" +
		"@@ -10,0 +10,2 @@\n+one\n+two\n\\ No newline at end of file\n" +
		"@@ -20 +22 @@\n-x\n\\ No newline at end of file\n+y\n" +
		"diff --git a/module b/module\n--- a\n+++ b\n@@ -1 +1 @@\n-Subproject commit a\n+Subproject commit b\n" +
		"diff --git a/z b/z\ndeleted file mode 100644\n--- a\n+++ /dev/null\n@@ -1,4 +0,0 @@\n-1\n-2\n-3\n-4\n"
	got, err := parseOldLines(text)
	want := []oldFile{{"a \"b\nc", [][2]int{{3, 4}, {20, 20}}}, {"module", nil}, {"z", [][2]int{{1, 4}}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := parseOldLines(":100644 100644 aa bb M\x00a\x00\x00"); err == nil {
		t.Error("a file without a patch went through")
	}
}

func FuzzParseOldLines(f *testing.F) {
	f.Add(":100644 100644 aa bb M\x00a\x00\x00diff --git a/a b/a\n@@ -3,2 +3 @@\n-x\n-y\n+z\n")
	f.Fuzz(func(t *testing.T, text string) {
		files, err := parseOldLines(text)
		if err != nil {
			return
		}
		for _, one := range files {
			for _, l := range one.lines {
				if l[1] < l[0] {
					t.Errorf("lines %v", l)
				}
			}
		}
	})
}
