package rollcall

import (
	"bytes"
	"errors"
)

// What can't be part of a release is asked in one place: by the release that is made, and
// before it by the checks of what is to become one.

// CheckEntry refuses what can't be part of a release by its name or its type. Modules that
// the site turns on are left out of it.
func (c *Code) CheckEntry(e *TreeEntry) error {
	switch {
	case !e.Module:
		return CheckPath(e.Path)
	case c.Submodules:
		return nil
	case c.SVN != "":
		return errors.New("comes from elsewhere by svn:externals; submodules: true leaves them out")
	}
	return errors.New("is a submodule; submodules: true leaves them out")
}

const largeFilePointer = "version https://git-lfs.github.com/spec/"

// FitLimit is how much of a content CheckContent wants to see: all of a link's.
const FitLimit = 64 << 10

// CheckContent refuses what can't be part of a release by its content, or the begin of it.
func CheckContent(e *TreeEntry, content []byte) error {
	switch {
	case e.Type == TypeLink:
		return CheckLink(e.Path, string(content))
	case bytes.HasPrefix(content, []byte(largeFilePointer)):
		return errors.New("is a large-file pointer: its content is not in the repository")
	}
	return nil
}
