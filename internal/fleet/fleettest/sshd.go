package fleettest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// SSHD is a real OpenSSH server on loopback, for the account that runs the test. It
// gives every session a home of its own, so that nothing lands in the account's.
//
// The port is held by the test, which starts `sshd -i` for each connection and carries
// the bytes: so a port is never lost to another test, and a connection can be made to
// fail at an exact byte.
type SSHD struct {
	dir  string // conf, host key, authorized keys
	home string

	mu       sync.Mutex
	listener net.Listener
	port     int
	hostKey  ssh.PublicKey
	conns    map[*sshdConn]bool
	fault    *fault
	closed   bool
	wait     sync.WaitGroup
}

type sshdConn struct {
	client net.Conn
	server net.Conn // the test's end of the socket that is sshd's standard input and output
	sshd   *exec.Cmd
	done   chan struct{} // closed once sshd has ended
}

type fault struct {
	after int64
	do    func()
	once  sync.Once
}

// NewSSHD starts a server that lets a key in. What it needs is written beneath dir.
func NewSSHD(dir string, authorized ssh.PublicKey) (*SSHD, error) {
	s := &SSHD{dir: dir, home: filepath.Join(dir, "home"), conns: map[*sshdConn]bool{}}
	if err := os.MkdirAll(s.home, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.path("authorized_keys"), ssh.MarshalAuthorizedKey(authorized), 0o600); err != nil {
		return nil, err
	}
	if err := s.NewHostKey(); err != nil {
		return nil, err
	}
	if err := s.configure(); err != nil {
		return nil, err
	}
	return s, s.Start()
}

func (s *SSHD) path(name string) string { return filepath.Join(s.dir, name) }

// sshdProgram must be an absolute path: sshd insists on it.
const sshdProgram = "/usr/sbin/sshd"

func (s *SSHD) configure() error {
	if os.Getuid() == 0 {
		// What a package's start script makes.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return err
		}
	}
	lines := []string{
		"HostKey " + s.path("host_key"),
		"AuthorizedKeysFile " + s.path("authorized_keys"),
		"ForceCommand /bin/sh " + s.path("enter"),
		"PidFile none",
		// What environments in place keep goes with the test.
		"SetEnv XDG_STATE_HOME=" + s.path("state"),
		"StrictModes no",
		"PermitRootLogin yes",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"LogLevel ERROR",
		"UsePAM " + map[bool]string{true: "yes", false: "no"}[rootIsLocked()],
	}
	if err := os.WriteFile(s.path("sshd_config"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	// A forced command leaves the client's in SSH_ORIGINAL_COMMAND, by which
	// rollcall-node would know a pinned key: it must be gone before it is run.
	enter := fmt.Sprintf("cd '%[1]s' || exit 1\nHOME='%[1]s'; export HOME\n"+
		"command=$SSH_ORIGINAL_COMMAND; unset SSH_ORIGINAL_COMMAND\nexec %[2]s /bin/sh -c \"$command\"\n", s.home, ordinary())
	if err := os.WriteFile(s.path("enter"), []byte(enter), 0o600); err != nil {
		return err
	}
	if out, err := exec.Command(sshdProgram, "-t", "-f", s.path("sshd_config")).CombinedOutput(); err != nil {
		return fmt.Errorf("sshd -t: %w: %s", err, out)
	}
	return nil
}

// rootIsLocked tells whether sshd would turn root away for its password: with PAM it
// leaves that to PAM, which lets keys in.
func rootIsLocked() bool {
	if os.Getuid() != 0 {
		return false
	}
	b, err := os.ReadFile("/etc/shadow")
	return err == nil && strings.HasPrefix(string(b), "root:!")
}

// ordinary takes root's power over permissions away, so that a folder that must not be
// written can't be, as for the ordinary user that nodes are rolled as.
var ordinary = sync.OnceValue(func() string {
	const setpriv = "setpriv --bounding-set=-dac_override,-dac_read_search --"
	if os.Getuid() != 0 || exec.Command("/bin/sh", "-c", setpriv+" true").Run() != nil {
		return ""
	}
	return setpriv
})

// Pin lets the key start the rollcall-node that is installed and nothing else, as an
// operator does with command="…" in authorized_keys.
func (s *SSHD) Pin() error {
	found, err := filepath.Glob(filepath.Join(s.home, ".rollcall", "bin", "rollcall-node-*"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("there are %d rollcall-nodes in %s", len(found), s.home)
	}
	return os.WriteFile(s.path("enter"), []byte("exec "+found[0]+"\n"), 0o600)
}

// Permissions tells whether file permissions bind the sessions.
func (s *SSHD) Permissions() bool { return os.Getuid() != 0 || ordinary() != "" }

// NewHostKey makes a host key, or another one: for the next connection on.
func (s *SSHD) NewHostKey() error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.hostKey = key
	s.mu.Unlock()
	return os.WriteFile(s.path("host_key"), pem.EncodeToMemory(block), 0o600)
}

// HostKey is the server's public key.
func (s *SSHD) HostKey() ssh.PublicKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hostKey
}

