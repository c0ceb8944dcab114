package view

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// paintEvery is how often a live view is drawn anew.
const paintEvery = 80 * time.Millisecond

// painter draws a block of lines over the one before.
type painter struct {
	w     io.Writer
	frame func() []string
	once  sync.Once
	end   chan struct{}
	done  chan struct{}
	drawn int
	last  string
}

func newPainter(w io.Writer, frame func() []string) *painter {
	p := &painter{w: w, frame: frame, end: make(chan struct{}), done: make(chan struct{})}
	go p.run()
	return p
}

func (p *painter) run() {
	defer close(p.done)
	tick := time.NewTicker(paintEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.end:
			p.erase()
			return
		case <-tick.C:
			p.paint()
		}
	}
}

func (p *painter) paint() {
	lines := p.frame()
	text := strings.Join(lines, "\n")
	if text == p.last {
		return
	}
	p.last = text
	var b strings.Builder
	p.up(&b)
	for _, line := range lines {
		b.WriteString(line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J") // what the block before had more
	p.drawn = len(lines)
	fmt.Fprint(p.w, b.String())
}

func (p *painter) up(b *strings.Builder) {
	if p.drawn > 0 {
		fmt.Fprintf(b, "\x1b[%dA\r", p.drawn)
	}
}

func (p *painter) erase() {
	var b strings.Builder
	p.up(&b)
	b.WriteString("\x1b[J")
	if p.drawn > 0 {
		fmt.Fprint(p.w, b.String())
	}
}

// stop takes the block away; the summary follows in its place.
func (p *painter) stop() {
	p.once.Do(func() { close(p.end) })
	<-p.done
}
