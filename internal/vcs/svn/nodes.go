package svn

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// node is one path of a working copy, as svn info tells of it.
type node struct {
	Path     string `xml:"path,attr"`
	Kind     string `xml:"kind,attr"`
	Revision number `xml:"revision,attr"`
	URL      string `xml:"url"`
	Root     string `xml:"repository>root"`
	UUID     string `xml:"repository>uuid"`
	Schedule string `xml:"wc-info>schedule"`
	Depth    string `xml:"wc-info>depth"`
	Checksum string `xml:"wc-info>checksum"`
	From     string `xml:"wc-info>copy-from-url"`
	FromRev  int64  `xml:"wc-info>copy-from-rev"`
	Commit   struct {
		Revision number `xml:"revision,attr"`
		Author   string `xml:"author"`
		Date     string `xml:"date"`
	} `xml:"commit"`
}

// number is a revision's; 0 where svn writes a sentence in its place.
type number int64

func (n *number) UnmarshalXMLAttr(attr xml.Attr) error {
	value, err := strconv.ParseInt(attr.Value, 10, 64)
	if err == nil {
		*n = number(value)
	}
	return nil //nolint:nilerr // what was added has none
}

// properties are those of one path.
type properties map[string]string

const (
	propExecutable = "svn:executable"
	propSpecial    = "svn:special"
	propExternals  = "svn:externals"
	propKeywords   = "svn:keywords"
	propEOL        = "svn:eol-style"
)

// elements calls fn with each element of a name, wherever it stands.
func elements[T any](r io.Reader, name string, fn func(*T) error) error {
	d := xml.NewDecoder(r)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("svn: cannot read its answer: %w", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != name {
			continue
		}
		var one T
		if err := d.DecodeElement(&one, &start); err != nil {
			return fmt.Errorf("svn: cannot read its answer: %w", err)
		}
		if err := fn(&one); err != nil {
			return err
		}
	}
}

// info asks for what targets are. With recursive it is everything in them too.
func (c *client) info(ctx context.Context, dir string, recursive bool, targets ...string) ([]*node, error) {
	options := []string{"--xml"}
	if recursive {
		options = append(options, "-R")
	}
	var all []*node
	for some := range slices.Chunk(targets, 500) {
		err := c.stream(ctx, command{verb: "info", options: options, targets: some, dir: dir}, func(r io.Reader) error {
			return elements(r, "entry", func(n *node) error {
				all = append(all, n)
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// properties asks for the properties of paths in a working copy, by path. With recursive
// it is those of everything in them too.
func (c *client) properties(ctx context.Context, dir string, recursive bool, targets ...string) (map[string]properties, error) {
	options := []string{"--xml", "-v"}
	if recursive {
		options = append(options, "-R")
	}
	type target struct {
		Path       string `xml:"path,attr"`
		Properties []struct {
			Name     string `xml:"name,attr"`
			Encoding string `xml:"encoding,attr"`
			Value    string `xml:",chardata"`
		} `xml:"property"`
	}
	all := map[string]properties{}
	for some := range slices.Chunk(targets, 500) {
		err := c.stream(ctx, command{verb: "proplist", options: options, targets: some, dir: dir}, func(r io.Reader) error {
			return elements(r, "target", func(t *target) error {
				p := properties{}
				for _, one := range t.Properties {
					value := one.Value
					if one.Encoding == "base64" {
						b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
						if err != nil {
							return fmt.Errorf("svn proplist: the value of %s: %w", one.Name, err)
						}
						value = string(b)
					}
					p[one.Name] = value
				}
				all[t.Path] = p
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// changed is one path of a working copy that is not as its revision has it.
type changed struct {
	Path   string `xml:"path,attr"`
	Status struct {
		Item     string `xml:"item,attr"`
		Props    string `xml:"props,attr"`
		Copied   bool   `xml:"copied,attr"`
		Switched bool   `xml:"switched,attr"`
		Conflict bool   `xml:"tree-conflicted,attr"`
	} `xml:"wc-status"`
}

// status asks for what differs from the working copy's revision.
func (c *client) status(ctx context.Context, dir string) ([]*changed, error) {
	var all []*changed
	err := c.stream(ctx, command{verb: "status", options: []string{"--xml", "--ignore-externals", "--no-ignore"}, targets: []string{"."}, dir: dir}, func(r io.Reader) error {
		return elements(r, "entry", func(one *changed) error {
			all = append(all, one)
			return nil
		})
	})
	return all, err
}

// externals lists the places, beneath a folder, that a value of svn:externals fills from
// elsewhere. A line is "[-rN] URL[@N] PLACE", or of old "PLACE [-rN] URL". What can't be read
// is a place too: nothing of it may go unseen.
func externals(folder, value string) []string {
	places := map[string]bool{}
	for line := range strings.Lines(value) {
		words := externalWords(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		place := externalPlace(words)
		if place = path.Clean("/" + place)[1:]; place == "" {
			place = "svn:externals"
		}
		places[path.Join(folder, place)] = true
	}
	return slices.Sorted(maps.Keys(places))
}

func externalPlace(words []string) string {
	var kept []string
	for i := 0; i < len(words); i++ {
		if words[i] == "-r" {
			i++ // its number
		} else if !strings.HasPrefix(words[i], "-r") {
			kept = append(kept, words[i])
		}
	}
	if len(kept) != 2 {
		return ""
	}
	if isExternalURL(kept[1]) && !isExternalURL(kept[0]) {
		return kept[0]
	}
	return kept[1]
}

// isExternalURL knows what only a URL begins with; what is relative to the repository,
// the server or the folder may stand first only.
func isExternalURL(word string) bool {
	return strings.Contains(word, "://") || strings.HasPrefix(word, "^/") || strings.HasPrefix(word, "//") || strings.HasPrefix(word, "/") || strings.HasPrefix(word, "../")
}

// externalWords splits a line as Subversion does: by blanks, with quotes and backslashes.
func externalWords(line string) []string {
	var words []string
	var b bytes.Buffer
	var quote byte
	inside := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && i+1 < len(line) && quote != '\'':
			i++
			b.WriteByte(line[i])
			inside = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, inside = c, true
		case quote == 0 && strings.IndexByte(" \t\r\n", c) >= 0:
			if inside {
				words = append(words, b.String())
			}
			b.Reset()
			inside = false
		default:
			b.WriteByte(c)
			inside = true
		}
	}
	if inside {
		words = append(words, b.String())
	}
	return words
}
