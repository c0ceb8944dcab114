package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall/internal/fleet/fleettest"
)

// Network is a world whose nodes have addresses, networks and process trees of their
// own, so that a node can lose its network or its power while the others keep theirs.
// The controller has a network namespace too, with the bridge that all are at. No
// namespace has a name or a way out: all of it ends with its processes, and these with
// the test, and two networks never meet.
type Network struct {
	*World
	Hosts []*Host
	hub   *exec.Cmd // holds the controller's namespace
}

// NetworkOptions say what a network is made of.
type NetworkOptions struct {
	Nodes int
	Site  string // as in Options
	// Link, where not nil, lies between each node and the bridge.
	Link *Link
	// Via, where not nil, are other addresses at which nodes are called.
	Via map[string]netip.AddrPort
}

// NewNetwork makes one, which ends with the test. It needs root: another user's tests
// are skipped, loudly, and only theirs.
func NewNetwork(t testing.TB, o NetworkOptions) *Network {
	t.Helper()
	if os.Getuid() != 0 {
		fmt.Fprintf(os.Stderr, "SKIPPED: %s makes network namespaces, and needs root for it\n", t.Name())
		t.Skip("network namespaces need root")
	}
	w := newWorld(t, Programs(t))
	n := &Network{World: w}
	n.hub = exec.Command("sleep", "infinity")
	n.start(n.hub, syscall.CLONE_NEWNET)
	t.Cleanup(func() { end(n.hub) })
	w.netns = fmt.Sprintf("/proc/%d/ns/net", n.hub.Process.Pid)
	n.ip("link", "set", "lo", "up")
	n.ip("link", "add", "br0", "address", "02:00:00:00:01:00", "type", "bridge")
	n.ip("addr", "add", "10.77.0.1/24", "dev", "br0")
	n.ip("link", "set", "br0", "up")
	for i := range o.Nodes {
		n.addHost(i+1, o.Link)
	}
	for _, h := range n.Hosts {
		h.Boot()
	}
	w.Repo = w.newRepo()
	n.writeSite(o)
	return n
}

// For is the same network, whose failures are another test's.
func (n *Network) For(t testing.TB) *Network {
	return &Network{World: n.World.For(t), Hosts: n.Hosts, hub: n.hub}
}

// Host gives one by its name.
func (n *Network) Host(name string) *Host {
	for _, h := range n.Hosts {
		if h.Name == name {
			return h
		}
	}
	n.t.Fatalf("there is no node %s", name)
	return nil
}

func (n *Network) writeSite(o NetworkOptions) {
	n.t.Helper()
	me, err := user.Current()
	n.check(err)
	nodes, known := "[app]\n", ""
	for _, h := range n.Hosts {
		at, ok := o.Via[h.Name]
		if !ok {
			at = netip.AddrPortFrom(netip.MustParseAddr(h.Address), 22)
		}
		nodes += fmt.Sprintf("%s ansible_host=%s ansible_port=%d ansible_user=%s dir=%s\n", h.Name, at.Addr(), at.Port(), me.Username, strings.TrimPrefix(h.Dir, "/"))
		known += knownhosts.Line([]string{at.String()}, h.SSHD.HostKey()) + "\n"
	}
	n.writeFiles(o.Site, nodes, known)
}

// start starts a program that dies with the test, in namespaces of its own.
func (n *Network) start(c *exec.Cmd, namespaces uintptr) {
	n.t.Helper()
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: namespaces}
	if err := c.Start(); err != nil {
		n.t.Fatalf("start %s in namespaces of its own: %v: this machine, or the container that it is, does not let root make them", c.Path, err)
	}
}

func end(c *exec.Cmd) {
	c.Process.Kill()
	_ = c.Wait() // it was killed
}

// ip runs ip at the controller.
func (n *Network) ip(args ...string) {
	n.t.Helper()
	n.tool(n.hub, "", "ip", args...)
}

// tool runs a program in the network namespace of another one.
func (n *Network) tool(of *exec.Cmd, input, program string, args ...string) {
	n.t.Helper()
	if err := tool(of, input, program, args...); err != nil {
		n.t.Fatal(err)
	}
}

