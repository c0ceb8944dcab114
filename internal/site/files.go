package site

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unicode/utf8"
)

// maxFile is far beyond any site's file, and keeps one given by mistake out of memory.
const maxFile = 1 << 20

// readFile reads a file of the site. Its errors are for people and name no path.
func readFile(path string) ([]byte, error) {
	// Asked before opening: opening a pipe waits for its other end.
	if err := checkFile(path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, cause(err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("it is larger than 1 MiB")
	}
	return text, nil
}

func checkFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fs.ErrNotExist
	case err != nil:
		return cause(err)
	case info.IsDir():
		return fmt.Errorf("it is a folder")
	case !info.Mode().IsRegular():
		return fmt.Errorf("it is not a regular file")
	}
	return nil
}

// cause leaves the path out of an error that is told at the place where the path stands.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// checkText refuses what is no text, and the characters that would make lines and
// columns of messages differ from what an editor shows.
func (r *reader) checkText(file string, text []byte) bool {
	line, column := 1, 1
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			r.mistakeAt(file, line, column, "not UTF-8 text: the byte 0x%02x", text[i])
			return false
		case c == '\n':
			line, column = line+1, 0
		case c == '\t', c == '\r' && i+1 < len(text) && text[i+1] == '\n':
		case c < 0x20, c >= 0x7f && c < 0xa0, c == 0x2028, c == 0x2029:
			r.mistakeAt(file, line, column, "the control character U+%04X", c)
			return false
		}
		column++
		i += size
	}
	return true
}
