package rollcall

import (
	"fmt"
	"strings"
)

// Command is what a probe runs, or nil where it asks over the network.
func (p Probe) Command() *Command {
	if p.Nagios != nil {
		return p.Nagios
	}
	return p.Run
}

// Judge tells what the output of a probe's command means: nil where it passes, with what
// is to be told all the same. Of a Nagios plugin (exit codes as in its development
// guidelines) WARNING passes and is told, UNKNOWN and anything else is inconclusive.
func (p Probe) Judge(out Output) (said string, err error) {
	said = lastLine(out.Text)
	if p.Nagios == nil {
		switch {
		case out.Exit == 0:
			return "", nil
		case said == "":
			return "", fmt.Errorf("it ended with %d and said nothing", out.Exit)
		}
		return "", fmt.Errorf("it ended with %d: %s", out.Exit, said)
	}
	said, _, _ = strings.Cut(strings.TrimSpace(out.Text), "\n") // text | performance data
	switch out.Exit {
	case 0:
		return "", nil
	case 1:
		return said, nil
	case 2:
		return "", fmt.Errorf("%s", said)
	}
	return "", Errorf(KindInconclusive, "it can't tell (exit %d): %s", out.Exit, said)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
