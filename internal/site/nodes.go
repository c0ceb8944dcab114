package site

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// placedNode is a node with where it stands in its nodes file, for the rules that are
// asked once all nodes are known.
type placedNode struct {
	rollcall.Node
	tier         int // in the environment's order
	line, column int
}

// nodes makes the nodes of a tier of what the nodes file says of its hosts.
func (l *loader) nodes(inv *Inventory, t rollingTier, tier int, via *ssh) []placedNode {
	nodes := make([]placedNode, 0, len(t.Entries))
	for _, entry := range t.Entries {
		n := placedNode{tier: tier, line: entry.Line, column: entry.Column}
		n.Name = entry.Host.Name
		n.Address = entry.Host.Name
		if via != nil {
			n.User = via.user
		}
		for name, v := range inv.Vars(entry.Host) {
			if err := n.setting(name, v.Value); err != nil {
				l.mistakeAt(inv.File, v.Line, v.Column, "%s %v", v.Key, err)
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// setting takes a variable of the nodes file: how the node is reached, or anything else.
func (n *placedNode) setting(name, text string) error {
	switch name {
	case addressVar:
		bare := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
		if !validHost(bare) || bare != text && !isIPv6(bare) {
			return fmt.Errorf("must be a host's name or address, not %s%s", quote(text), unevaluated(text))
		}
		n.Address = bare
	case portVar:
		port, err := strconv.Atoi(text)
		if err != nil || port < 1 || port > 65535 {
			return fmt.Errorf("must be a number from 1 to 65535, not %s%s", quote(text), unevaluated(text))
		}
		n.Port = port
	case userVar:
		if !userPattern.MatchString(text) {
			return fmt.Errorf("must be %s, not %s%s", wantUser, quote(text), unevaluated(text))
		}
		n.User = text
	default:
		if n.Vars == nil {
			n.Vars = map[string]string{}
		}
		n.Vars[name] = text
	}
	return nil
}

// unevaluated says why a template of Ansible's is refused.
func unevaluated(text string) string {
	if strings.Contains(text, "{{") {
		return ": templates are not evaluated here"
	}
	return ""
}

// sameAddress makes spellings of one address equal.
func sameAddress(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(address, "."))
}

// checkFolders fills every node's folder, and refuses two nodes that would be one.
func (l *loader) checkFolders(e named[environment], inv *Inventory, nodes []placedNode) {
	to := e.value.to
	if !to.ok {
		return
	}
	l.checkVariables(nodes, []template{to.value})
	first := map[string]placedNode{}
	for i := range nodes {
		n := &nodes[i]
		folder, err := rollcall.Expand(to.value.text, n.Variables())
		if err != nil {
			continue // told by checkVariables
		}
		n.Folder = folder
		key := fmt.Sprintf("%s %d %s", sameAddress(n.Address), n.SSHPort(), folder)
		other, clash := first[key]
		if !clash {
			first[key] = *n
			continue
		}
		if other.Name != n.Name { // the same node twice has been told already
			l.mistakeAt(inv.File, n.line, n.column, "nodes %s and %s are both %s of %s; they need an address, a port or a folder each",
				quote(other.Name), quote(n.Name), quote(folder), quote(n.HostPort()))
		}
	}
}

// checkOneFolderEach refuses two environments that would roll over each other: the same
// folder on the same node.
func (l *loader) checkOneFolderEach(environments []named[environment], site *rollcall.Site) {
	type owner struct{ environment, node string }
	owners := map[string]owner{}
	for _, e := range environments {
		for _, n := range site.Environments[e.name].Nodes() {
			if n.Folder == "" {
				continue
			}
			key := fmt.Sprintf("%s %d %s", sameAddress(n.Address), n.SSHPort(), n.Folder)
			first, taken := owners[key]
			if !taken {
				owners[key] = owner{e.name, n.Name}
				continue
			}
			if first.environment != e.name {
				l.mistake(e.node, "environments %s and %s both roll to %s on %s; they need a folder each",
					quote(first.environment), quote(e.name), quote(n.Folder), quote(n.Name))
				break // one node tells it for all
			}
		}
	}
}
