package site

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// gitAddress is where a repository is. git(1) runs other programs for some addresses
// (ext::, a host that begins with a dash: CVE-2017-1000117), so only forms that are
// understood here go through.
var gitAddress = text("a path, a file:, ssh: or https: address, or host:path", checkGitAddress)

var (
	transport = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+.-]*::`)
	scheme    = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)://`)
	scpLike   = regexp.MustCompile(`^([^/:]*@)?(\[[^/\]]*\]|[^/:]*):(.*)$`)
	gitUser   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*$`)
)

func checkGitAddress(address string) error {
	switch {
	case address[0] == '-':
		return fmt.Errorf("it begins with a dash")
	case transport.MatchString(address):
		return fmt.Errorf("transports other than file, ssh and https are not used")
	}
	if m := scheme.FindStringSubmatch(address); m != nil {
		return checkGitURL(address, m[1])
	}
	if m := scpLike.FindStringSubmatch(address); m != nil {
		return checkScpLike(strings.TrimSuffix(m[1], "@"), m[1] != "", m[2], m[3])
	}
	if address[0] == '~' {
		return fmt.Errorf("~ is not expanded; write the folder out")
	}
	return nil
}

func checkGitURL(address, scheme string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errSaysNothing
	}
	if _, secret := u.User.Password(); secret {
		return errPassword
	}
	switch {
	case scheme != "file" && scheme != "ssh" && scheme != "https":
		return fmt.Errorf("transports other than file, ssh and https are not used")
	case scheme == "file" && u.Host != "" && u.Host != "localhost":
		return fmt.Errorf("a file: address has three slashes")
	case u.Path == "" || u.Path == "/":
		return fmt.Errorf("it names no repository")
	case scheme == "file":
		return nil
	case u.User != nil && !gitUser.MatchString(u.User.Username()):
		return fmt.Errorf("%s is no name of a user", quote(u.User.Username()))
	case strings.HasPrefix(u.Path, "/-"):
		return fmt.Errorf("its path begins with a dash")
	}
	return checkAddressHost(u.Hostname())
}

func checkScpLike(user string, hasUser bool, host, path string) error {
	switch {
	case hasUser && !gitUser.MatchString(user):
		return fmt.Errorf("%s is no name of a user", quote(user))
	case path == "":
		return fmt.Errorf("it names no repository")
	case path[0] == '-':
		return fmt.Errorf("its path begins with a dash")
	}
	return checkAddressHost(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
}

func checkAddressHost(host string) error {
	if !validHost(host) {
		return fmt.Errorf("%s is no host", quote(host))
	}
	return nil
}
