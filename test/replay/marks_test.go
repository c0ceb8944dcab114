package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMarks(t *testing.T) {
	for _, c := range []struct{ kind, message, names, why string }{
		{"svn", "Merged r22302 and r22303 from trunk to 4.2-stable (#38807).", "r22302 r22303", ""},
		{"svn", "Merged r21499, r21500 and r21501 to 4.1-stable (#30924).", "r21499 r21500 r21501", ""},
		{"svn", "Merge r24728, r24730 from trunk to 5.1-stable (#43951).", "r24728 r24730", ""},
		{"svn", "Merged r18746 to 3.4-stable (#32294).", "r18746", ""},
		{"svn", "Merged r19480 to 19488 to 4.1-stable", "r19480-r19488", ""},
		{"svn", "Merged r100-r105 and r107 to 4.1-stable (#7)", "r100-r105 r107", ""},
		{"svn", "Merge rr100,r200,r300 from trunk to 4.1-stable", "r100 r200 r300", ""},
		{"svn", "Merged from trunk r100 to 4.1-stable", "r100", ""},
		{"svn", "Merged r100 from trunk to 4.2-stable in order to revert r99 (#1).", "r100", ""},
		{"svn", "Backport 24342 to 5.1-stable (#43691).", "r24342", ""},
		{"svn", "Merge 200 fixes from trunk", "", ""},
		{"svn", "Merged revision(s) 31080 from trunk: a subject", "r31080", ""},
		{"svn", "merge -c2345 from trunk to branch 2.0", "r2345", ""},
		{"svn", "merge-r17765 from trunk to branch 2.4 feature 2737: a subject", "r17765", ""},
		{"svn", "merge  r6473 from trunk to branch 2.1 ", "r6473", ""},
		{"svn", "merge -r1234 from trunk", "r1234", ""},
		{"svn", "Merge trunk 2534:2536 into branch 2.0", "r2535-r2536", ""},
		{"svn", "merge part of r100 & r101 from trunk to branch 2.0", "r100 r101", ""},
		{"svn", "merge svn:1234 into 2.5 branch", "r1234", ""},
		{"svn", "merge r11831 from trunk to branch 2.2\nbug:2386\nA subject", "r11831", ""},
		{"svn", "Merge from trunk 2690:\n- a thing", "r2690", ""},
		{"svn", "bug:2278 fixed (merge r10970 r11008 & r11039 from trunk) replace 12345", "r10970 r11008 r11039", ""},
		{"svn", "backmerge r10857", "", "speaks of a merge and of a revision, not in the form that is read"},
		{"svn", "* STATUS: Vote to merge r10857", "", "speaks of a merge and of a revision, not in the form that is read"},
		{"svn", "Reverse the merge r10857", "", "speaks of a merge and of a revision, not in the form that is read"},
		{"svn", "Backport the fix r200 to 4.1-stable", "r200", ""},
		{"svn", "On the 1.14.x branch, merge r1887710 from trunk.\n\n * r1887710\n   Follow up to r1857624", "r1887710", ""},
		{"svn", "Merge the r100 group from trunk:\n\n * r100, r101,\n   r102 and 103\n   Follow up to r7.\n", "r100 r101 r102 r103", ""},
		{"svn", "Merge the r100 group from trunk.", "", "names a group of revisions and does not list it"},
		{"svn", "Emoji: a subject.\n\nReviewed by one.\nMerges [59287] and [59288] to the 6.7 branch.\nFixes #1.", "r59287 r59288", ""},
		{"svn", "Merge the 1.14.x-r1881534 branch:\n\n * r1881534\n", "", "merges a branch, and names no changeset of the trunk"},
		{"svn", "* CHANGES (1.14.x): Merge from trunk.", "", ""},
		{"svn", "* STATUS: Nominate r1921505", "", ""},
		{"svn", "Reverting my commit r12 (backporting r11).", "", "speaks of a merge and of a revision, not in the form that is read"},
		{"svn", "Update Nokogiri to 1.18.3 in 5.1-stable (#42366).", "", ""},
		{"cherry-pick", "one\n\n(cherry picked from commit abcdef0123)\n(cherry picked from commit 0123456789)\n", "abcdef0123 0123456789", ""},
		{"cherry-pick", "[2.9] Backport a thing", "", "speaks of a backport and names no commit in the form that is read"},
		{"cherry-pick", "Update the version", "", ""},
		{"backport", "[5.0.x] Fixed #1.\n\nBackport of 0123456789abcdef from main.", "0123456789abcdef", ""},
		{"rollcall", "x\n\nRollcall-Pick: " + strings.Repeat("a", 40) + "\n> Rollcall-Pick: " + strings.Repeat("b", 40), strings.Repeat("a", 40), ""},
	} {
		names, why := markings[c.kind].read(c.message)
		if diff := cmp.Diff(c.names, strings.Join(names, " ")); diff != "" || why != c.why {
			t.Errorf("%q: %s\n%s", c.message, why, diff)
		}
	}
	names, _ := byExpression(regexp.MustCompile(`^\[pick ([0-9a-f]+)\]`))("[pick 1234567] x")
	if len(names) != 1 {
		t.Error(names)
	}
}

func FuzzReadSvn(f *testing.F) {
	f.Add("Merge the r100 group from trunk:\n\n * r100, r101-r107\n")
	f.Fuzz(func(t *testing.T, message string) {
		names, _ := readSvn(message)
		for _, name := range names {
			svnNumbers(name)
		}
	})
}
