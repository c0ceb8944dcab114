// Package check is the last gate before a change can roll: every file of a frozen tree
// that a pattern names, or the whole tree, must pass a command of the site; and no line
// that changed may be a conflict marker.
//
// Each check looks at a content once. Results, passes and failures alike, are kept by the
// check and its tool on the one hand (rule.go, tool.go) and the content on the other
// (listing.go), so that a tree that was checked before costs one listing and one question
// to results.db, and an upgraded tool looks at everything again.
//
// What must run is exported from the repository under the path that it has, and nothing
// else; commands get that path as an argument or a variable, never as a text that
// something reads again.
package check
