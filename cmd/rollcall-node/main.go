// Command rollcall-node is what Rollcall runs on a node, over ssh. It speaks frames on
// its standard input and output and ignores its arguments.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/rollcall-dev/rollcall/internal/node"
	"github.com/rollcall-dev/rollcall/internal/version"
)

func main() {
	// It lives for seconds and holds little: collecting is not worth its time until there
	// is much to collect.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(128 << 20)
	// Files become 0644 and 0755, whatever the user's umask is.
	syscall.Umask(0o022)
	// The controller's end is the end of standard input, and nothing else.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	server := &node.Server{Version: version.String(), Abandoned: func() {
		fmt.Fprintln(os.Stderr, "rollcall-node: nothing comes any more")
		os.Exit(1)
	}}
	if _, pinned := os.LookupEnv("SSH_ORIGINAL_COMMAND"); pinned {
		server.Permits = node.PermitsFrom(node.PermitsFile)
	}
	if err := server.Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "rollcall-node:", err)
		os.Exit(1)
	}
}
