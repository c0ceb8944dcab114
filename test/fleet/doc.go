// Package fleet is a world for tests that break things: a site, a repository, nodes
// behind real OpenSSH servers, web servers over what is live there, and a real HAProxy
// before them. Everything runs on loopback, and everything is the shipped program's: a
// test sees what a person would see, and nothing of the product knows that it is tested.
//
// A World is made once and rolled many times; a Digest says how it stands in words that
// two rounds can be compared by.
package fleet
