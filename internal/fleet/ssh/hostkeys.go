package ssh

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"github.com/rollcall-dev/rollcall"
)

// hostKeys reads each set of known_hosts files once.
type hostKeys struct {
	mu   sync.Mutex
	sets map[string]*knownhosts.HostKeyDB
}

func (h *hostKeys) database(files []string) (*knownhosts.HostKeyDB, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := strings.Join(files, "\x00")
	if db := h.sets[key]; db != nil {
		return db, nil
	}
	var there []string
	for _, file := range files {
		if _, err := os.Stat(file); err == nil {
			there = append(there, file)
		}
	}
	db, err := knownhosts.NewDB(there...)
	if err != nil {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "read the known hosts: %w", err)
	}
	if h.sets == nil {
		h.sets = map[string]*knownhosts.HostKeyDB{}
	}
	h.sets[key] = db
	return db, nil
}

// check gives the callback that knows the host's key, and the algorithms in which to
// ask for it: another kind of key would look like a changed one.
func (h *hostKeys) check(s *settings) (ssh.HostKeyCallback, []string, error) {
	db, err := h.database(s.knownHosts)
	if err != nil {
		return nil, nil, err
	}
	known := db.HostKeyCallback()
	callback := func(_ string, remote net.Addr, key ssh.PublicKey) error {
		err := known(s.knownAs(), remote, key)
		if err != nil {
			return &hostKeyError{
				changed: knownhosts.IsHostKeyChanged(err), unknown: knownhosts.IsHostUnknown(err),
				line: knownhosts.Line([]string{knownhosts.Normalize(s.knownAs())}, key), print: ssh.FingerprintSHA256(key), err: err,
			}
		}
		return nil
	}
	return callback, db.HostKeyAlgorithms(s.knownAs()), nil
}

// hostKeyError tells why a host's key was not taken.
type hostKeyError struct {
	changed, unknown bool
	line             string // for known_hosts
	print            string
	err              error
}

func (e *hostKeyError) Error() string {
	switch {
	case e.changed:
		return "its host key has changed: it is now " + e.print
	case e.unknown:
		return "its host key is not known: it is " + e.print
	}
	return fmt.Sprintf("its host key %s was not taken: %v", e.print, e.err)
}

func (e *hostKeyError) Unwrap() error { return e.err }

func (e *hostKeyError) hint(s *settings) string {
	file := s.knownHosts[0]
	if e.changed {
		return fmt.Sprintf("if the node was rebuilt, compare the key on its console, then: ssh-keygen -R '%s' -f %s, and add: %s; if it was not, somebody stands in between",
			knownhosts.Normalize(s.knownAs()), file, e.line)
	}
	return fmt.Sprintf("compare it with ssh-keygen -lf on the node, then add to %s: %s", file, e.line)
}
