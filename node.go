package rollcall

import (
	"net"
	"strconv"
)

// Node is one server of an environment.
type Node struct {
	Name    string            `json:"name"`
	Address string            `json:"address"`        // a host name or IP address
	Port    int               `json:"port,omitempty"` // of sshd; 0: 22, or what the person's ssh configuration says
	User    string            `json:"user,omitempty"`
	Folder  string            `json:"folder"` // `to`, expanded
	Layout  Layout            `json:"layout,omitempty"`
	Become  bool              `json:"become,omitempty"` // rollcall-node is started through sudo -n
	Vars    map[string]string `json:"-"`
}

// Layout says how releases lie on a node.
type Layout string

// The layouts.
const (
	LayoutReleases Layout = "releases" // a folder each, and `current` points to one; the default
	LayoutInplace  Layout = "inplace"  // file by file into the folder, among other files
)

// Variables are what {name} in the site's texts can stand for on this node.
func (n Node) Variables() map[string]string {
	vars := make(map[string]string, len(n.Vars)+3)
	for name, value := range n.Vars {
		vars[name] = value
	}
	vars["name"] = n.Name
	vars["address"] = n.Address
	vars["port"] = strconv.Itoa(n.SSHPort())
	return vars
}

// SSHPort is the port with the default filled in.
func (n Node) SSHPort() int {
	if n.Port == 0 {
		return 22
	}
	return n.Port
}

// HostPort is the address to dial.
func (n Node) HostPort() string { return net.JoinHostPort(n.Address, strconv.Itoa(n.SSHPort())) }
