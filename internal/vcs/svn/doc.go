// Package svn reads a code from Subversion: revisions, changesets and frozen trees, as
// stored. It drives the svn command (1.14).
//
// Everything it keeps is beneath one mirror folder:
//
//	config/         Subversion's own configuration folder, without any credentials
//	log.db          the log as far as it was read, and the trees that were frozen
//	wc/NAME         a pristine working copy for each branch that is read
//	blobs/ab/SHA1   contents as stored; mostly hard links into the working copies
//	trees/ID        listings, named by their hash
//
// A tree is named by its content alone, so that equal trees have equal names on every
// machine and whatever revision they come from.
package svn
