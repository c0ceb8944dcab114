package svn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"github.com/rollcall-dev/rollcall"
)

const (
	// timeLimit bounds a command that reads or changes little.
	timeLimit = 5 * time.Minute
	// longLimit bounds one that brings a whole tree or a whole log.
	longLimit = 60 * time.Minute
)

// client runs svn and its like, always as the same nobody: without the person's own
// configuration, without any credential that somebody left, asking nothing.
type client struct {
	config   string // the configuration folder
	user     string
	password string   // given on standard input, where there is one
	port     string   // of svn+ssh
	held     *os.File // a lock that lasts for as long as one of the processes; or nil
	// ran is told of each command, for tests.
	ran func(program string, args []string)
}

// command is one run of a program.
type command struct {
	verb    string
	options []string
	targets []string // each pegged (see at), but for places to be made
	dir     string   // where it runs; empty: nowhere in particular
	limit   time.Duration
	// careless is for a working copy whose files nobody looks at: svn otherwise waits until
	// the clock shows another time than theirs.
	careless bool
}

// svn runs one svn command and gives what it wrote.
func (c *client) svn(ctx context.Context, verb string, options []string, targets ...string) ([]byte, error) {
	return c.svnIn(ctx, "", verb, options, targets...)
}

// svnIn runs one svn command in a folder: that of a working copy.
func (c *client) svnIn(ctx context.Context, dir, verb string, options []string, targets ...string) ([]byte, error) {
	var out bytes.Buffer
	err := c.stream(ctx, command{verb: verb, options: options, targets: targets, dir: dir}, func(r io.Reader) error {
		_, err := out.ReadFrom(r)
		return err
	})
	return out.Bytes(), err
}

// stream runs one svn command and gives its output to fn as it comes.
func (c *client) stream(ctx context.Context, one command, fn func(io.Reader) error) error {
	args := append([]string{one.verb}, c.safe()...)
	args = append(args, one.options...)
	args = append(append(args, "--"), one.targets...)
	return c.run(ctx, "svn", one, args, fn)
}

// svnmucc changes a repository without a working copy. actions are words of svnmucc's
// own language; it takes no pegs, and its paths are URLs.
func (c *client) svnmucc(ctx context.Context, options []string, actions ...string) ([]byte, error) {
	args := append(c.safe(), options...)
	args = append(append(args, "--"), actions...)
	var out bytes.Buffer
	err := c.run(ctx, "svnmucc", command{verb: "svnmucc"}, args, func(r io.Reader) error {
		_, err := out.ReadFrom(r)
		return err
	})
	return out.Bytes(), err
}

// safe are the options of every command.
func (c *client) safe() []string {
	args := []string{"--non-interactive", "--no-auth-cache", "--config-dir", c.config}
	if c.user != "" {
		args = append(args, "--username", c.user)
	}
	if c.password != "" {
		args = append(args, "--password-from-stdin")
	}
	return args
}

func (c *client) run(ctx context.Context, program string, one command, args []string, fn func(io.Reader) error) error {
	if err := checkWords(args); err != nil {
		return err
	}
	if one.limit == 0 {
		one.limit = timeLimit
	}
	if c.ran != nil {
		c.ran(program, args)
	}
	limited, cancel := context.WithTimeout(ctx, one.limit)
	defer cancel()
	p := exec.CommandContext(limited, program, args...)
	p.Env = c.environment()
	if one.careless {
		p.Env = append(p.Env, "SVN_I_LOVE_CORRUPTED_WORKING_COPIES_SO_DISABLE_SLEEP_FOR_TIMESTAMPS=yes")
	}
	p.Dir = one.dir
	if p.Dir == "" {
		p.Dir = c.config // somewhere that no working copy is
	}
	if c.password != "" {
		p.Stdin = strings.NewReader(c.password + "\n")
	}
	// ssh below it ends with it.
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.Cancel = func() error { return syscall.Kill(-p.Process.Pid, syscall.SIGKILL) }
	p.WaitDelay = 5 * time.Second
	if c.held != nil {
		p.ExtraFiles = []*os.File{c.held}
	}
	complaint := tail{limit: 16 << 10}
	p.Stderr = &complaint
	out, err := p.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run %s: %w", program, err)
	}
	if err := p.Start(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return commandError(ctx, program, one, err, "")
	}
	failed := fn(out)
	if failed != nil {
		_ = p.Cancel() // nobody reads on
	} else {
		_, failed = io.Copy(io.Discard, out)
	}
	err = p.Wait()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case failed != nil && (err == nil || complaint.text() == ""):
		return failed
	case err != nil:
		return commandError(limited, program, one, err, complaint.text())
	}
	return nil
}

// checkWords refuses what no argument can hold, before the system does in its own words.
func checkWords(args []string) error {
	if i := slices.IndexFunc(args, func(arg string) bool { return strings.ContainsRune(arg, 0) }); i >= 0 {
		return rollcall.Errorf(rollcall.KindInvalid, "%q can't be given to svn", rollcall.Printable(args[i]))
	}
	return nil
}

