package site

import (
	"cmp"
	"path/filepath"

	"github.com/rollcall-dev/rollcall"
)

// ssh is how nodes are reached, as it was read.
type ssh struct {
	user                string
	keyFile, knownHosts placed[string]
}

var sshKeys = keys[ssh]{
	fields: []field[ssh]{
		key("user", "Whom to log in as, where the nodes file names no user.", userName,
			func(s *ssh) *string { return &s.user }),
		key("key_file", "The private key, from the site's folder or absolute.", place(siteFile),
			func(s *ssh) *placed[string] { return &s.keyFile }),
		key("known_hosts", "The host keys that nodes must have, from the site's folder or absolute.", place(siteFile),
			func(s *ssh) *placed[string] { return &s.knownHosts }),
	},
}

var sshKind = define("ssh", sshKeys.kind())

// under is an environment's ssh with what it does not say taken from the site's: one
// that only names another user must not lose the pinned host keys.
func (s *ssh) under(site *ssh) *ssh {
	if s == nil || site == nil {
		return cmp.Or(s, site)
	}
	merged := *s
	merged.user = cmp.Or(s.user, site.user)
	if s.keyFile.node == nil {
		merged.keyFile = site.keyFile
	}
	if s.knownHosts.node == nil {
		merged.knownHosts = site.knownHosts
	}
	return &merged
}

// final makes paths absolute.
func (s *ssh) final(dir string) *rollcall.SSH {
	if s == nil {
		return nil
	}
	return &rollcall.SSH{
		User:       s.user,
		KeyFile:    within(dir, s.keyFile.value),
		KnownHosts: within(dir, s.knownHosts.value),
	}
}

func within(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// checkSSHFiles refuses files that ssh could not read: it would go on without them.
func (l *loader) checkSSHFiles(s *ssh) {
	if s == nil {
		return
	}
	for _, file := range []placed[string]{s.keyFile, s.knownHosts} {
		if !file.ok {
			continue
		}
		if err := checkFile(within(l.dir, file.value)); err != nil {
			l.mistake(file.node, "cannot use %s: %v", quote(file.value), err)
		}
	}
}