func tool(of *exec.Cmd, input, program string, args ...string) error {
	c := exec.Command("nsenter", append([]string{"-t", fmt.Sprint(of.Process.Pid), "-n", program}, args...)...)
	c.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	c.Stdin = strings.NewReader(input)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s: scripts/test-packages installs what is missing", program, strings.Join(args, " "), err, out)
	}
	return nil
}

// Within does something in a network namespace: sockets that are made there stay there.
func Within(netns string, do func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer here.Close()
	there, err := os.Open(netns)
	if err != nil {
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter %s: %w", netns, err)
	}
	done := do()
	if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(err) // this thread must not serve others now
	}
	return done
}

// Address is the controller's.
func (n *Network) Address() netip.Addr { return netip.MustParseAddr("10.77.0.1") }

// Netns is where the controller's network is, for Within.
func (n *Network) Netns() string { return n.netns }

// Cut drops all that the controller sends and is sent, until Heal.
func (n *Network) Cut() { n.t.Helper(); n.filter(n.hub, "drop") }

// Heal ends a Cut.
func (n *Network) Heal() { n.t.Helper(); n.filter(n.hub, "") }

func (n *Network) filter(of *exec.Cmd, verdict string) {
	n.t.Helper()
	rules := "table inet rollcall\ndelete table inet rollcall\n"
	if verdict != "" {
		rules += "table inet rollcall {\n"
		for _, hook := range []string{"input", "output"} {
			if hook == "output" && verdict != "drop" {
				continue
			}
			rules += "chain " + hook + " {\ntype filter hook " + hook + " priority -300; policy accept;\nmeta iifname lo accept\nmeta oifname lo accept\n" + verdict + "\n}\n"
		}
		rules += "}\n"
	}
	n.tool(of, rules, "nft", "-f", "-")
}

// Host is a node with an init of its own: its process tree ends with it.
type Host struct {
	*Node
	Address string
	n       *Network
	number  int
	link    *Link
	init    *exec.Cmd // nil: without power
}

func (n *Network) addHost(number int, link *Link) {
	n.t.Helper()
	node := &Node{Name: fmt.Sprintf("app%d", number), Tier: "app"}
	node.Dir = n.Path(node.Name)
	n.check(os.MkdirAll(filepath.Join(node.Dir, "nginx"), 0o755))
	var err error
	node.SSHD, err = fleettest.NewSSHD(n.Path("sshd", node.Name), n.key)
	n.check(err)
	node.SSHD.Close() // its configuration and its keys are what is wanted
	h := &Host{Node: node, Address: fmt.Sprintf("10.77.0.%d", 10+number), n: n, number: number, link: link}
	n.t.Cleanup(func() {
		if h.init != nil {
			end(h.init)
		}
	})
	n.Nodes, n.Hosts = append(n.Nodes, node), append(n.Hosts, h)
}

// hostInit is the first process of a node. It begins when its network is there, and runs
// a new sshd when the old one has ended and a file says so.
//
// The user's home is the node's own: its shell's start files there are nobody's.
const hostInit = `mount --make-rprivate / && mount -t proc proc /proc && mount --bind "$4" "$5" || exit 1
read go
PATH=$PATH:/usr/sbin:/sbin
nginx -p "$1/nginx" -c "$1/nginx.conf" -e stderr &
while :; do
	/usr/sbin/sshd -D -e -f "$2" -o ListenAddress="$3" -o Port=22
	until rm "$1/start-sshd" 2>/dev/null; do sleep 0.05; done
done
`

