package fleet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rollcall-dev/rollcall"
)

// A program under a tracer stops at every system call, and can be killed there: a write
// that it is killed at is never done. strace can do so too, but it counts the calls of
// each thread apart, and a Go program's writes come from whichever thread is free; and
// it can't tell by what is written which event it is that is on its way.

// Phase says at which side of an event's transaction a program is killed.
type Phase string

// The phases.
const (
	Before Phase = "before" // at the first write that holds the event: the record never has it
	After  Phase = "after"  // at the sync that follows it: the record has it, nothing else was done
	Behind Phase = "behind" // when it is about to say something to others, after that sync
)

// Position is where a program is killed: at an event of the record, which is the nth
// with its label in this process.
type Position struct {
	Event string
	Nth   int
	Phase Phase
}

func (p Position) String() string {
	nth := ""
	if p.Nth > 1 {
		nth = fmt.Sprintf(" (%d)", p.Nth)
	}
	return fmt.Sprintf("%s %s%s", p.Phase, p.Event, nth)
}

// Kind is the event without the node that it is of.
func (p Position) Kind() string {
	kind, _, _ := strings.Cut(p.Event, " ")
	return kind
}

// Traced is how a traced command ended.
type Traced struct {
	Result
	Killed bool // or stopped: it was at the position
	// Events are those that it wrote into the record, each as often as it did.
	Events        []Position // without a phase
	Writes, Syncs int        // of the record's log
	Began         time.Time
}

// Trace runs rollcall and kills it at a position, or not at all.
func (w *World) Trace(at *Position, args ...string) Traced {
	w.t.Helper()
	return w.trace(at, nil, args...).Wait()
}

// Freeze runs rollcall until it comes to a position and stops it there, with SIGSTOP and
// with all of its threads; it returns when it stands still, or has ended.
func (w *World) Freeze(at Position, args ...string) *Frozen {
	w.t.Helper()
	f := w.trace(&at, &freezer{still: make(chan struct{}), thaw: make(chan struct{})}, args...)
	select {
	case <-f.tracer.freezer.still:
	case <-f.done:
		w.t.Fatalf("it never came to %s", at)
	case <-time.After(2 * Patience):
		w.t.Fatalf("rollcall %v does not end: %s", args, f.tracer.stands())
	}
	return f
}

// Frozen is a command that stands still.
type Frozen struct {
	w      *World
	args   []string
	tracer *tracer
	files  [2]*os.File
	done   chan struct{}
	failed error
}

type freezer struct{ still, thaw chan struct{} }

// Thaw sends SIGCONT.
func (f *Frozen) Thaw() { close(f.tracer.freezer.thaw) }

// Wait waits until it has ended.
func (f *Frozen) Wait() Traced {
	f.w.t.Helper()
	select {
	case <-f.done:
		f.w.check(f.failed)
	case <-time.After(5 * Patience):
		f.w.t.Fatalf("rollcall %v does not end: %s", f.args, f.tracer.stands())
	}
	for i, into := range []*string{&f.tracer.result.Out, &f.tracer.result.Err} {
		b, err := os.ReadFile(f.files[i].Name())
		f.w.check(err)
		*into = string(b)
		f.files[i].Close()
		os.Remove(f.files[i].Name())
	}
	return f.tracer.result
}

func (w *World) trace(at *Position, freeze *freezer, args ...string) *Frozen {
	w.t.Helper()
	f := &Frozen{w: w, args: args, done: make(chan struct{})}
	for i := range f.files {
		file, err := os.CreateTemp(w.Dir, "out")
		w.check(err)
		f.files[i] = file
	}
	f.tracer = &tracer{at: at, freezer: freeze, threads: map[int]bool{}, seen: map[string]bool{}, files: map[int]bool{}}
	f.tracer.result.Began = time.Now()
	go func() {
		defer close(f.done)
		null, err := os.Open(os.DevNull)
		if err != nil {
			f.failed = err
			return
		}
		defer null.Close()
		// A tracer is a thread, and only it hears of what it traces. It must live on: what
		// it has started before, for others, would end with it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		run := func() error {
			return f.tracer.run(w.program, append([]string{w.program}, args...), &syscall.ProcAttr{
				Dir: w.Path("site"), Env: w.Environ(), Files: []uintptr{null.Fd(), f.files[0].Fd(), f.files[1].Fd()},
				Sys: &syscall.SysProcAttr{Ptrace: true, Setpgid: true, Pdeathsig: syscall.SIGKILL},
			})
		}
		if w.netns != "" {
			f.failed = Within(w.netns, run)
		} else {
			f.failed = run()
		}
	}()
	return f
}

