package node

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// PermitsFile lists, a line each as the site writes them, the commands that a key may
// run which is pinned to rollcall-node by command="…" in authorized_keys.
const PermitsFile = "/etc/rollcall/commands"

// PermitsFrom reads such a file. Where it is missing, nothing may run.
func PermitsFrom(path string) func(rollcall.Command) error {
	return func(c rollcall.Command) error {
		refusal := rollcall.Errorf(rollcall.KindRefused, "the key is pinned to rollcall-node, and %s does not list: %s", path, c).
			WithHint("let the node's operator add that line to %s", path)
		if c.Shell != "" {
			return refusal.WithHint("a pinned key runs commands, and no texts for a shell")
		}
		file, err := os.Open(path)
		if os.IsNotExist(err) {
			return refusal
		}
		if err != nil {
			return fmt.Errorf("read the permitted commands: %w", err)
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			if line := strings.TrimSpace(lines.Text()); line != "" && line == c.String() {
				return nil
			}
		}
		if err := lines.Err(); err != nil {
			return fmt.Errorf("read the permitted commands: %w", err)
		}
		return refusal
	}
}
