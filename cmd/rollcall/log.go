package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/site"
)

func newLog(g *global) *cobra.Command {
	var request rollcall.LogRequest
	var since string
	c := &cobra.Command{
		Use: "log [ENVIRONMENT]", Short: "Tell what rolled, when, by whom, and whose changes it brought",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: environmentNames(g, nil),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				request.Environment = args[0]
			}
			if since != "" {
				at, err := sinceTime(since)
				if err != nil {
					return err
				}
				request.Since = at
			}
			control, err := g.control(c.Context())
			if err != nil {
				return err
			}
			defer control.Close()
			entries, err := control.Log(c.Context(), request)
			if err != nil {
				return err
			}
			return g.printer().Log(entries)
		},
	}
	f := c.Flags()
	f.StringVar(&since, "since", "", "how far back: 15m, 2d, 2026-11-01, or 2026-11-01T12:00:00Z")
	f.StringVar(&request.Author, "author", "", "only rolls with a changeset by this author")
	f.StringVar(&request.Ticket, "ticket", "", "only rolls with a changeset for this ticket")
	f.IntVarP(&request.Limit, "limit", "n", 20, "how many; 0: all")
	return c
}

func sinceTime(text string) (time.Time, error) {
	if d, err := site.ParseDuration(text); err == nil {
		return time.Now().Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, strings.TrimSpace(text), time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, rollcall.Errorf(rollcall.KindInvalid, "--since: %q is no time", rollcall.Printable(text)).
		WithHint("write 15m, 2d, 2026-11-01 or 2026-11-01T12:00:00Z")
}
