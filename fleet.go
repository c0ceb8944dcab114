package rollcall

import (
	"context"
	"io"
	"time"
)

// Transport starts rollcall-node on a node and gives its standard input and output,
// read up to the end of its greeting.
type Transport interface {
	Connect(ctx context.Context, node Node) (Conn, error)
	Close() error
}

// Conn is a running rollcall-node. Close ends it.
type Conn interface {
	io.Reader
	io.Writer
	// Close ends the process and the connection; it may be called twice.
	Close() error
	// Stderr is what the process complained of so far.
	Stderr() string
}

// Fleet opens sessions with nodes, many at once.
type Fleet interface {
	Open(ctx context.Context, node Node) (Session, error)
	Close() error
}

// NodeState is what a node says of itself.
type NodeState struct {
	Version  string      `json:"version"`
	Arch     string      `json:"arch"` // linux/amd64
	Current  ReleaseID   `json:"current,omitempty"`
	Foreign  string      `json:"foreign,omitempty"`  // what stands in the folder that is not Rollcall's
	Releases []ReleaseID `json:"releases,omitempty"` // newest first
	Free     int64       `json:"free"`               // bytes
	FreeFile int64       `json:"free_files"`         // inodes
	Token    Token       `json:"token"`              // the highest seen
	Applying *Applying   `json:"applying,omitempty"` // LayoutInplace: a switch that was interrupted in the middle
}

// Applying is a switch of LayoutInplace that began and did not end: some files are as one
// release has them, and some as the other. A Switch to To finishes it, a Switch to From
// undoes it.
type Applying struct {
	From ReleaseID `json:"from,omitempty"`
	To   ReleaseID `json:"to,omitempty"`
}

// Delivery is what brings a release to a node: a pack, and where it fits.
type Delivery struct {
	Release ReleaseID
	Base    ReleaseID // a release that the node holds, or empty
	Pack    func() (io.ReadCloser, error)
	Size    int64 // bytes of the pack; while it is still being made, those of its contents, which are more
	// Missing makes a pack of contents that the node turned out to lack although its
	// base has them, because somebody edited or removed them by hand.
	Missing func(ctx context.Context, paths []string) (content io.ReadCloser, size int64, err error)
	Bytes   int64    // that the new files take on the node's disk
	Created int      // how many files are new
	Link    []string // from the node's shared folder
	Permissions
	// Distrust lists paths of the base that an audit found to be other than its manifest
	// says, though they may look right.
	Distrust []string
}

// Permissions are what files get on the node: the ssh user's, 0644 or 0755, where
// nothing is said.
type Permissions struct {
	Mode  uint32 `json:"mode,omitempty"`  // of files; whoever may read an executable or a folder may run or enter it. 0: 0644
	Group string `json:"group,omitempty"` // a group of the ssh user; empty: the user's own
}

// Received is what a node says once a release is on its disk.
type Received struct {
	Bytes  int64    `json:"bytes"` // that went over the wire for it
	Edited []string `json:"edited,omitempty"`
}

// Output is what a command said.
type Output struct {
	Exit int    `json:"exit"`
	Text string `json:"text"` // standard output and error together, the last 16 KiB
}

// Session is a connection with one node, kept for a whole roll. Its methods are called
// one at a time. An error is an *Error with KindUnreachable where the node is gone,
// KindBroken where it can't, KindRefused where it won't.
type Session interface {
	// Hello asks what the node has. It changes nothing.
	Hello(ctx context.Context) (NodeState, error)
	// Fence makes the node refuse every lower token from now on, and tells what it has as
	// Hello does. What a superseded controller still asks for comes too late then.
	Fence(ctx context.Context) (NodeState, error)
	// Claim sets the token that goes with all that follows. The node checks it, under
	// its own lock, at every effect, and refuses a lower one and another record's.
	Claim(token Token)
	// Manifest reads the manifest of a release that the node holds.
	Manifest(ctx context.Context, id ReleaseID) (*Manifest, error)
	// Receive brings a release to the node's disk without making it live. progress is
	// called with what is done now ("sending", "linking", "writing", "syncing") and the
	// bytes sent so far.
	Receive(ctx context.Context, d Delivery, progress func(phase string, sent int64)) (Received, error)
	// Switch makes a release that the node holds the live one, if `from` is still live,
	// and tells how long the node took. An empty `to` takes the live one away.
	Switch(ctx context.Context, from, to ReleaseID, keep *KeepOldFiles) (time.Duration, error)
	// Run runs a command in the folder of a release that the node holds, or, where in is
	// empty, in the live one's.
	Run(ctx context.Context, in ReleaseID, c Command, env map[string]string) (Output, error)
	// Audit reads every file of the live release and compares it with its manifest.
	// progress is called with the bytes read so far and those of the whole release. It
	// changes nothing.
	Audit(ctx context.Context, request AuditRequest, progress func(done, total int64)) (Audit, error)
	// Clean removes all releases but the newest `keep` and those listed.
	Clean(ctx context.Context, keep int, always []ReleaseID) error
	// Adopt makes the node follow the record of the claimed token.
	Adopt(ctx context.Context) error
	// TakeOver makes a release of what lives in a folder that is not Rollcall's, makes it
	// live, and never lets it be cleaned: what `current` pointed to, or a copy of a folder
	// without it. What stood there stays. Empty: there was nothing to take over. Asked
	// again, it comes to the same end.
	TakeOver(ctx context.Context) (ReleaseID, error)
	Close() error
}
