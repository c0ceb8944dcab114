package site

import (
	"fmt"
	"path"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// nodesPath may lead out of the site: a nodes file may be the inventory of another tool.
var nodesPath = text("a path relative to the site", func(p string) error {
	switch {
	case p[0] == '/' || p[0] == '~':
		return errSaysNothing
	case p == "." || p == "..":
		return fmt.Errorf("it is a folder")
	case path.Clean(p) != p:
		return fmt.Errorf("write %s", quote(path.Clean(p)))
	}
	return nil
})

// siteFile is a file that ssh reads.
var siteFile = text("a path, from the site's folder or absolute", func(p string) error {
	if p[0] == '~' {
		return fmt.Errorf("~ is not expanded; write the folder out")
	}
	return nil
})

// targetFolder is `to`. With variables it is asked again for every node.
var targetFolder = templateOf("an absolute path beneath which releases are kept", checkFolder)

func checkFolder(folder string) error {
	clean := path.Clean(folder)
	switch {
	case folder == "" || folder[0] != '/':
		return fmt.Errorf("it does not begin with a slash")
	case clean == "/":
		return fmt.Errorf("that is the whole machine")
	case clean != folder:
		return fmt.Errorf("write %s", quote(clean))
	}
	return checkNoControl(folder)
}

// linkPath is something that the node itself keeps; a slash at the end marks a folder.
var linkPath = place(text("a path within the release", func(p string) error {
	bare := strings.TrimSuffix(p, "/")
	if bare != "" && bare[0] != '/' && !strings.HasPrefix(bare, "..") {
		if clean := path.Clean(bare); clean != bare && clean != "." {
			return fmt.Errorf("write %s", quote(clean+p[len(bare):]))
		}
	}
	if rollcall.CheckPath(bare) != nil {
		return errSaysNothing
	}
	return nil
}))

// checkLinks refuses links of which one would replace what lies beneath the other.
func (r *reader) checkLinks(links []placed[string]) {
	seen := map[string]placed[string]{}
	for _, link := range links {
		if !link.ok {
			continue
		}
		bare := strings.TrimSuffix(link.value, "/")
		if first, twice := seen[bare]; twice {
			r.mistake(link.node, "%s is linked twice, first at line %d", quote(link.value), first.node.Line)
			continue
		}
		seen[bare] = link
	}
	for _, link := range links {
		for above := path.Dir(link.value); link.ok && above != "." && above != "/"; above = path.Dir(above) {
			if _, ok := seen[above]; ok && above != strings.TrimSuffix(link.value, "/") {
				r.mistake(link.node, "%s lies within %s, which is linked as a whole", quote(link.value), quote(above))
				break
			}
		}
	}
}
