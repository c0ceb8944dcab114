// Package wire is the protocol between the controller and rollcall-node: frames on the
// node's standard input and output, versioned by the greeting.
//
// A frame is a kind (1 byte), a length (4 bytes, big endian) and that many bytes. The
// controller sends a Request and the frames that belong to it; the node answers with
// one Reply. Between the two it may send Phase, Missing and Done frames. Only one request is
// under way at a time.
package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// Protocol is the version that this code speaks.
const Protocol = 1

// Greeting is what a node says first. What a shell's start files print before it is
// passed over.
const Greeting = "\x00rollcall-node 1\x00"

// Kind is what a frame holds.
type Kind byte

// The kinds of frames.
const (
	KindRequest Kind = 'Q' // JSON of a Request
	KindReply   Kind = 'R' // JSON of a Reply
	KindData    Kind = 'D' // bytes of a stream
	KindEnd     Kind = 'E' // the stream's end
	KindPhase   Kind = 'P' // what the node does now, a word
	KindMissing Kind = 'M' // JSON of []string: paths whose contents the node lacks
	KindDone    Kind = 'N' // JSON of Done: how far an audit or a take-over is
)

const (
	// DataSize is how many bytes of a stream go into a frame.
	DataSize = 64 << 10
	maxFrame = 64 << 20
)

// Verb says what the controller asks for.
type Verb string

// The verbs of protocol 1.
const (
	VerbHello    Verb = "hello"
	VerbFence    Verb = "fence"
	VerbManifest Verb = "manifest"
	VerbReceive  Verb = "receive"
	VerbSwitch   Verb = "switch"
	VerbRun      Verb = "run"
	VerbClean    Verb = "clean"
	VerbAdopt    Verb = "adopt"
	VerbAudit    Verb = "audit"
	VerbTakeOver Verb = "takeover"
)

// Request asks a node for one thing. Which fields count depends on the verb.
type Request struct {
	Verb    Verb               `json:"verb"`
	Folder  string             `json:"folder"`
	Layout  rollcall.Layout    `json:"layout,omitempty"`
	Token   rollcall.Token     `json:"token"`
	Release rollcall.ReleaseID `json:"release,omitempty"`
	Receive *Receive           `json:"receive,omitempty"`
	Switch  *Switch            `json:"switch,omitempty"`
	Run     *Run               `json:"run,omitempty"`
	Clean   *Clean             `json:"clean,omitempty"`
	Audit   *Audit             `json:"audit,omitempty"`
}

// Receive goes before a pack.
type Receive struct {
	Base    rollcall.ReleaseID `json:"base,omitempty"`
	Bytes   int64              `json:"bytes"`
	Created int                `json:"created"`
	Link    []string           `json:"link,omitempty"`
	rollcall.Permissions
	// Distrust are paths of the base, as bytes, that are not what its manifest says.
	Distrust [][]byte `json:"distrust,omitempty"`
}

// Switch makes a release live.
type Switch struct {
	From rollcall.ReleaseID     `json:"from,omitempty"`
	Keep *rollcall.KeepOldFiles `json:"keep,omitempty"`
}

// Run runs a command.
type Run struct {
	Command rollcall.Command  `json:"command"`
	Env     map[string]string `json:"env,omitempty"`
}

// Clean removes releases.
type Clean struct {
	Keep   int                  `json:"keep"`
	Always []rollcall.ReleaseID `json:"always,omitempty"`
}

// Audit compares the live release with its manifest.
type Audit struct {
	Link []string `json:"link,omitempty"`
	rollcall.Permissions
}

// Done is how far something is, in bytes. It also tells that the node is there.
type Done struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

// Audited is a rollcall.Audit on its way. Paths are bytes, because what stands on a disk
// need not be text.
type Audited struct {
	Release rollcall.ReleaseID `json:"release,omitempty"`
	Files   int                `json:"files"`
	Bytes   int64              `json:"bytes"`
	Drift   []Drift            `json:"drift,omitempty"`
	More    int                `json:"more,omitempty"`
}

// Drift is a rollcall.Drift on its way.
type Drift struct {
	Path []byte             `json:"path"`
	Kind rollcall.DriftKind `json:"kind"`
}

// FromAudit makes an Audited of an audit.
func FromAudit(a *rollcall.Audit) *Audited {
	w := &Audited{Release: a.Release, Files: a.Files, Bytes: a.Bytes, More: a.More}
	for _, d := range a.Drift {
		w.Drift = append(w.Drift, Drift{Path: []byte(d.Path), Kind: d.Kind})
	}
	return w
}

// Audit gives the audit back.
func (w *Audited) Audit() rollcall.Audit {
	a := rollcall.Audit{Release: w.Release, Files: w.Files, Bytes: w.Bytes, More: w.More}
	for _, d := range w.Drift {
		a.Drift = append(a.Drift, rollcall.Drift{Path: string(d.Path), Kind: d.Kind})
	}
	return a
}

// Reply ends a request.
type Reply struct {
	Error    *Error              `json:"error,omitempty"`
	State    *rollcall.NodeState `json:"state,omitempty"`
	Received *rollcall.Received  `json:"received,omitempty"`
	Output   *rollcall.Output    `json:"output,omitempty"`
	Audited  *Audited            `json:"audited,omitempty"`
	Took     time.Duration       `json:"took,omitempty"`
	Release  rollcall.ReleaseID  `json:"release,omitempty"`
}

// Error is a rollcall.Error on its way.
type Error struct {
	Kind rollcall.Kind `json:"kind"`
	Text string        `json:"text"`
	Hint string        `json:"hint,omitempty"`
}

