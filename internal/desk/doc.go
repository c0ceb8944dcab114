// Package desk is where changesets are chosen and merged on their way from the trunk to
// production, before anything is a release. What is on a desk stands in the record: whose
// it is, which steps in which order onto what, and what was decided for each conflict. The
// tree that comes of it is made by doing all of that again, so a desk outlives whoever
// works on it and every process that dies. It knows no git and no Subversion: a
// rollcall.Merger merges, and keeps the ledger of what is merged in the repository.
package desk