// Boot gives the node power.
func (h *Host) Boot() {
	h.n.t.Helper()
	me, err := user.Current()
	h.n.check(err)
	config := fmt.Sprintf(nginxConfig, "user root;", filepath.Join(h.Dir, "nginx"), 80, h.Srv("current"))
	config = strings.Replace(config, "listen 127.0.0.1:80", "listen "+h.Address+":80", 1)
	h.n.check(os.WriteFile(filepath.Join(h.Dir, "nginx.conf"), []byte(config), 0o600))
	c := exec.Command("/bin/sh", "-c", hostInit, "init", h.Dir, filepath.Join(h.n.Path("sshd", h.Name), "sshd_config"), h.Address, h.SSHD.Home(), me.HomeDir)
	log, err := os.OpenFile(h.n.Path("sshd", h.Name, "console"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	h.n.check(err)
	defer log.Close()
	c.Stdout, c.Stderr = log, log
	begin, err := c.StdinPipe()
	h.n.check(err)
	h.n.start(c, syscall.CLONE_NEWNET|syscall.CLONE_NEWPID|syscall.CLONE_NEWNS)
	h.init = c
	port := fmt.Sprintf("v%d", h.number)
	if h.link != nil {
		h.n.check(h.slow(port))
	} else {
		h.n.ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(c.Process.Pid))
	}
	h.n.ip("link", "set", port, "master", "br0", "up")
	h.n.tool(c, "", "ip", "link", "set", "lo", "up")
	h.n.tool(c, "", "ip", "link", "set", "eth0", "address", fmt.Sprintf("02:00:00:00:00:%02x", h.number), "up")
	h.n.tool(c, "", "ip", "addr", "add", h.Address+"/24", "dev", "eth0")
	_, err = begin.Write([]byte("go\n"))
	h.n.check(err)
	h.waitFor("22")
	h.waitFor("80")
}

func (h *Host) waitFor(port string) {
	h.n.t.Helper()
	for late := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) {
		err := Within(h.n.netns, func() error {
			c, err := net.DialTimeout("tcp", h.Address+":"+port, time.Second)
			if err == nil {
				c.Close()
			}
			return err
		})
		if err == nil {
			return
		}
		if time.Now().After(late) {
			console, _ := os.ReadFile(h.n.Path("sshd", h.Name, "console"))
			h.n.t.Fatalf("%s does not come up: %v\n%s", h.Name, err, console)
		}
	}
}

// HoldLogin keeps whoever has logged in from getting any further, until the file that it
// gives is removed. The other file is there as soon as somebody is kept.
func (h *Host) HoldLogin() (hold, held string) {
	h.n.t.Helper()
	hold, held = filepath.Join(h.Dir, "hold-login"), filepath.Join(h.Dir, "held-login")
	enter := h.n.Path("sshd", h.Name, "enter")
	b, err := os.ReadFile(enter)
	h.n.check(err)
	h.n.check(os.WriteFile(hold, nil, 0o600))
	h.n.check(os.WriteFile(enter, append(fmt.Appendf(nil, "while [ -e %s ]; do touch %s; sleep 0.02; done\n", hold, held), b...), 0o600))
	return hold, held
}

// PowerCut ends everything on the node at once; nobody is told. Its disk stays.
func (h *Host) PowerCut() {
	h.n.t.Helper()
	port := fmt.Sprintf("v%d", h.number)
	h.n.ip("link", "set", port, "down") // or dying processes would still say good-bye
	end(h.init)
	h.init = nil
	_ = tool(h.n.hub, "", "ip", "link", "del", port) // it may have gone with the other end
}

// Cut drops all that comes to the node and goes from it.
func (h *Host) Cut() { h.n.t.Helper(); h.n.filter(h.init, "drop") }

// Refuse resets all connections to the node, old ones and new ones.
func (h *Host) Refuse() { h.n.t.Helper(); h.n.filter(h.init, "meta l4proto tcp reject with tcp reset") }

// Heal ends a Cut or a Refuse.
func (h *Host) Heal() { h.n.t.Helper(); h.n.filter(h.init, "") }

// Freeze stops all processes of the node; its kernel goes on answering for them.
func (h *Host) Freeze() { h.n.t.Helper(); h.signal(syscall.SIGSTOP, "") }

// Thaw lets them go on.
func (h *Host) Thaw() { h.n.t.Helper(); h.signal(syscall.SIGCONT, "") }

// FreezeNode stops rollcall-node alone, as a disk that hangs does: sshd goes on.
func (h *Host) FreezeNode() { h.n.t.Helper(); h.signal(syscall.SIGSTOP, "rollcall-node") }

