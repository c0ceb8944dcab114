// Package ssh reaches nodes over ssh, many at once from one process, and keeps
// rollcall-node there. Host keys are pinned: an unknown or changed one ends the
// connection before anything is sent.
package ssh

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

const (
	connectLimit = 15 * time.Second // for TCP and for the handshake, each
	startLimit   = 30 * time.Second // for rollcall-node's greeting
	installLimit = 5 * time.Minute
)

// Config says how nodes are reached.
type Config struct {
	// SSH is the site's; nil: the person's own configuration, asked of `ssh -G`.
	SSH *rollcall.SSH
	// Name is what rollcall-node is called on a node, of whichever platform. It holds a
	// hash: rollcall-node-3f9c…
	Name func(ctx context.Context) (string, error)
	// Content gives rollcall-node for a GOOS/GOARCH, to put it there.
	Content func(ctx context.Context, platform string) ([]byte, error)
}

// Transport is a rollcall.Transport over ssh.
type Transport struct {
	config     Config
	name       func() (string, error) // of the node's binary
	hostKeys   *hostKeys
	startLimit time.Duration
	handshakes chan struct{} // handshakes cost CPU: more at once only makes all of them late
	jumps      clients       // jump hosts, by their chain
	hosts      clients       // hosts of balancers' sockets
}

var _ rollcall.Transport = (*Transport)(nil)

// New makes a Transport.
func New(config Config) *Transport {
	t := &Transport{config: config, hostKeys: &hostKeys{}, startLimit: startLimit, handshakes: make(chan struct{}, 8*runtime.GOMAXPROCS(0))}
	t.name = sync.OnceValues(func() (string, error) {
		return config.Name(context.Background())
	})
	return t
}

// Close ends the connections that nodes and sockets share.
func (t *Transport) Close() error {
	t.hosts.close()
	t.jumps.close()
	return nil
}

// Connect connects to a node and starts rollcall-node there, which it installs where it
// is missing.
func (t *Transport) Connect(ctx context.Context, node rollcall.Node) (rollcall.Conn, error) {
	settings, err := t.settings(ctx, node)
	if err != nil {
		return nil, nodeError(node, err)
	}
	heard := newHeard()
	client, err := t.dialAndHear(ctx, settings, heard)
	if err != nil {
		return nil, explain(node, settings, err)
	}
	conn, err := t.start(ctx, client, heard, node.Become)
	if errors.Is(err, errNotInstalled) {
		if err = t.install(ctx, client); err == nil {
			conn, err = t.start(ctx, client, heard, node.Become)
		}
	}
	if err != nil {
		client.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, startError(node, err)
	}
	return conn, nil
}

// dial makes an authenticated connection, through jump hosts where the settings say so.
func (t *Transport) dial(ctx context.Context, s *settings) (*ssh.Client, error) {
	return t.dialAndHear(ctx, s, newHeard())
}

func (t *Transport) dialAndHear(ctx context.Context, s *settings, heard *heard) (*ssh.Client, error) {
	auth, closeAuth, err := s.auth()
	if err != nil {
		return nil, err
	}
	defer closeAuth()
	check, algorithms, err := t.hostKeys.check(s)
	if err != nil {
		return nil, err
	}
	raw, err := t.dialTCP(ctx, s)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	// Waited for only now, so that hosts that do not answer take nobody's place.
	select {
	case t.handshakes <- struct{}{}:
		defer func() { <-t.handshakes }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	raw.SetDeadline(time.Now().Add(connectLimit))
	conn, channels, requests, err := ssh.NewClientConn(&hearing{Conn: raw, heard: heard}, s.hostPort(), &ssh.ClientConfig{
		User: s.user, Auth: auth, HostKeyCallback: check, HostKeyAlgorithms: algorithms,
		ClientVersion: "SSH-2.0-Rollcall",
	})
	if err != nil {
		raw.Close()
		return nil, err
	}
	raw.SetDeadline(time.Time{})
	return ssh.NewClient(conn, channels, requests), nil
}

func (t *Transport) dialTCP(ctx context.Context, s *settings) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	if len(s.jump) == 0 {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", s.hostPort())
		if err != nil {
			return nil, err
		}
		return promptly(conn), nil
	}
	jump, err := t.jump(ctx, s.jump)
	if err != nil {
		return nil, fmt.Errorf("by way of %s: %w", s.jump[len(s.jump)-1], err)
	}
	conn, err := jump.DialContext(ctx, "tcp", s.hostPort())
	if err != nil {
		return nil, fmt.Errorf("by way of %s: %w", s.jump[len(s.jump)-1], err)
	}
	return &pollable{Conn: conn}, nil
}

