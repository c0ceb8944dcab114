// Command rollcall rolls code out of version control to fleets of servers.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// A terminal that goes away does not end a roll.
	signal.Ignore(syscall.SIGHUP)
	os.Exit(run(os.Args[1:]))
}
