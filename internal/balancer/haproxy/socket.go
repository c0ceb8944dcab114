package haproxy

import (
	"context"
	"net"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// Socket is where HAProxy's runtime API listens.
type Socket struct {
	Path    string // of a unix socket
	Host    string // where the path is, reached over ssh; empty: on this machine
	User    string // for ssh; empty: as ssh is set up
	Address string // host:port of a TCP socket, where there is no path
}

var (
	// None of them begins with a dash: they may end up as arguments of ssh.
	safeHost = regexp.MustCompile(`\A(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?\])\z`)
	safeUser = regexp.MustCompile(`\A[A-Za-z0-9_][A-Za-z0-9._-]*\z`)
)

// pathLimit is what the kernel takes as a path of a unix socket (sun_path).
const pathLimit = 107

// ParseSocket reads the three forms of a socket: /path, host:port and [user@]host:/path.
// An IPv6 address stands in brackets.
func ParseSocket(text string) (Socket, error) {
	bad := func(why string) (Socket, error) {
		return Socket{}, rollcall.Errorf(rollcall.KindInvalid, "%q is no socket of HAProxy: %s", rollcall.Printable(text), why).
			WithHint("write /run/haproxy/admin.sock, host:port, or user@host:/run/haproxy/admin.sock, which is reached over ssh")
	}
	if text != rollcall.Printable(text) {
		return bad("it holds control characters")
	}
	before, file, onHost := strings.Cut(text, ":/")
	if onHost || strings.HasPrefix(text, "/") {
		s := Socket{Path: text}
		if !strings.HasPrefix(text, "/") {
			s.Path = "/" + file
			user, host, hasUser := strings.Cut(before, "@")
			if !hasUser {
				user, host = "", before
			} else if !safeUser.MatchString(user) {
				return bad("that is no name of a user")
			}
			if !safeHost.MatchString(host) {
				return bad("that is no name of a host")
			}
			s.User, s.Host = user, strings.Trim(host, "[]")
		}
		switch {
		case path.Clean(s.Path) != s.Path || s.Path == "/":
			return bad("the path is not a clean one")
		case len(s.Path) > pathLimit:
			return bad("a path of more than " + strconv.Itoa(pathLimit) + " bytes can't be a socket's")
		}
		return s, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return bad("it is neither an absolute path nor host:port")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
		return bad("the port is not a number from 1 to 65535")
	}
	if strings.HasPrefix(text, "[") {
		host = "[" + host + "]"
	}
	if !safeHost.MatchString(host) {
		return bad("that is no name of a host")
	}
	return Socket{Address: text}, nil
}

// dialLimit is how long Dial waits. One over ssh has the limits of ssh.
const dialLimit = 5 * time.Second

// Dial connects to a socket on this machine or to one over TCP. One on another host is
// for a dial that knows ssh.
func Dial(ctx context.Context, socket string) (net.Conn, error) {
	s, err := ParseSocket(socket)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: dialLimit}
	switch {
	case s.Host != "":
		return nil, rollcall.Errorf(rollcall.KindInvalid, "the socket %s is reached over ssh, which this can't", socket)
	case s.Path != "":
		return d.DialContext(ctx, "unix", s.Path)
	default:
		return d.DialContext(ctx, "tcp", s.Address)
	}
}