// environment is what svn and the ssh below it may see.
func (c *client) environment() []string {
	ssh := "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15"
	if c.port != "" {
		ssh += " -p " + c.port
	}
	env := []string{"LC_ALL=C.UTF-8", "SVN_SSH=" + ssh, "SSH_ASKPASS=true"}
	for _, name := range []string{"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "KRB5CCNAME"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// What svn is told in a configuration of its own: nothing of a person's that could run a
// program, keep a credential or change a content. Of the host's see hostSettings.
const (
	configText = `[auth]
password-stores =
store-passwords = no
store-auth-creds = no
[miscellany]
global-ignores =
enable-auto-props = no
interactive-conflicts = no
use-commit-times = no
preserved-conflict-file-exts =
[working-copy]
exclusive-locking = no
`
	serversText = `[global]
store-auth-creds = no
store-passwords = no
store-plaintext-passwords = no
store-ssl-client-cert-pp = no
ssl-trust-default-ca = yes
http-timeout = 120
`
)

// prepare writes the configuration folder anew.
func (c *client) prepare() error {
	if err := os.MkdirAll(c.config, 0o700); err != nil {
		return fmt.Errorf("make Subversion's configuration: %w", err)
	}
	for name, text := range map[string]string{"config": configText, "servers": serversText + hostSettings(hostServers)} {
		file := filepath.Join(c.config, name)
		if have, err := os.ReadFile(file); err == nil && string(have) == text {
			continue
		}
		if err := renameio.WriteFile(file, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write Subversion's configuration: %w", err)
		}
	}
	return nil
}

// failure is what svn complained of.
type failure struct {
	codes []string // E170013
	text  string
}

func (f *failure) Error() string { return f.text }

var codeText = regexp.MustCompile(`\b[EW]([0-9]{6}): `)

// complains tells whether an error is svn's, with one of these numbers: "155011".
func complains(err error, codes ...string) bool {
	var f *failure
	return errors.As(err, &f) && slices.ContainsFunc(f.codes, func(code string) bool { return slices.Contains(codes, code) })
}

func commandError(ctx context.Context, program string, one command, err error, complaint string) error {
	what := one.verb
	if program != what {
		what = program + " " + what
	}
	if errors.Is(err, exec.ErrNotFound) {
		return rollcall.Errorf(rollcall.KindInvalid, "%s is not installed", program).
			WithHint("install Subversion 1.14 or newer (Debian's package subversion)")
	}
	if ctx.Err() != nil {
		return rollcall.Errorf(rollcall.KindInternal, "%s did not end within %v", what, one.limit)
	}
	f := &failure{}
	var lines []string
	for line := range strings.SplitSeq(rollcall.PrintableLines(strings.TrimSpace(complaint)), "\n") {
		line = strings.TrimPrefix(line, program+": ")
		for _, found := range codeText.FindAllStringSubmatch(line, -1) {
			f.codes = append(f.codes, found[1])
		}
		if line = codeText.ReplaceAllString(line, ""); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if f.text = strings.Join(lines, "; "); f.text == "" {
		f.text = err.Error()
	}
	kind, hint := judge(f)
	e := rollcall.Errorf(kind, "%s: %w", what, f)
	e.Hint = hint
	return e
}

// judge tells what a complaint comes to, and what to do about it.
func judge(f *failure) (rollcall.Kind, string) {
	has := func(codes ...string) bool { return complains(f, codes...) }
	says := func(text string) bool { return strings.Contains(f.text, text) }
	switch {
	case says("Host key verification failed"):
		return rollcall.KindInternal, "the repository's host key is not known or has changed; compare its fingerprint, then add it to ~/.ssh/known_hosts"
	case says("Permission denied (") || says("Permission denied, please"):
		return rollcall.KindInternal, "load the key that may read the repository into your agent: ssh-add"
	case has("230001") || says("certificate"):
		return rollcall.KindInternal, "the server's certificate is not trusted; name its authority with ssl-authority-files in /etc/subversion/servers"
	case has("170001", "215004", "175013") || says("Authentication failed"):
		return rollcall.KindInternal, "the repository wants another user or password; nothing that svn keeps for a person is used: see docs/subversion.md"
	case has("210005", "180001"):
		return rollcall.KindNotFound, "look at the code's svn: key in rollcall.yaml; a relative path starts at the site's folder"
	case has("160013", "170000", "200009", "160006"):
		return rollcall.KindNotFound, ""
	case has("670002", "670008", "731001", "000111", "000113", "000110", "210002", "170013", "175012", "120104"):
		return rollcall.KindInternal, "look whether the server is up and can be reached from here"
	case has("155004", "155037"):
		return rollcall.KindInternal, "a working copy was left locked: svn cleanup there"
	}
	return rollcall.KindInternal, ""
}

// tail keeps the end of what is written to it.
type tail struct {
	b     []byte
	limit int
}

func (t *tail) Write(b []byte) (int, error) {
	t.b = append(t.b, b...)
	if over := len(t.b) - t.limit; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(b), nil
}

func (t *tail) text() string { return strings.ToValidUTF8(string(t.b), "\uFFFD") }
