package svn

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@+-]*$`)
)

// IsLocal tells whether an address is a path of this machine.
func IsLocal(address string) bool { return !strings.Contains(address, "://") }

// address is where a repository, or a folder of one, is.
type address struct {
	url  string // as svn takes it: escaped, without a user where one is named apart
	user string // for --username
	port string // of ssh, which svn itself can't be told
}

// CheckAddress refuses an address that svn or ssh could take for an option. A leading
// dash in a host ran commands in CVE-2017-9800.
func CheckAddress(address string) error {
	_, err := parseAddress(address)
	return err
}

// parseAddress reads an address. A path must be absolute, but for CheckAddress.
func parseAddress(text string) (address, error) {
	var a address
	if text == "" || strings.HasPrefix(text, "-") || rollcall.Printable(text) != text {
		return a, fmt.Errorf("the address %q is not one that can be used", rollcall.Printable(text))
	}
	if IsLocal(text) {
		if scheme, _, _ := strings.Cut(text, "/"); strings.Contains(scheme, ":") {
			return a, fmt.Errorf("the address %q has no // after its scheme; Subversion has no host:path", text)
		}
		if strings.HasPrefix(text, "~") || strings.HasPrefix(text, "^") {
			return a, fmt.Errorf("the address %q begins with what is not expanded; write it out", text)
		}
		a.url = fileURL(text)
		return a, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return a, fmt.Errorf("the address is not a URL") // the reason would quote a password
	}
	if _, secret := u.User.Password(); secret {
		return a, fmt.Errorf("the address holds a password, and no secret stands in the site")
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return a, fmt.Errorf("the address %q has a ? or a #; write them as %%3F and %%23", text)
	}
	if rollcall.Printable(u.Path) != u.Path {
		return a, fmt.Errorf("the address %q has a control character", text)
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" && u.Host != "localhost" || !filepath.IsAbs(u.Path) || u.User != nil {
			return a, fmt.Errorf("the address %q is not file:///PATH", text)
		}
		a.url = fileURL(u.Path)
		return a, nil
	case "svn+ssh", "svn", "https", "http":
	default:
		return a, fmt.Errorf("the address %q has the scheme %q, expected one of https, http, svn, svn+ssh, file", text, u.Scheme)
	}
	return a, a.remote(text, u)
}

func (a *address) remote(text string, u *url.URL) error {
	host, port := u.Hostname(), u.Port()
	if !hostName.MatchString(host) && net.ParseIP(host) == nil {
		return fmt.Errorf("the address %q has a host that is not allowed", text)
	}
	if u.User != nil && !userName.MatchString(u.User.Username()) {
		return fmt.Errorf("the address has a user that is not allowed")
	}
	clean := url.URL{Scheme: u.Scheme, Host: u.Host}
	a.user = u.User.Username()
	if u.Scheme == "svn+ssh" {
		// It goes to ssh as USER@HOST: svn knows no port there.
		clean.Host, a.port = strings.TrimSuffix(u.Host, ":"+port), port
		if a.user != "" {
			clean.User = url.User(a.user)
		}
		a.user = ""
	}
	a.url = join(clean.String(), path.Clean("/"+u.Path))
	return nil
}

func fileURL(name string) string { return join("file://", path.Clean(name)) }

// join puts a path, as it stands in the repository, behind a URL.
func join(base, name string) string {
	name = strings.Trim(name, "/")
	base = strings.TrimRight(base, "/")
	if base == "file:" {
		base = "file://"
	}
	if name == "" {
		return base
	}
	return base + "/" + escape(name)
}

// escape writes a path as part of a URL. Only what Subversion itself leaves as it is stays so.
func escape(name string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("/-_.~!$&'()*+,:=@", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

// unescape reads a part of a URL.
func unescape(text string) (string, error) {
	name, err := url.PathUnescape(text)
	if err != nil {
		return "", fmt.Errorf("svn: %q is no part of a URL", text)
	}
	return name, nil
}

// at pegs a target. Without a peg, whatever stands behind an @ of its own name would be
// taken for one. Revision 0 pegs it to the newest, or to what stands in a working copy.
func at(target string, revision int64) string {
	if revision == 0 {
		return target + "@"
	}
	return fmt.Sprintf("%s@%d", target, revision)
}
