package svn

import (
	"os"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// hostServers is where a host says how servers are reached. svn does not look there when it
// is given a configuration folder, so what may be taken over is.
const hostServers = "/etc/subversion/servers"

// hostKeys are what a host may say: which proxy there is, and whose certificates it
// trusts. Nothing that names a program or keeps a credential.
var hostKeys = []string{
	"http-proxy-host", "http-proxy-port", "http-proxy-exceptions", "ssl-authority-files", "ssl-trust-default-ca",
}

// hostSettings reads the lines of the file's [global] that are taken over.
func hostSettings(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return "" // most hosts say nothing
	}
	var lines strings.Builder
	global := false
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			global = line == "[global]"
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if global && ok && slices.Contains(hostKeys, key) && rollcall.Printable(value) == value {
			lines.WriteString(key + " = " + value + "\n")
		}
	}
	return lines.String()
}
