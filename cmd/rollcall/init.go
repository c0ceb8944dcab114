package main

import (
	"github.com/spf13/cobra"
)

func newInit(g *global) *cobra.Command {
	return &cobra.Command{Use: "init", Short: "x", RunE: func(*cobra.Command, []string) error { return nil }}
}