// FromError makes an Error of any error.
func FromError(err error) *Error {
	return &Error{Kind: rollcall.KindOf(err), Text: err.Error(), Hint: rollcall.HintOf(err)}
}

// Err gives the error back, with the node's name. A node's words are not trusted to
// be printable.
func (e *Error) Err(node string) error {
	return &rollcall.Error{
		Kind: e.Kind, Node: node, Hint: rollcall.Printable(e.Hint),
		Err: fmt.Errorf("%s", rollcall.PrintableLines(e.Text)),
	}
}

// Conn reads and writes frames. It is for one goroutine on each side.
type Conn struct {
	r *bufio.Reader
	w *bufio.Writer
}

// NewConn makes a Conn of a reader and a writer.
func NewConn(r io.Reader, w io.Writer) *Conn {
	return &Conn{r: bufio.NewReaderSize(r, 1<<16), w: bufio.NewWriterSize(w, DataSize+5)}
}

// Send writes a frame of JSON and flushes.
func (c *Conn) Send(kind Kind, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if err := c.frame(kind, b); err != nil {
		return err
	}
	return c.w.Flush()
}

// SendPhase tells what the node does now.
func (c *Conn) SendPhase(phase string) error {
	if err := c.frame(KindPhase, []byte(phase)); err != nil {
		return err
	}
	return c.w.Flush()
}

func (c *Conn) frame(kind Kind, b []byte) error {
	var head [5]byte
	head[0] = byte(kind)
	binary.BigEndian.PutUint32(head[1:], uint32(len(b)))
	if _, err := c.w.Write(head[:]); err != nil {
		return err
	}
	_, err := c.w.Write(b)
	return err
}

// SendStream writes all of r as data frames and the end. What r gives is sent at once,
// unless more comes with it. sent is told of the bytes.
func (c *Conn) SendStream(r io.Reader, sent func(int64)) error {
	buf := make([]byte, DataSize)
	var total int64
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if err := c.frame(KindData, buf[:n]); err != nil {
				return err
			}
			total += int64(n)
			sent(total)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && n < len(buf) {
			err = c.w.Flush()
		}
		if err != nil {
			return err
		}
	}
	if err := c.frame(KindEnd, nil); err != nil {
		return err
	}
	return c.w.Flush()
}

// Next reads a frame. io.EOF means that the other side ended between two frames.
func (c *Conn) Next() (Kind, []byte, error) {
	kind, length, err := c.head()
	if err != nil {
		return 0, nil, err
	}
	b := make([]byte, 0, min(length, DataSize))
	buf := bytes.NewBuffer(b) // grows with what really comes, not with what is claimed
	if _, err := io.CopyN(buf, c.r, int64(length)); err != nil {
		return 0, nil, noEOF(err)
	}
	return kind, buf.Bytes(), nil
}

func (c *Conn) head() (Kind, int, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, 0, err
	}
	length := binary.BigEndian.Uint32(head[1:])
	if length > maxFrame {
		return 0, 0, fmt.Errorf("a frame of %d bytes", length)
	}
	return Kind(head[0]), int(length), nil
}

// Stream reads data frames until the end frame.
func (c *Conn) Stream() *Stream { return &Stream{c: c} }

// Stream is an io.Reader of data frames.
type Stream struct {
	c     *Conn
	left  int
	Bytes int64 // read so far
	err   error
}

func (s *Stream) Read(b []byte) (int, error) {
	for s.left == 0 && s.err == nil {
		kind, length, err := s.c.head()
		switch {
		case err != nil:
			s.err = noEOF(err)
		case kind == KindEnd && length == 0:
			s.err = io.EOF
		case kind == KindData:
			s.left = length
		default:
			s.err = fmt.Errorf("a frame of kind %q within a stream", kind)
		}
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.c.r.Read(b[:min(len(b), s.left)])
	s.left -= n
	s.Bytes += int64(n)
	if err != nil {
		s.err = noEOF(err)
	}
	return n, s.err
}

// Drain reads what is left of the stream, so that the next frame is a request's.
func (s *Stream) Drain() error {
	_, err := io.Copy(io.Discard, s)
	return err
}

// SkipGreeting reads until the greeting has gone by, over at most 64 KiB of other
// text, which it returns.
func SkipGreeting(r io.ByteReader) (noise string, err error) {
	var seen []byte
	for !bytes.HasSuffix(seen, []byte(Greeting)) {
		b, err := r.ReadByte()
		if err != nil {
			return string(seen), noEOF(err)
		}
		if seen = append(seen, b); len(seen) > 64<<10 {
			return string(seen), fmt.Errorf("no greeting in the first 64 KiB")
		}
	}
	return string(seen[:len(seen)-len(Greeting)]), nil
}

// Greet writes the greeting.
func (c *Conn) Greet() error {
	if _, err := c.w.WriteString(Greeting); err != nil {
		return err
	}
	return c.w.Flush()
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ParseReply reads a reply.
func ParseReply(kind Kind, body []byte) (*Reply, error) {
	if kind != KindReply {
		return nil, fmt.Errorf("a frame of kind %q where a reply was due", kind)
	}
	var r Reply
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("reply: %w", err)
	}
	return &r, nil
}

// ParseMissing reads the paths of a Missing frame.
func ParseMissing(body []byte) ([]string, error) {
	var paths []string
	if err := json.Unmarshal(body, &paths); err != nil {
		return nil, fmt.Errorf("missing: %w", err)
	}
	return paths, nil
}

// ParseDone reads a Done frame.
func ParseDone(body []byte) (Done, error) {
	var d Done
	if err := json.Unmarshal(body, &d); err != nil {
		return d, fmt.Errorf("done: %w", err)
	}
	return d, nil
}
