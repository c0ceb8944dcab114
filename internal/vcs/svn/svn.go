package svn

import (
	"io"
)

// Repository is a rollcall.Repository in Subversion.
type Repository struct {
	client *client
	dir    string // the mirror folder
	root   string // the URL of the repository's root
	uuid   string
	note   func(string)
}

func discardOutput(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