// stands tells what the threads do.
func (t *tracer) stands() string {
	var b strings.Builder
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", t.pid))
	for _, task := range tasks {
		status, _ := os.ReadFile(task + "/status")
		call, _ := os.ReadFile(task + "/syscall")
		where, _ := os.ReadFile(task + "/wchan")
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "State:") || strings.HasPrefix(line, "TracerPid:") || strings.HasPrefix(line, "SigPnd:") {
				b.WriteString(strings.TrimSpace(line) + " ")
			}
		}
		fmt.Fprintf(&b, "%s %s %s\n", task, where, call)
	}
	return b.String()
}

type tracer struct {
	at      *Position
	freezer *freezer
	pid     int
	threads map[int]bool // that have begun
	result  Traced

	seen   map[string]bool
	files  map[int]bool // which descriptors are the record's log
	armed  bool         // the event is in the transaction under way
	commit bool         // the frame that comes next ends it
	full   bool         // it was written
	synced bool         // and is on disk
}

// syscallInfo is struct ptrace_syscall_info of linux/ptrace.h at the entry of a call.
type syscallInfo struct {
	op     uint8
	_      [3]uint8
	arch   uint32
	ip, sp uint64
	nr     uint64
	args   [6]uint64
	_      [32]byte
}

const (
	ptraceGetSyscallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO
	syscallInfoEntry     = 1      // PTRACE_SYSCALL_INFO_ENTRY
	syscallStop          = unix.SIGTRAP | 0x80
)

func (t *tracer) run(program string, args []string, attr *syscall.ProcAttr) error {
	pid, err := syscall.ForkExec(program, args, attr)
	if err != nil {
		return err
	}
	t.pid = pid
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		return fmt.Errorf("wait for its start: %w", err)
	}
	t.threads[pid] = true
	// Threads are followed; git and what else it starts are left alone.
	options := unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return fmt.Errorf("trace it: %w", err)
	}
	if err := unix.PtraceSyscall(pid, 0); err != nil {
		return fmt.Errorf("trace it: %w", err)
	}
	var held []int // threads that stand still
	told := false  // to do so
	for {
		// Of its group alone: this thread may have started others' servers before.
		options := unix.WALL | unix.WNOTHREAD
		if held != nil {
			options |= unix.WNOHANG
			select {
			case <-t.freezer.thaw:
				_ = unix.Kill(pid, unix.SIGCONT)
				for _, tid := range held {
					_ = unix.PtraceCont(tid, 0)
				}
				held, t.freezer, t.at = nil, nil, nil
				continue
			default:
			}
		}
		tid, err := unix.Wait4(-pid, &status, options, nil)
		switch {
		case err == nil && tid == 0: // nothing moves
			time.Sleep(5 * time.Millisecond)
			continue
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("trace it: %w", err)
		}
		switch {
		case status.Exited():
			delete(t.threads, tid)
			if tid == pid { // the last of its threads
				t.result.Exit = status.ExitStatus()
				return nil
			}
			continue
		case status.Signaled():
			delete(t.threads, tid)
			if tid == pid {
				t.result.Exit = -1
				return nil
			}
			continue
		}
		signal := 0
		switch stop := status.StopSignal(); {
		case stop == syscallStop:
			if held == nil && t.enters(tid) {
				t.result.Killed = true
				if t.freezer != nil {
					held = []int{tid}
					_ = unix.Kill(pid, unix.SIGSTOP)
					close(t.freezer.still)
					continue
				}
				_ = unix.Kill(pid, unix.SIGKILL) // it dies in this stop, without doing the call
				continue
			}
		case stop == unix.SIGTRAP: // a thread was made
		case stop == unix.SIGSTOP && !t.threads[tid]: // it begins
			t.threads[tid] = true
		case stop == unix.SIGSTOP || stop == unix.SIGCONT: // ours, see freezer
		default:
			signal = int(stop)
		}
		if held != nil {
			// The first to hear of the signal passes it on to all; then none moves.
			if stop := status.StopSignal(); stop == unix.SIGSTOP && !told {
				told, signal = true, int(stop)
			} else if told && stop == unix.SIGSTOP {
				held = append(held, tid)
				continue
			}
		}
		if err := unix.PtraceSyscall(tid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("trace it: %w", err)
		}
	}
}

