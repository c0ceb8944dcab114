package haproxy

import "time"

// Hasten shortens what an exchange may take, for tests of servers that hang.
func (b *Balancer) Hasten() *Balancer {
	b.limit = 200 * time.Millisecond
	return b
}
