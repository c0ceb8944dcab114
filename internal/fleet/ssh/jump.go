package ssh

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// clients are connections to hosts by whose way others are reached, each made once and
// shared by all of those.
type clients struct {
	mu  sync.Mutex
	all map[string]*shared
}

type shared struct {
	once   sync.Once
	client *ssh.Client
	err    error
}

func (c *clients) get(key string, dial func() (*ssh.Client, error)) (*ssh.Client, error) {
	c.mu.Lock()
	if c.all == nil {
		c.all = map[string]*shared{}
	}
	one := c.all[key]
	if one == nil {
		one = &shared{}
		c.all[key] = one
	}
	c.mu.Unlock()
	one.once.Do(func() { one.client, one.err = dial() })
	if one.err != nil {
		// The next one may have more luck: a host that was down for a moment is no reason
		// to give up for the whole of a roll.
		c.mu.Lock()
		if c.all[key] == one {
			delete(c.all, key)
		}
		c.mu.Unlock()
	}
	return one.client, one.err
}

// drop forgets a connection that does not work any more.
func (c *clients) drop(key string, client *ssh.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.all[key]; one != nil && one.client == client {
		delete(c.all, key)
		client.Close()
	}
}

func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.all {
		if one.client != nil {
			one.client.Close()
		}
	}
	c.all = nil
}

// jump connects to the last jump host of a chain, through those before it.
func (t *Transport) jump(ctx context.Context, chain []string) (*ssh.Client, error) {
	return t.jumps.get(strings.Join(chain, ","), func() (*ssh.Client, error) {
		s, err := jumpSettings(ctx, chain)
		if err != nil {
			return nil, err
		}
		// The connection outlives the node for which it is made.
		return t.dial(context.WithoutCancel(ctx), s)
	})
}

func jumpSettings(ctx context.Context, chain []string) (*settings, error) {
	host := strings.TrimPrefix(chain[len(chain)-1], "ssh://")
	var user string
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		user, host = host[:at], host[at+1:]
	}
	port := 0
	if name, text, err := net.SplitHostPort(host); err == nil {
		if port, err = strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("jump host %q: its port is no number", host)
		}
		host = name
	}
	s, err := personal(ctx, host, user, port)
	if err != nil {
		return nil, err
	}
	if len(chain) > 1 {
		s.jump = chain[:len(chain)-1]
	}
	return s, nil
}
