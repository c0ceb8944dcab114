package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/site"
	"github.com/rollcall-dev/rollcall/internal/version"
)

func newValidate(g *global) *cobra.Command {
	return &cobra.Command{
		Use: "validate", Short: "Check rollcall.yaml and the nodes files",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			printer := g.printer()
			s, err := site.Load(g.site)
			var mistakes rollcall.Mistakes
			if g.json && errors.As(err, &mistakes) {
				for _, m := range mistakes {
					if err := printer.Object(map[string]any{"file": m.File, "line": m.Line, "column": m.Column, "message": m.Message}); err != nil {
						return err
					}
				}
			}
			if err != nil {
				return err
			}
			nodes := 0
			for _, env := range s.Environments {
				nodes += len(env.Nodes())
			}
			if g.json {
				return printer.Object(map[string]any{"valid": true, "codes": len(s.Codes), "environments": len(s.Environments), "nodes": nodes})
			}
			printer.Line("fine: %s, %s, %s", rollcall.Plural(len(s.Codes), "code", "codes"),
				rollcall.Plural(len(s.Environments), "environment", "environments"), rollcall.Plural(nodes, "node", "nodes"))
			return nil
		},
	}
}

func newSchema(*global) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of rollcall.yaml, for editors",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := os.Stdout.Write(site.Schema())
			return err
		},
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Println("rollcall", version.String())
			return err
		},
	}
}
