package view

import (
	"fmt"
	"sync"
	"time"
)

// Checks tells on standard error how far checks are: live where it can be redrawn, and a
// line from time to time elsewhere. What takes less than checksQuiet is not told.
type Checks struct {
	p *Printer

	mu          sync.Mutex
	begun, told time.Time
	note        string
	done, total int
	painter     *painter
}

const (
	checksQuiet = time.Second
	checksEvery = 10 * time.Second // between the lines of the plain view
)

// Checks begins to tell of checks. Note and Progress are to be called as they run, and
// Stop before anything else is printed.
func (p *Printer) Checks() *Checks {
	c := &Checks{p: p, begun: time.Now()}
	if p.Live {
		c.painter = newPainter(p.Err, c.frame)
	}
	return c
}

// Note tells what is being done.
func (c *Checks) Note(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note = text
}

// Progress tells how many runs are over.
func (c *Checks) Progress(done, total int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done, c.total = done, total
	now := time.Now()
	if c.p.Live || now.Sub(c.begun) < checksQuiet || now.Sub(c.told) < checksEvery {
		return
	}
	c.told = now
	c.p.Note("checking: %d of %d", done, total)
}

// Stop takes the live view away.
func (c *Checks) Stop() {
	if c.painter != nil {
		c.painter.stop()
	}
}

func (c *Checks) frame() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	spent := time.Since(c.begun)
	if spent < checksQuiet {
		return nil
	}
	columns := max(c.p.Columns, 20)
	if c.total == 0 {
		if c.note == "" {
			return nil
		}
		return []string{cut("  "+c.note+"…", columns)}
	}
	text := fmt.Sprintf("%d of %d  %s", c.done, c.total, secondsOf(spent.Seconds()))
	return []string{cut(fmt.Sprintf("  checking %s %s", bar(float64(c.done)/float64(c.total), min(24, columns/4)), text), columns)}
}
