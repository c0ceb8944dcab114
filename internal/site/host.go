package site

import (
	"net/netip"
	"regexp"
)

// What comes near ssh's command line: nothing that begins with a dash, nothing that a
// shell would read (CVE-2023-51385).
var (
	hostPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)
	userPattern = regexp.MustCompile(`^[a-z_][a-z0-9_.-]{0,63}\$?$`)
)

func validHost(host string) bool {
	return hostPattern.MatchString(host) || isIPv6(host)
}

func isIPv6(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.Is6() && address.Zone() == ""
}

const wantUser = `a user's name: small letters, digits, "_", "." and "-"`

var userName = text(wantUser, func(text string) error {
	if !userPattern.MatchString(text) {
		return errSaysNothing
	}
	return nil
})
