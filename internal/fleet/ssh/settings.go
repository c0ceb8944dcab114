package ssh

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// settings are how one host is reached.
type settings struct {
	host       string // to dial
	alias      string // under which its key is known; empty: host
	port       int
	user       string
	keyFiles   []string
	agent      string // socket; empty: none
	onlyKeys   bool   // of the agent, only those that keyFiles name
	knownHosts []string
	jump       []string // hosts to go through, the nearest first
	personal   bool
}

func (s *settings) hostPort() string { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

func (s *settings) knownAs() string {
	if s.alias != "" {
		return net.JoinHostPort(s.alias, "22")
	}
	return s.hostPort()
}

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$|^[0-9A-Fa-f:]+$`)
	userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*\$?$`)
)

func (t *Transport) settings(ctx context.Context, node rollcall.Node) (*settings, error) {
	site := t.config.SSH
	if site == nil {
		return personal(ctx, node.Address, node.User, node.Port)
	}
	if site.KeyFile == "" && site.KnownHosts == "" { // it names only the user
		return personal(ctx, node.Address, cmp.Or(node.User, site.User), node.Port)
	}
	s := &settings{
		host: node.Address, port: node.SSHPort(), user: node.User,
		keyFiles: []string{site.KeyFile}, knownHosts: []string{site.KnownHosts},
	}
	if s.user == "" {
		s.user = site.User
	}
	home, _ := os.UserHomeDir()
	if site.KeyFile == "" {
		s.keyFiles, s.agent = defaultKeys(home), os.Getenv("SSH_AUTH_SOCK")
	}
	if site.KnownHosts == "" {
		s.knownHosts = []string{filepath.Join(home, ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"}
	}
	if s.user == "" {
		me, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("find out who is rolling: %w", err)
		}
		s.user = me.Username
	}
	return s, s.valid()
}

func (s *settings) valid() error {
	if !hostName.MatchString(s.host) {
		return rollcall.Errorf(rollcall.KindInvalid, "%q is not a host's name", rollcall.Printable(s.host))
	}
	if !userName.MatchString(s.user) {
		return rollcall.Errorf(rollcall.KindInvalid, "%q is not a user's name", rollcall.Printable(s.user))
	}
	return nil
}

func defaultKeys(home string) []string {
	var files []string
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		files = append(files, filepath.Join(home, ".ssh", name))
	}
	return files
}

// personal asks ssh itself what the person's configuration says of a host: its rules
// are ssh's to interpret.
func personal(ctx context.Context, host, user string, port int) (*settings, error) {
	check := &settings{host: host, user: user}
	if user == "" {
		check.user = "x"
	}
	if err := check.valid(); err != nil {
		return nil, err
	}
	args := []string{"-G"}
	if user != "" {
		args = append(args, "-l", user)
	}
	if port != 0 {
		args = append(args, "-p", strconv.Itoa(port))
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, "ssh", append(args, "--", host)...)
	var out, complaint bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaint
	if err := c.Run(); err != nil {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "ask ssh for its configuration: %w: %s", err, rollcall.Printable(strings.TrimSpace(complaint.String()))).
			WithHint("try: ssh -G %s", host)
	}
	return parsePersonal(out.String())
}

func parsePersonal(text string) (*settings, error) {
	s := &settings{port: 22, agent: os.Getenv("SSH_AUTH_SOCK"), personal: true}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), " ")
		switch key {
		case "hostname":
			s.host = value
		case "hostkeyalias":
			s.alias = value
		case "port":
			port, err := strconv.Atoi(value)
			if err != nil {
				return nil, fmt.Errorf("ssh -G: port %q", value)
			}
			s.port = port
		case "user":
			s.user = value
		case "identityfile":
			s.keyFiles = append(s.keyFiles, home(value))
		case "identitiesonly":
			s.onlyKeys = value == "yes"
		case "identityagent":
			switch value {
			case "none":
				s.agent = ""
			case "SSH_AUTH_SOCK":
			default:
				s.agent = os.ExpandEnv(home(value))
			}
		case "userknownhostsfile", "globalknownhostsfile":
			for file := range strings.FieldsSeq(value) {
				s.knownHosts = append(s.knownHosts, home(file))
			}
		case "proxyjump":
			if value != "none" {
				s.jump = strings.Split(value, ",")
			}
		case "proxycommand":
			if value != "none" {
				return nil, rollcall.Errorf(rollcall.KindInvalid, "your ssh configuration reaches it by a ProxyCommand, which Rollcall does not run").
					WithHint("use ProxyJump in ~/.ssh/config instead")
			}
		}
	}
	return s, s.valid()
}

func home(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if dir, err := os.UserHomeDir(); err == nil {
			return filepath.Join(dir, rest)
		}
	}
	return path
}
