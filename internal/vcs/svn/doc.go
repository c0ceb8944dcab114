// Package svn reads a code from Subversion: revisions, changesets and frozen trees, as
// stored; and merges its changesets from branch to branch. It drives the svn command (1.14).
//
// Everything it keeps is beneath one mirror folder:
//
//	config/         Subversion's own configuration folder, without any credentials
//	log.db          the log as far as it was read, and the trees that were frozen
//	wc/NAME         a pristine working copy for each branch that is read
//	blobs/ab/SHA1   contents as stored; mostly hard links into the working copies
//	trees/ID        listings, named by their hash
//	bench/NAME      a working copy for each bench, in which steps are merged
//	facts.db        what was found out about revisions and does not change any more
//
// A tree is named by its content alone, so that equal trees have equal names on every
// machine and whatever revision they come from.
package svn
