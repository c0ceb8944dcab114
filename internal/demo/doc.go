// Package demo is the small world that `rollcall demo` walks through: a fleet on
// loopback with a staging node, a repository whose trunk is ahead of what is live, and
// visitors who never stop asking.
//
// It stands at the end of a change's way and pretends nothing there: the nodes are
// reached over real ssh, the repository is made by the real git, pages are built from
// files as a site builds them, and a visitor is a request whose answer is taken apart.
// What is shown is therefore what the product does. Rollcall sees none of this package
// but addresses, a key and folders.
package demo
