// Package site reads a site's folder, rollcall.yaml and the nodes files, into a
// rollcall.Site. It stands before the way of a change: nothing is planned, asked of a
// repository or sent to a node until every file has been found right, and what is wrong
// is told all at once, each mistake with its file, line and column.
//
// One table of keys a mapping (siteKeys, codeKeys, environmentKeys, …) says what
// rollcall.yaml may hold. Reading, the suggestions for misspelt keys and the JSON Schema
// for editors all come from it.
package site
