package main

import (
	"github.com/spf13/cobra"
)

func newStatus(g *global) *cobra.Command {
	return &cobra.Command{
		Use: "status [ENVIRONMENT]", Short: "Tell what is live where, what rolls now, and what is on hold",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			control, err := g.control(c.Context())
			if err != nil {
				return err
			}
			defer control.Close()
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			all, err := control.Status(c.Context(), name)
			if err != nil {
				return err
			}
			return g.printer().Status(all)
		},
	}
}

func newWhere(g *global) *cobra.Command {
	return &cobra.Command{
		Use: "where CHANGESET", Short: "Tell on which nodes a changeset is live and since when, and on which desk it lies",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			control, err := g.control(c.Context())
			if err != nil {
				return err
			}
			defer control.Close()
			found, err := control.Where(c.Context(), args[0])
			if err != nil {
				return err
			}
			return g.printer().Where(found)
		},
	}
}
