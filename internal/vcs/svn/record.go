package svn

import "time"

// logRecord is a revision as the log has it.
type logRecord struct {
	revision int64
	author   string
	at       time.Time
	message  string
	paths    []pathChange
}

// pathChange is a path that a revision changed.
type pathChange struct {
	path         string // from the repository's root, with a slash before it
	action       string // A, M, D, R
	kind         string // file, dir, or nothing
	fromPath     string
	fromRevision int64
	text, props  bool
}

func microTime(at int64) time.Time { return time.UnixMicro(at).UTC() }
