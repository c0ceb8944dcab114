package desk

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// regionsLimit is up to which size sides are compared line by line.
const regionsLimit = 2 << 20

// regions finds where both sides changed a text, without markers that could stand in the
// text itself: diff3 gives line numbers. Where it can't be had there are none.
func regions(ctx context.Context, c rollcall.Conflict) []rollcall.ConflictRegion {
	if c.Production == nil || c.Theirs == nil || c.Property != "" {
		return nil
	}
	base := []byte{}
	if c.Base != nil {
		base = c.Base.Content
	}
	sides := [][]byte{c.Production.Content, base, c.Theirs.Content}
	dir, err := os.MkdirTemp("", "rollcall-sides-")
	if err != nil {
		return nil
	}
	defer os.RemoveAll(dir)
	var files []string
	for i, side := range sides {
		if len(side) > regionsLimit || bytes.IndexByte(side, 0) >= 0 {
			return nil
		}
		file := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(file, side, 0o600); err != nil {
			return nil
		}
		files = append(files, file)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, "diff3", append([]string{"--"}, files...)...)
	command.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	out, err := command.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 1) {
		return nil
	}
	lines := [3][]string{}
	for i, side := range sides {
		lines[i] = strings.Split(strings.TrimSuffix(string(side), "\n"), "\n")
	}
	return parseRegions(string(out), lines)
}

var diff3Range = regexp.MustCompile(`^([123]):([0-9]+)(?:,([0-9]+))?([ac])$`)

// parseRegions reads the places where diff3 found all three to differ. Each has three
// ranges: 1:3,4c is lines 3 to 4 of the first, 2:5a is nothing, behind line 5.
func parseRegions(out string, lines [3][]string) []rollcall.ConflictRegion {
	var all []rollcall.ConflictRegion
	var current *rollcall.ConflictRegion
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "====") {
			if current = nil; line == "====" {
				all = append(all, rollcall.ConflictRegion{Base: []string{}, Production: []string{}, Theirs: []string{}})
				current = &all[len(all)-1]
			}
			continue
		}
		match := diff3Range.FindStringSubmatch(line)
		if match == nil || current == nil {
			continue // the text of a place, with blanks before it
		}
		side, _ := strconv.Atoi(match[1])
		first, _ := strconv.Atoi(match[2])
		last := first
		if match[3] != "" {
			last, _ = strconv.Atoi(match[3])
		}
		text := []string{}
		if match[4] == "c" && first >= 1 && last <= len(lines[side-1]) && first <= last {
			text = lines[side-1][first-1 : last]
		}
		switch side {
		case 1:
			current.Production, current.Line = text, max(first, 1)
		case 2:
			current.Base = text
		case 3:
			current.Theirs = text
		}
	}
	return all
}
