package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
)

func newRecord(g *global) *cobra.Command {
	c := &cobra.Command{Use: "record", Short: "Back up or move the record"}
	c.AddCommand(
		&cobra.Command{
			Use: "backup FILE", Short: "Write a consistent copy of the record to a new file",
			Long: "Copies the record while rolls go on. To use a copy, put it into an empty state folder\n" +
				"as record.db; nodes that have seen a later lease want rollcall adopt then.",
			Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				return g.with(c.Context(), func(ctx context.Context, control rollcall.Control) error {
					if err := control.BackupRecord(ctx, args[0]); err != nil {
						return err
					}
					return told(g, "record", args[0], "the record was copied to %s", args[0])
				})
			},
		},
		&cobra.Command{
			Use: "move DIR", Short: "Move the record and all state to another folder",
			Long: "Moves the state. The old folder keeps a sign that says where it went, so that\n" +
				"nobody rolls from two copies of one record.",
			Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				return g.with(c.Context(), func(ctx context.Context, control rollcall.Control) error {
					if err := control.MoveRecord(ctx, args[0]); err != nil {
						return err
					}
					return told(g, "state", args[0], "the state is in %s now: name it with --state or $ROLLCALL_STATE", args[0])
				})
			},
		},
	)
	return c
}

func told(g *global, key, value, format string, args ...any) error {
	printer := g.printer()
	if g.json {
		return printer.Object(map[string]string{key: value})
	}
	printer.Line(format, args...)
	return nil
}
