package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-dev/rollcall"
)

func TestFramesComeBack(t *testing.T) {
	var b bytes.Buffer
	c := NewConn(iotest.OneByteReader(&b), &b)
	q := Request{Verb: VerbSwitch, Folder: "/srv", Token: rollcall.Token{Record: "r", Sequence: 7}, Switch: &Switch{From: "x"}}
	content := strings.Repeat("0123456789", 40_000)
	var sent int64
	for _, err := range []error{
		c.Send(KindRequest, q), c.SendPhase("writing"),
		c.SendStream(strings.NewReader(content), func(n int64) { sent = n }),
		c.SendStream(strings.NewReader(""), func(int64) { t.Error("an empty stream sent something") }),
		c.Send(KindReply, Reply{Error: FromError(rollcall.Errorf(rollcall.KindRefused, "no").WithHint("so"))}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if sent != int64(len(content)) {
		t.Errorf("told of %d bytes", sent)
	}
	kind, body, err := c.Next()
	if err != nil || kind != KindRequest || !strings.Contains(string(body), `"verb":"switch"`) {
		t.Fatalf("%c %s %v", kind, body, err)
	}
	if kind, body, err = c.Next(); err != nil || kind != KindPhase || string(body) != "writing" {
		t.Fatalf("%c %s %v", kind, body, err)
	}
	s := c.Stream()
	got, err := io.ReadAll(s)
	if err != nil || string(got) != content || s.Bytes != sent {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if err := c.Stream().Drain(); err != nil {
		t.Fatal(err)
	}
	kind, body, err = c.Next()
	if err != nil {
		t.Fatal(err)
	}
	reply, err := ParseReply(kind, body)
	if err != nil || reply.Error == nil {
		t.Fatal(reply, err)
	}
	told := reply.Error.Err("app1")
	if rollcall.KindOf(told) != rollcall.KindRefused || told.Error() != "app1: no" || rollcall.HintOf(told) != "so" {
		t.Errorf("%v", told)
	}
	if _, _, err := c.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestANodesWordsAreNotTrusted(t *testing.T) {
	e := &Error{Kind: rollcall.KindBroken, Text: "a\x1b[2J\u202eb", Hint: "\x1b]0;x\x07"}
	if text := e.Err("n").Error() + rollcall.HintOf(e.Err("n")); strings.ContainsAny(text, "\x1b\u202e\x07") {
		t.Errorf("%q", text)
	}
}

func TestGreetingBehindNoise(t *testing.T) {
	for noise, good := range map[string]bool{
		"": true, "Welcome to app1\r\n": true, "\x00rollcall-node \x00\x00": true,
		strings.Repeat("x", 70<<10): false,
	} {
		got, err := SkipGreeting(strings.NewReader(noise + Greeting + "Q"))
		if (err == nil) != good || good && got != noise {
			t.Errorf("behind %.20q: %.20q, %v", noise, got, err)
		}
	}
	if _, err := SkipGreeting(strings.NewReader("bash: rollcall-node: not found")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("none: %v", err)
	}
}

func TestABrokenStreamIsNoShortOne(t *testing.T) {
	for name, in := range map[string]string{
		"ends in a head":              "D\x00\x00\x00\x02ab" + "D\x00",
		"ends in a frame":             "D\x00\x00\x00\x05ab",
		"has no end":                  "D\x00\x00\x00\x02ab",
		"another kind":                "D\x00\x00\x00\x02abQ\x00\x00\x00\x00",
		"an end that holds something": "E\x00\x00\x00\x01x",
		"a frame too long":            "D\xff\xff\xff\xff",
	} {
		if _, err := io.ReadAll(NewConn(strings.NewReader(in), io.Discard).Stream()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzFrames reads anything: it must end, take no more memory than came, and what is
// read must be what is written again.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("Q\x00\x00\x00\x02{}R\x00\x00\x00\x00"))
	f.Add([]byte("D\x03\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c := NewConn(bytes.NewReader(in), io.Discard)
		var out bytes.Buffer
		again := NewConn(strings.NewReader(""), &out)
		for {
			kind, body, err := c.Next()
			if err != nil {
				break
			}
			_, _ = ParseReply(kind, body)
			_, _ = ParseMissing(body)
			_, _ = ParseDone(body)
			if err := again.frame(kind, body); err != nil {
				t.Fatal(err)
			}
		}
		_ = again.w.Flush()
		if !bytes.HasPrefix(in, out.Bytes()) {
			t.Error(cmp.Diff(in, out.Bytes()))
		}
		s := NewConn(bytes.NewReader(in), io.Discard).Stream()
		if n, _ := io.Copy(io.Discard, s); n > int64(len(in)) || n != s.Bytes {
			t.Errorf("%d bytes of %d, told %d", n, len(in), s.Bytes)
		}
		_, _ = SkipGreeting(bytes.NewReader(in))
	})
}

// What a stream has is sent while the rest is still to come.
func TestStreamIsNotHeldBack(t *testing.T) {
	far, near := io.Pipe()
	content, more := io.Pipe()
	c := NewConn(far, near)
	done := make(chan error, 1)
	go func() { done <- c.SendStream(content, func(int64) {}) }()
	s := c.Stream()
	for _, text := range []string{"some", "more"} {
		if _, err := io.WriteString(more, text); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(text))
		if _, err := io.ReadFull(s, got); err != nil || string(got) != text {
			t.Fatalf("%q, %v", got, err)
		}
	}
	more.Close()
	if err := s.Drain(); err != nil || <-done != nil {
		t.Fatal(err)
	}
}
