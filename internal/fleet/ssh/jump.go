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

// jumps are connections to jump hosts, one a chain, shared by all nodes behind it.
type jumps struct {
	mu      sync.Mutex
	clients map[string]*jump
}

type jump struct {
	once   sync.Once
	client *ssh.Client
	err    error
}

// client connects to the last host of a chain, through those before it.
func (j *jumps) client(ctx context.Context, t *Transport, chain []string) (*ssh.Client, error) {
	key := strings.Join(chain, ",")
	j.mu.Lock()
	if j.clients == nil {
		j.clients = map[string]*jump{}
	}
	one := j.clients[key]
	if one == nil {
		one = &jump{}
		j.clients[key] = one
	}
	j.mu.Unlock()
	one.once.Do(func() {
		var s *settings
		if s, one.err = jumpSettings(ctx, chain); one.err == nil {
			// The connection outlives the node for which it is made.
			one.client, one.err = t.dial(context.WithoutCancel(ctx), s)
		}
	})
	return one.client, one.err
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

func (j *jumps) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, one := range j.clients {
		if one.client != nil {
			one.client.Close()
		}
	}
	j.clients = nil
	return nil
}
