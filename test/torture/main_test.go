package torture

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall/test/fleet"
)

var (
	all     = flag.Bool("torture.all", os.Getenv("ROLLCALL_TORTURE") != "", "every position and every round, not a short form")
	spoiled = flag.Bool("torture.spoiled", false, "the desk writes no intent before it commits: its kill matrix must fail")
	from    = flag.Int("torture.from", 1, "the position that a desk's command is first killed at: one of the matrix in pieces")
	within  = flag.Duration("torture.within", 0, "begin no more positions of a desk's command after that time, and say which is next")
	stub    = flag.Bool("torture.stub", false, "put nothing in the place of resume and abort: the kill matrices must fail")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if !*all {
		// They wait for disks and health checks more than for processors.
		_ = flag.Set("test.parallel", "4")
	}
	code := m.Run()
	fleet.RemovePrograms()
	os.Exit(code)
}

func shell(text string) (string, error) {
	out, err := exec.Command("/bin/sh", "-c", text).CombinedOutput()
	return string(out), err
}

// lastWord is the error that a command ended with, in one line.
func lastWord(said string) string {
	return strings.ReplaceAll(strings.TrimSpace(said[max(0, strings.LastIndex(said, "rollcall: ")):]), "\n", "; ")
}