// pollable gives a channel through a jump host the deadlines that x/crypto's lacks: the
// connection is closed when the time is over.
type pollable struct {
	net.Conn
	mu    sync.Mutex
	timer *time.Timer
}

func (p *pollable) SetDeadline(at time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	if !at.IsZero() {
		p.timer = time.AfterFunc(time.Until(at), func() { p.Close() })
	}
	return nil
}

var errNotInstalled = errors.New("rollcall-node is not there")

// start runs rollcall-node and reads its greeting.
func (t *Transport) start(ctx context.Context, client *ssh.Client, heard *heard, become bool) (*conn, error) {
	name, err := t.name()
	if err != nil {
		return nil, err
	}
	// A node that freezes once it has let us in answers nothing any more: from here on to
	// the greeting only the end of the connection ends a wait.
	ctx, cancel := context.WithTimeout(ctx, t.startLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { client.Close() })
	defer stop()
	late := func(err error) error {
		if ctx.Err() != nil {
			return fmt.Errorf("start rollcall-node: %w", context.Cause(ctx))
		}
		return err
	}
	session, err := client.NewSession()
	if err != nil {
		return nil, late(err)
	}
	c := &conn{client: client, session: session, heard: heard, ended: make(chan struct{})}
	session.Stderr = &c.stderr
	if c.in, err = session.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReaderSize(out, 4<<10) // for the greeting; what reads after it has its own
	// A relative path: sshd starts commands in the user's home. Nothing in it needs quoting.
	command := binFolder + "/" + name
	if become {
		command = "sudo -n " + command
	}
	if err := session.Start(command); err != nil {
		return nil, late(err)
	}
	noise, err := wire.SkipGreeting(c.out)
	if err != nil && ctx.Err() != nil {
		return nil, late(err)
	}
	if err != nil {
		return nil, c.notStarted(err, noise, become)
	}
	go c.keepAlive()
	return c, nil
}

// notStarted finds out why no greeting came. 126 and 127 are the shell's words for a
// program that is not there or is damaged; sudo has its own.
func (c *conn) notStarted(err error, noise string, become bool) error {
	ended := c.session.Wait() // what it complained of is there only then
	said := rollcall.Printable(strings.TrimSpace(noise + c.Stderr()))
	var exit *ssh.ExitError
	if !errors.As(ended, &exit) {
		if connectionEnded(ended) {
			return fmt.Errorf("start rollcall-node: the connection ended: %w", ended)
		}
		return fmt.Errorf("start rollcall-node: %w: %s", err, said)
	}
	switch code := exit.ExitStatus(); {
	case become && strings.HasPrefix(said, "sudo:") && !strings.Contains(said, "command not found"):
		return rollcall.Errorf(rollcall.KindBroken, "start rollcall-node through sudo: %s", said).
			WithHint("let the user run it without a password: USER ALL=(root) NOPASSWD: /home/USER/%s/rollcall-node-*", binFolder)
	case become && strings.Contains(said, "command not found"), code == 126, code == 127:
		return errNotInstalled
	case exit.Signal() != "": // with the sshd above it, or with the whole node
		return rollcall.Errorf(rollcall.KindUnreachable, "start rollcall-node: it was killed there by SIG%s", exit.Signal()).
			WithHint("look whether the node goes down, or is out of memory")
	default:
		return fmt.Errorf("start rollcall-node: it ended with %d: %s", code, said)
	}
}

// conn is a running rollcall-node.
type conn struct {
	client  *ssh.Client
	session *ssh.Session
	heard   *heard
	in      io.WriteCloser
	out     *bufio.Reader
	stderr  stderr
	once    sync.Once
	ended   chan struct{}
}

func (c *conn) Read(b []byte) (int, error)  { return c.out.Read(b) }
func (c *conn) Write(b []byte) (int, error) { return c.in.Write(b) }
func (c *conn) Stderr() string              { return c.stderr.String() }

func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.ended)
		// The connection first: a session says good-bye, and to a frozen node that is never
		// taken while what was sent before it waits.
		c.client.Close()
		c.session.Close()
	})
	return nil
}

// stderr keeps the first 4 KiB of what a program complains of.
type stderr struct {
	mu sync.Mutex
	b  []byte
}

func (s *stderr) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b = append(s.b, b[:min(len(b), 4<<10-len(s.b))]...)
	return len(b), nil
}

func (s *stderr) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.b)
}
