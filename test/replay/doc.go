// Command replay replays the promotions of any git repository that has a stable branch
// fed by picks from a trunk, in the order in which they were made, and tells how far
// Rollcall's predictions agree with the commits that were really made.
//
//	go run ./test/replay -repo DIR -stable BRANCH -trunk BRANCH [-marks KIND] [-from REV -to REV]
//
// What is true is read from commit messages and from the repository's own tree ids, by
// plain git, in history.go, marks.go, apply.go and blame.go. What is predicted comes
// through the interface of engine.go and from nowhere else. docs/replay.md tells what
// is counted, and what was measured.
package main
