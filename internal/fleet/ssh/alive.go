package ssh

import (
	"net"
	"sync/atomic"
	"time"
)

const (
	keepAliveEvery = 5 * time.Second
	keepAliveLimit = 15 * time.Second // without a word
)

// heard is when a node last said anything.
type heard struct {
	from time.Time
	at   atomic.Int64 // since then
}

func newHeard() *heard { return &heard{from: time.Now()} }

func (h *heard) now()                 { h.at.Store(int64(time.Since(h.from))) }
func (h *heard) since() time.Duration { return time.Since(h.from) - time.Duration(h.at.Load()) }

// hearing notes when something comes.
type hearing struct {
	net.Conn
	heard *heard
}

func (c *hearing) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.heard.now()
	}
	return n, err
}

// keepAlive ends a connection whose node says nothing any more: cut, frozen or without
// power, it would otherwise be waited for for hours.
//
// The question waits behind all that was sent before it, which over a slow line is
// minutes. sshd says meanwhile how much of that it has taken: as good as an answer.
func (c *conn) keepAlive() {
	tick := time.NewTicker(keepAliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.ended:
			return
		case <-tick.C:
		}
		answered := make(chan struct{})
		late := time.AfterFunc(keepAliveLimit, func() { c.closeWhenSilent(answered) })
		_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
		close(answered)
		late.Stop()
		if err != nil {
			c.Close()
			return
		}
	}
}

// closeWhenSilent waits for an answer for as long as anything else is heard.
func (c *conn) closeWhenSilent(answered <-chan struct{}) {
	for silent := c.heard.since(); silent < keepAliveLimit; silent = c.heard.since() {
		select {
		case <-answered:
			return
		case <-time.After(keepAliveLimit - silent):
		}
	}
	c.Close()
}
