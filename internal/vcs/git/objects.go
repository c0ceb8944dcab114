package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// objectsIdle is how long git waits for the next question. A roll asks again and again
// within a moment, and starting git costs more than most answers.
const objectsIdle = 2 * time.Second

// object is what git holds under a name.
type object struct {
	id, kind string
	size     int64
	content  io.Reader // good until the next one is read
}

// objects reads objects out of a git process that stays for the next reader.
type objects struct {
	repo *Repository
	mu   sync.Mutex
	idle *catFile
}

// missingObject is the error for a name that git knows no object, or several, for.
type missingObject struct{ name, why string }

func (e *missingObject) Error() string { return fmt.Sprintf("git cat-file: %s is %s", e.name, e.why) }

// read asks for objects and calls fn with each in the order given. The names are one
// word each; on git's standard input none of them is an option. So many processes answer.
func (o *objects) read(ctx context.Context, processes int, names []string, fn func(i int, one *object) error) error {
	if len(names) == 0 {
		return nil
	}
	idle := o.take()
	asked, err := o.gather(ctx, idle, processes)
	if err != nil {
		return err
	}
	begun, err := asked.read(ctx, names, fn)
	if err != nil && idle != nil && !begun && ctx.Err() == nil {
		// It waited, and somebody ended it meanwhile: Ctrl-C goes to all at a terminal.
		asked.end()
		if asked, err = o.gather(ctx, nil, processes); err != nil {
			return err
		}
		_, err = asked.read(ctx, names, fn)
	}
	if err != nil {
		asked.end() // there may be answers left
		return err
	}
	go asked[1:].end() // nobody waits for that
	o.give(asked[0])
	return nil
}

// take gives the process that waits, or nil.
func (o *objects) take() *catFile {
	o.mu.Lock()
	process := o.idle
	o.idle = nil
	o.mu.Unlock()
	if process != nil && process.timer.Stop() {
		return process
	}
	return nil
}

func (o *objects) give(process *catFile) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.idle != nil {
		process.end()
		return
	}
	o.idle = process
	process.timer = time.AfterFunc(objectsIdle, func() {
		o.mu.Lock()
		if o.idle == process {
			o.idle = nil
		}
		o.mu.Unlock()
		process.end()
	})
}

// close ends the process that waits.
func (o *objects) close() {
	if process := o.take(); process != nil {
		process.end()
	}
}

// catFile is one git process.
type catFile struct {
	command   *exec.Cmd
	in        io.WriteCloser
	answers   *answers
	out       *bufio.Reader // of the answers
	complaint *os.File
	timer     *time.Timer // while nobody uses it
}

func (o *objects) start(ctx context.Context) (*catFile, error) {
	// It outlives what it is started for.
	p := &catFile{command: o.repo.command(context.WithoutCancel(ctx), "cat-file", "--batch-command", "--buffer")}
	var err error
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("git cat-file: %w", err)
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("git cat-file: %w", err)
	}
	widen(p.in)
	widen(out)
	p.answers = &answers{pipe: out}
	p.out = bufio.NewReaderSize(p.answers, answersBuffer)
	read, write, err := os.Pipe() // read only when it has ended: it never has much to say
	if err != nil {
		return nil, fmt.Errorf("git cat-file: %w", err)
	}
	defer write.Close()
	p.command.Stderr, p.complaint = write, read
	if err := p.command.Start(); err != nil {
		read.Close()
		return nil, commandError(ctx, "cat-file", err, "")
	}
	return p, nil
}

// answers are what git says. Each of its writes would wake us and put one processor to
// work for a few kilobytes: where much is to come, we wait until there is more to read.
type answers struct {
	pipe    io.Reader
	patient bool
	few     bool // came last time
}

const (
	answersBuffer = 512 << 10
	answersWait   = time.Millisecond // in which git fills a good part of a wide pipe
)

func (a *answers) Read(b []byte) (int, error) {
	if a.patient && a.few {
		time.Sleep(answersWait)
	}
	n, err := a.pipe.Read(b)
	a.few = n < len(b)/2
	return n, err
}

// end ends the process, whatever it is doing.
func (p *catFile) end() {
	p.in.Close()
	_ = p.command.Process.Kill()
	_ = p.command.Wait() // killed: that says nothing
	p.complaint.Close()
}

// ask sends questions. It reads all of them before it gives the first answer, so that
// neither waits for the other.
func (p *catFile) ask(names iter.Seq[string]) error {
	var questions strings.Builder
	for name := range names {
		questions.WriteString("contents ")
		questions.WriteString(name)
		questions.WriteByte('\n')
	}
	questions.WriteString("flush\n")
	_, err := io.WriteString(p.in, questions.String())
	return err
}

// answer reads the answer to the next question, and tells whether there was any.
func (p *catFile) answer(ctx context.Context, name string, fn func(one *object) error) (begun bool, err error) {
	one, err := p.head(name)
	if err != nil {
		var missing *missingObject
		if errors.As(err, &missing) {
			return true, err
		}
		return false, p.broken(ctx, err)
	}
	content := &io.LimitedReader{R: p.out, N: one.size}
	one.content = content
	if err := fn(one); err != nil {
		return true, err
	}
	if err := p.rest(content); err != nil {
		return true, p.broken(ctx, fmt.Errorf("%s ended early: %w", name, err))
	}
	return true, nil
}

// rest passes over what is left of an object, up to the next one's head.
func (p *catFile) rest(content *io.LimitedReader) error {
	if _, err := io.Copy(io.Discard, content); err != nil {
		return err
	}
	if content.N > 0 {
		return io.ErrUnexpectedEOF
	}
	_, err := p.out.Discard(1)
	return err
}

func (p *catFile) head(name string) (*object, error) {
	head, err := p.out.ReadString('\n')
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(head)
	if len(fields) == 2 {
		return nil, &missingObject{name, fields[1]}
	}
	if len(fields) != 3 {
		return nil, fmt.Errorf("cannot read %q", head)
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("cannot read %q", head)
	}
	return &object{id: fields[0], kind: fields[1], size: size}, nil
}

// broken gives what git complained of, if it has.
func (p *catFile) broken(ctx context.Context, err error) error {
	_ = p.command.Process.Kill()
	said, _ := io.ReadAll(io.LimitReader(p.complaint, 4<<10))
	return commandError(ctx, "cat-file", err, string(said))
}

// lacks is the error for a content that a tree names and the repository does not have.
func lacks(err error) error {
	var missing *missingObject
	if !errors.As(err, &missing) {
		return err
	}
	return rollcall.Errorf(rollcall.KindInternal, "the repository lacks the content %s that its tree names", missing.name).
		WithHint("it is a partial or shallow clone, or damaged: see git fsck there")
}
