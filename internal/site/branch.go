package site

import (
	"fmt"
	"strings"
)

const wantBranch = "a branch's name"

// branchName follows git-check-ref-format(1) with --branch, for the folders of Subversion
// too, and refuses what a command line would take for an option.
var branchName = text(wantBranch, checkBranch)

// branchPattern is a branch's name in which * stands for any letters.
var branchPattern = text("a pattern of branches, such as dev/*", func(text string) error {
	if strings.Trim(text, "*/") == "" && text != "*" {
		return errSaysNothing
	}
	return checkBranch(strings.ReplaceAll(text, "*", "x"))
})

func checkBranch(name string) error {
	switch {
	case name == "@" || name == "HEAD":
		return fmt.Errorf("git keeps that name for itself")
	case len(name) > 200:
		return fmt.Errorf("it is too long")
	case name[0] == '-':
		return fmt.Errorf("it begins with a dash")
	}
	for _, c := range name {
		if c <= 0x20 || c == 0x7f || strings.ContainsRune(`~^:?*[\`, c) {
			return fmt.Errorf("no branch has %q in it", string(c))
		}
	}
	for _, bad := range []string{"..", "@{", "//"} {
		if strings.Contains(name, bad) {
			return fmt.Errorf("no branch has %q in it", bad)
		}
	}
	if strings.HasSuffix(name, ".") {
		return fmt.Errorf("it ends with a dot")
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "":
			return fmt.Errorf("it begins or ends with a slash")
		case part[0] == '.':
			return fmt.Errorf("a part of it begins with a dot")
		case strings.HasSuffix(part, ".lock"):
			return fmt.Errorf("a part of it ends with .lock")
		}
	}
	return nil
}
