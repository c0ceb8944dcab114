package fleet

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Link is what lies between a node and the bridge. It may be made slow at any time.
type Link struct {
	delay atomic.Int64 // one way
	loss  atomic.Int32 // percent, each way
}

// Slow makes it so.
func (l *Link) Slow(delay time.Duration, loss int32) {
	l.delay.Store(int64(delay))
	l.loss.Store(loss)
}

// slow makes the node's link out of two taps, with a carrier between them that takes its
// time and loses some: not every kernel has tc's netem.
func (h *Host) slow(port string) error {
	bridge, err := tap(h.n.netns, port)
	if err != nil {
		return err
	}
	eth0, err := tap(fmt.Sprintf("/proc/%d/ns/net", h.init.Process.Pid), "eth0")
	if err != nil {
		bridge.Close()
		return err
	}
	h.n.t.Cleanup(func() {
		bridge.Close()
		eth0.Close()
	})
	go h.link.carry(bridge, eth0) // both end when the taps are closed
	go h.link.carry(eth0, bridge)
	return nil
}

// tap makes a tap in a network namespace.
func tap(netns, name string) (file *os.File, err error) {
	err = Within(netns, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("open /dev/net/tun: %w", err)
		}
		request, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			unix.Close(fd)
			return fmt.Errorf("make the tap %s: %w", name, err)
		}
		file = os.NewFile(uintptr(fd), name)
		return nil
	})
	return file, err
}

// carry takes frames from one end to the other.
func (l *Link) carry(from, to *os.File) {
	type frame struct {
		due  time.Time
		data []byte
	}
	under := make(chan frame, 4096) // way; what comes when it is full is lost, as in a router
	defer close(under)
	go func() {
		for f := range under {
			time.Sleep(time.Until(f.due))
			_, _ = to.Write(f.data) // a link that is down loses it
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if rand.Int32N(100) < l.loss.Load() {
			continue
		}
		select {
		case under <- frame{time.Now().Add(time.Duration(l.delay.Load())), append([]byte(nil), buf[:n]...)}:
		default:
		}
	}
}
