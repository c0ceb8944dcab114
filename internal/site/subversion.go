package site

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// svnAddress is where a Subversion repository, or a folder in one, is. A host that begins
// with a dash ran commands in CVE-2017-9800.
var svnAddress = text("a path, or a https:, http:, svn:, svn+ssh: or file: address", checkSVNAddress)

var (
	svnSchemes = []string{"https", "http", "svn", "svn+ssh", "file"}
	svnUser    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@+-]*$`)
	hasScheme  = regexp.MustCompile(`^[^/]*:`)
)

func checkSVNAddress(address string) error {
	m := scheme.FindStringSubmatch(address)
	switch {
	case m != nil:
		return checkSVNURL(address, m[1])
	case address[0] == '-':
		return fmt.Errorf("it begins with a dash")
	case address[0] == '~' || address[0] == '^':
		return fmt.Errorf("%c is not expanded; write it out", address[0])
	case hasScheme.MatchString(address):
		return fmt.Errorf("Subversion has no host:path; write svn+ssh://host/path") //nolint:staticcheck // a name
	}
	return nil
}

func checkSVNURL(address, scheme string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errSaysNothing
	}
	if _, secret := u.User.Password(); secret {
		return errPassword
	}
	switch {
	case !slices.Contains(svnSchemes, scheme):
		return fmt.Errorf("transports other than %s are not used", strings.Join(svnSchemes, ", "))
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fmt.Errorf("? and # are written %%3F and %%23")
	case rollcall.Printable(u.Path) != u.Path:
		return fmt.Errorf("it has a control character")
	case scheme == "file":
		if u.Host != "" && u.Host != "localhost" || u.User != nil {
			return fmt.Errorf("a file: address has three slashes")
		}
		return nil
	case u.User != nil && !svnUser.MatchString(u.User.Username()):
		return fmt.Errorf("%s is no name of a user", quote(u.User.Username()))
	}
	return checkAddressHost(u.Hostname())
}
