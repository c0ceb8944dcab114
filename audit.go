package rollcall

// AuditRequest says what the files of a node are to be compared with, besides the
// manifest of the release that is live there.
type AuditRequest struct {
	Link []string // that the environment links in from the node's shared folder
	Permissions
}

// Audit is how a node's live release compares with its manifest, file by file. It is of
// that release alone: a file that was edited in place is the same file in every other
// release of the node that holds it.
type Audit struct {
	Release ReleaseID `json:"release,omitempty"` // empty: nothing is live there, and nothing was compared
	Files   int       `json:"files"`             // that were read
	Bytes   int64     `json:"bytes"`             // of these
	Drift   []Drift   `json:"drift,omitempty"`   // sorted by path
	More    int       `json:"more,omitempty"`    // how many added paths there are beyond those listed
}

// Drift is one path that is not as the manifest says.
type Drift struct {
	// Path is relative to the release. That of something added is as it stands on the
	// node's disk, whatever bytes it is made of: show it through Printable.
	Path string    `json:"path"`
	Kind DriftKind `json:"kind"`
}

// DriftKind is how a path differs.
type DriftKind string

// The kinds of drift.
const (
	DriftChanged DriftKind = "changed" // a file has another content
	DriftMissing DriftKind = "missing"
	DriftAdded   DriftKind = "added"  // of a folder only itself is told, and not what is in it
	DriftType    DriftKind = "type"   // a link where a file should be, a file where a folder should be …
	DriftMode    DriftKind = "mode"   // other permissions, or another group, than the environment says
	DriftTarget  DriftKind = "target" // a link leads elsewhere
)

// Paths are those that a repair makes anew: all that the release has and that differ.
func (a *Audit) Paths() []string {
	var paths []string
	for _, d := range a.Drift {
		if d.Kind != DriftAdded {
			paths = append(paths, d.Path)
		}
	}
	return paths
}
