package site

import "go.yaml.in/yaml/v4"

// Aliases may repeat a part of the file, but a few lines of them must not become
// millions of values: reading follows every alias.
const maxExpanded = 100_000

// checkAliases refuses an alias that holds itself, and more values behind aliases than
// any site has.
func (r *reader) checkAliases(root *yaml.Node) bool {
	c := counter{reader: r, sizes: map[*yaml.Node]int{}}
	expanded := c.size(root)
	if c.cyclic {
		return false
	}
	if expanded > max(maxExpanded, 2*c.written) {
		r.mistake(c.largest, "the aliases of this file stand for more than %d values", maxExpanded)
		return false
	}
	return true
}

type counter struct {
	*reader
	sizes   map[*yaml.Node]int // of nodes with an anchor, their aliases followed; 0 while it is counted
	written int                // nodes that stand in the file
	largest *yaml.Node         // the alias that stands for most
	most    int
	cyclic  bool
}

func (c *counter) size(n *yaml.Node) int {
	if n.Kind == yaml.AliasNode {
		return c.alias(n)
	}
	if n.Anchor != "" {
		c.sizes[n] = 0
	}
	c.written++
	total := 1
	for _, child := range n.Content {
		total = min(total+c.size(child), 1<<40) // no overflow, whatever is doubled
	}
	if n.Anchor != "" {
		c.sizes[n] = total
	}
	return total
}

func (c *counter) alias(n *yaml.Node) int {
	size := c.sizes[n.Alias]
	if size == 0 {
		c.mistake(n, "the alias *%s stands inside of what it stands for", n.Value)
		c.cyclic = true
		return 1
	}
	if size > c.most {
		c.largest, c.most = n, size
	}
	return size
}
