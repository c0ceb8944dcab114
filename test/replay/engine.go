package main

import "context"

// engine is what makes the predictions. It is given nothing but revisions: what is
// true it does not know.
type engine interface {
	// Predict merges picks, which are in the trunk's order, onto a revision of the production branch.
	Predict(ctx context.Context, base string, picks []string) (prediction, error)
	// Needs names the changesets of the trunk that production lacks at base and that a
	// pick builds on.
	Needs(ctx context.Context, base, pick string) ([]string, error)
	Close() error
}

// prediction is a tree where all is clean, and the paths in conflict where it is not.
type prediction struct {
	Tree      string
	Conflicts []string
	At        string // the pick that conflicts
}