// enters looks at a call that is about to be made, and tells whether it is the one.
func (t *tracer) enters(tid int) bool {
	if t.result.Killed {
		return false
	}
	var info syscallInfo
	_, _, failed := unix.Syscall6(unix.SYS_PTRACE, ptraceGetSyscallInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if failed != 0 || info.op != syscallInfoEntry {
		return false
	}
	fd := int(info.args[0])
	switch info.nr {
	case unix.SYS_CLOSE:
		delete(t.files, fd)
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		if !t.isLog(fd) {
			return false
		}
		t.result.Syncs++
		t.synced = t.full
		return t.full && t.at != nil && t.at.Phase == After
	case unix.SYS_PWRITE64, unix.SYS_WRITE:
		if !t.isLog(fd) {
			return t.synced && t.at != nil && t.at.Phase == Behind && t.isSocket(fd)
		}
		t.result.Writes++
		b := make([]byte, min(info.args[2], 1<<20))
		n, err := unix.ProcessVMReadv(tid, []unix.Iovec{iovec(b)}, []unix.RemoteIovec{{Base: uintptr(info.args[1]), Len: len(b)}}, 0)
		if err != nil {
			return false
		}
		return t.writes(b[:n])
	}
	return false
}

func iovec(b []byte) unix.Iovec {
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	return v
}

func (t *tracer) isLog(fd int) bool {
	is, known := t.files[fd]
	if !known {
		name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", t.pid, fd))
		is = err == nil && filepath.Base(name) == "record.db-wal"
		t.files[fd] = is
	}
	return is
}

func (t *tracer) isSocket(fd int) bool {
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", t.pid, fd))
	return err == nil && strings.HasPrefix(name, "socket:")
}

// The log is made of frames: a header of 24 bytes, of which the second number is not
// zero where the frame ends a transaction, and a page. See section 4.1 of SQLite's
// "Database File Format".
const frameHeader = 24

// writes looks at what is about to be written, and tells whether it is the position.
func (t *tracer) writes(b []byte) bool {
	if len(b) == frameHeader {
		t.commit = binary.BigEndian.Uint32(b[4:]) != 0
		return false
	}
	if len(b) > frameHeader && len(b)%512 != 0 { // header and page in one
		t.commit = binary.BigEndian.Uint32(b[4:]) != 0
	}
	for _, found := range t.events(b) {
		nth := 1
		for _, earlier := range t.result.Events {
			if earlier.Event == found {
				nth++
			}
		}
		t.result.Events = append(t.result.Events, Position{Event: found, Nth: nth})
		if t.at == nil || t.at.Event != found || t.at.Nth != nth {
			continue
		}
		if t.at.Phase == Before {
			return true
		}
		t.armed = true
	}
	t.full = t.full || t.armed && t.commit
	return false
}

var eventTypes = func() (all []string) {
	all = []string{
		rollcall.EventLeaseTaken, rollcall.EventLeaseReleased, rollcall.EventRollStarted, rollcall.EventRollPaused, rollcall.EventRollResumed,
		rollcall.EventRollInterrupted, rollcall.EventRollFinished, rollcall.EventPauseAsked, rollcall.EventAbortAsked, rollcall.EventHoldSet,
		rollcall.EventHoldLifted, rollcall.EventRollPlanned, rollcall.EventTakenUp, rollcall.EventTierStarted, rollcall.EventRollingBack,
		rollcall.EventHookStarted, rollcall.EventHookFinished, rollcall.EventHookFailed, rollcall.EventClaimed, rollcall.EventReleased,
		rollcall.EventDeskTaken, rollcall.EventDeskSelected, rollcall.EventDeskMerged, rollcall.EventDeskResolved, rollcall.EventDeskChecked,
		rollcall.EventDeskCommitting, rollcall.EventDeskCommitted, rollcall.EventDeskUncommitted, rollcall.EventDeskAbandoned,
	}
	for step := range rollcall.Steps {
		all = append(all, rollcall.EventNodePrefix+string(step))
	}
	return all
}()

// events finds the events in a page that were not there before: in a row, the time is
// the 8 bytes before the type, and the data follows it.
func (t *tracer) events(page []byte) (labels []string) {
	type place struct {
		at    int
		label string
	}
	var found []place
	for _, name := range eventTypes {
		needle := []byte(name + "{")
		for from := 0; ; {
			i := bytes.Index(page[from:], needle)
			if i < 0 {
				break
			}
			i += from
			from = i + len(needle)
			if i < 8 {
				continue
			}
			micros := int64(binary.BigEndian.Uint64(page[i-8:]))
			if micros < t.result.Began.UnixMicro() || micros > time.Now().Add(time.Minute).UnixMicro() {
				continue
			}
			one := label(name, object(page[i+len(name):]))
			if key := fmt.Sprintf("%d %s", micros, one); whole(one) && !t.seen[key] {
				t.seen[key] = true
				found = append(found, place{i, one})
			}
		}
	}
	// SQLite fills a page from its end: the earlier row stands behind the later.
	slices.SortFunc(found, func(a, b place) int { return b.at - a.at })
	for _, f := range found {
		labels = append(labels, f.label)
	}
	return labels
}

// object is the JSON object at the beginning of b. What is too long for the page is cut off.
func object(b []byte) []byte {
	depth, text := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return b[:i+1]
			}
		}
	}
	return b
}
