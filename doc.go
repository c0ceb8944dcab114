// Package rollcall holds the nouns of Rollcall and the ports between its parts.
//
// A change travels commit → merge → check → stage → release → roll → verify →
// announce → record. This package names what travels (Changeset, Revision,
// Manifest, Release, Plan, Roll) and the small interfaces behind which git, ssh
// and SQLite stand (Repository, Fleet, Record). It imports the standard library
// only and does no input or output, so that every capability can import it and
// none needs another.
package rollcall