// Port is where it listens.
func (s *SSHD) Port() int { return s.port }

// Home is where sessions begin.
func (s *SSHD) Home() string { return s.home }

// Start listens, on the port that it had before.
func (s *SSHD) Start() error {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.listener, s.port = l, l.Addr().(*net.TCPAddr).Port
	s.mu.Unlock()
	s.wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if err := s.serve(c); err != nil {
				fmt.Fprintln(os.Stderr, "fleettest: start sshd:", err)
				c.Close()
			}
		}
	})
	return nil
}

// Stop ends the server with all its sessions: connections are refused.
func (s *SSHD) Stop() {
	s.mu.Lock()
	if s.listener != nil {
		s.listener.Close()
		s.listener = nil
	}
	s.mu.Unlock()
	s.KillSessions()
}

// Close ends everything, and waits until it has.
func (s *SSHD) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Stop()
	s.wait.Wait()
}

// FaultAfter does something once a connection has carried so many bytes to the server.
// The bytes behind them wait for it. It is for the first connection that gets there.
func (s *SSHD) FaultAfter(bytes int64, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = &fault{after: bytes, do: do}
}

func (s *SSHD) serve(client net.Conn) error {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	mine, theirs := os.NewFile(uintptr(pair[0]), "sshd"), os.NewFile(uintptr(pair[1]), "sshd")
	defer theirs.Close()
	server, err := net.FileConn(mine)
	mine.Close()
	if err != nil {
		return err
	}
	c := &sshdConn{client: client, server: server, done: make(chan struct{})}
	c.sshd = exec.Command(sshdProgram, "-i", "-e", "-f", s.path("sshd_config"))
	c.sshd.Stdin, c.sshd.Stdout = theirs, theirs
	// Dies with the test, however that ends.
	c.sshd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.listener == nil {
		server.Close()
		return errors.New("it is closed")
	}
	if err := c.sshd.Start(); err != nil {
		server.Close()
		return err
	}
	s.conns[c] = true
	s.wait.Go(func() { // to the server
		io.Copy(&faulty{w: server, s: s}, client)
		server.(*net.UnixConn).CloseWrite()
	})
	s.wait.Go(func() { // to the client
		io.Copy(client, server)
		client.Close()
	})
	s.wait.Go(func() {
		c.sshd.Wait()
		server.Close()
		client.Close()
		close(c.done)
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	})
	return nil
}

// faulty counts what it writes.
type faulty struct {
	w net.Conn
	s *SSHD
	n int64
}

func (f *faulty) Write(b []byte) (int, error) {
	f.n += int64(len(b))
	f.s.mu.Lock()
	fault := f.s.fault
	f.s.mu.Unlock()
	if fault != nil && f.n >= fault.after {
		fault.once.Do(fault.do)
	}
	return f.w.Write(b)
}

// KillSessions kills every sshd of this server and what it started, as a power cut would.
func (s *SSHD) KillSessions() {
	s.mu.Lock()
	var conns []*sshdConn
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		for _, pid := range descendants(c.sshd.Process.Pid) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		c.sshd.Process.Kill()
		<-c.done
	}
	s.KillNode()
}

// KillNode kills every rollcall-node that runs in this server's sessions, and tells
// how many there were.
func (s *SSHD) KillNode() int {
	killed := 0
	for _, p := range processes() {
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.pid))
		if err == nil && strings.HasPrefix(exe, s.home+"/") && syscall.Kill(p.pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}

type process struct{ pid, parent int }

func processes() []process {
	entries, _ := os.ReadDir("/proc")
	var all []process
	for _, e := range entries {
		var p process
		if _, err := fmt.Sscan(e.Name(), &p.pid); err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// The name, in parentheses, may hold anything.
		rest := string(b[strings.LastIndexByte(string(b), ')')+1:])
		var state string
		if _, err := fmt.Sscan(rest, &state, &p.parent); err == nil {
			all = append(all, p)
		}
	}
	return all
}

func descendants(pid int) []int {
	children := map[int][]int{}
	for _, p := range processes() {
		children[p.parent] = append(children[p.parent], p.pid)
	}
	var all []int
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		all = append(all, children[queue[0]]...)
		queue = append(queue, children[queue[0]]...)
	}
	return all
}
