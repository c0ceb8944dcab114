// Command rollcall rolls code out of version control to fleets of servers.
package main

import (
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	// It lives for seconds and holds little: collecting is not worth its time.
	debug.SetGCPercent(400)
	// A terminal that goes away does not end a roll, nor does whoever reads its output.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	os.Exit(run(os.Args[1:]))
}
