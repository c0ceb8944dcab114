package git

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

var (
	hostName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$|^\[[0-9A-Fa-f:]+\]$`)
	userName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	scpAddress = regexp.MustCompile(`^(?:([^@/:]+)@)?([^@/:]+):(.+)$`)
)

// IsLocal tells whether an address is a path of this machine, whose objects are read
// where they are.
func IsLocal(address string) bool {
	return !strings.Contains(address, "://") && (strings.HasPrefix(address, "/") || strings.HasPrefix(address, ".") || !scpAddress.MatchString(address))
}

// CheckAddress refuses an address that git or ssh could take for an option or for a
// helper program. A leading dash in a host ran commands in CVE-2017-1000117, and ext::
// runs them by design.
func CheckAddress(address string) error {
	if address == "" || strings.HasPrefix(address, "-") || rollcall.Printable(address) != address {
		return fmt.Errorf("the address %q is not one that can be used", rollcall.Printable(address))
	}
	if strings.Contains(strings.SplitN(address, "/", 2)[0], "::") {
		return fmt.Errorf("the address %q names a helper program, which is not allowed", address)
	}
	if IsLocal(address) {
		return nil
	}
	if !strings.Contains(address, "://") {
		parts := scpAddress.FindStringSubmatch(address)
		if parts[1] != "" && !userName.MatchString(parts[1]) || !hostName.MatchString(parts[2]) || strings.HasPrefix(parts[3], "-") {
			return fmt.Errorf("the address %q has a user, host or path that is not allowed", address)
		}
		return nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("the address is not a URL: %w", err)
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" || !filepath.IsAbs(u.Path) {
			return fmt.Errorf("the address %q is not file:///PATH", address)
		}
		return nil
	case "ssh", "https", "http":
	default:
		return fmt.Errorf("the address %q has the scheme %q, expected one of ssh, https, file", address, u.Scheme)
	}
	if !hostName.MatchString(u.Hostname()) && !strings.Contains(u.Hostname(), ":") || strings.HasPrefix(u.Hostname(), "-") {
		return fmt.Errorf("the address %q has a host that is not allowed", address)
	}
	if u.User != nil && (!userName.MatchString(u.User.Username())) {
		return fmt.Errorf("the address has a user that is not allowed")
	}
	if _, secret := u.User.Password(); secret {
		return fmt.Errorf("the address holds a password, and no secret stands in the site; use a credential helper of git")
	}
	return nil
}