// KillSSHD ends sshd and its sessions. StartSSHD starts it anew.
func (h *Host) KillSSHD() { h.n.t.Helper(); h.signal(syscall.SIGKILL, "sshd") }

// StartSSHD is what an operator does after that.
func (h *Host) StartSSHD() {
	h.n.t.Helper()
	h.n.check(os.WriteFile(filepath.Join(h.Dir, "start-sshd"), nil, 0o600))
	h.waitFor("22")
}

// signal sends a signal to the node's processes whose name begins so, until there are no
// more that have not had it.
func (h *Host) signal(s syscall.Signal, name string) {
	h.n.t.Helper()
	mine, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", h.init.Process.Pid))
	h.n.check(err)
	had := map[int]bool{}
	for more := true; more; {
		more = false
		entries, err := os.ReadDir("/proc")
		h.n.check(err)
		for _, e := range entries {
			var pid int
			if _, err := fmt.Sscan(e.Name(), &pid); err != nil || had[pid] {
				continue
			}
			if ns, err := os.Readlink("/proc/" + e.Name() + "/ns/pid"); err != nil || ns != mine {
				continue
			}
			if called, err := os.ReadFile("/proc/" + e.Name() + "/comm"); err != nil || !strings.HasPrefix(string(called), name) {
				continue
			}
			if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
				h.n.t.Fatal(err)
			}
			had[pid], more = true, true
		}
	}
	if len(had) == 0 {
		h.n.t.Fatalf("nothing called %q runs on %s", name, h.Name)
	}
}

// Odd tells what on the node's disk is not as it must be at any time, whatever it died
// of: something that is called a release and is not whole, a current that leads nowhere.
func (n *Network) Odd(h *Host, before, next *Commit) (odd []string) {
	n.t.Helper()
	if _, err := os.Stat(h.Srv("current")); err != nil {
		odd = append(odd, err.Error())
	}
	for _, line := range h.digest(n.names(before, next)) {
		_, fact, _ := strings.Cut(line, ": ")
		switch fact {
		case "current OLD", "current NEW", "lies OLD", "lies NEW", "activated OLD", "activated NEW", "activated OLDER":
		default:
			odd = append(odd, line)
		}
	}
	return odd
}

// Stands tells what a node has live, by the words of Digest, and whether anything of
// this roll still keeps it out of service.
func (n *Network) Stands(h *Host, before, next *Commit) string {
	n.t.Helper()
	stands := n.names(before, next).of(h.Live())
	if b, err := os.ReadFile(h.Srv("shared", "activated")); err == nil {
		stands += ", activated " + n.names(before, next).of(strings.TrimSpace(string(b)))
	}
	for _, claim := range n.claims() {
		if strings.HasPrefix(claim, h.Name+" ") {
			stands += ", out of service"
		}
	}
	return stands
}

// During runs rollcall, does something once something is so, and waits for the end.
func (n *Network) During(is func() bool, do func(), args ...string) Result {
	n.t.Helper()
	c := n.Command(args...)
	var out, err bytes.Buffer
	c.Stdout, c.Stderr = &out, &err
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	n.check(c.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait() // how it ended is in its state
	}()
	defer c.Process.Kill()
	for late := time.Now().Add(Patience); !is(); time.Sleep(time.Millisecond) {
		select {
		case <-ended:
			n.t.Fatalf("rollcall %v ended too early\n%s%s", args, out.String(), err.String())
		default:
		}
		if time.Now().After(late) {
			n.t.Fatalf("rollcall %v never came there\n%s%s", args, out.String(), err.String())
		}
	}
	do()
	select {
	case <-ended:
	case <-time.After(10 * time.Minute): // longer than any limit of it
		n.t.Fatalf("rollcall %v does not end\n%s%s", args, out.String(), err.String())
	}
	return Result{Exit: c.ProcessState.ExitCode(), Out: out.String(), Err: err.String()}
}

// Kill ends it where it stands.
func (f *Frozen) Kill() {
	f.w.t.Helper()
	f.w.check(syscall.Kill(f.tracer.pid, syscall.SIGKILL))
	f.Wait()
}
