package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/app"
	"github.com/rollcall-dev/rollcall/internal/version"
	"github.com/rollcall-dev/rollcall/internal/view"
)

// global are the options that every command takes.
type global struct {
	site, state      string
	json, plain, yes bool
	stop, back       <-chan struct{} // closed by the first and by the second Ctrl-C
}

func (g *global) printer() *view.Printer { return view.New(os.Stdout, os.Stderr, g.json, g.plain) }

// control opens what commands talk to.
func (g *global) control(ctx context.Context) (rollcall.Control, error) {
	return app.Open(ctx, app.Options{Site: g.site, State: g.state})
}

// with opens control for something that the first Ctrl-C ends.
func (g *global) with(ctx context.Context, do func(context.Context, rollcall.Control) error) error {
	ctx, cancel := g.untilStopped(ctx)
	defer cancel()
	control, err := g.control(ctx)
	if err != nil {
		return err
	}
	defer control.Close()
	return do(ctx, control)
}

// note is for what is told beside the results.
func (g *global) note() func(string) {
	printer := g.printer()
	return func(text string) { printer.Note("%s", text) }
}

// interactive tells whether there is a person to ask.
func interactive() bool {
	return term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd()))
}

// run runs a command line and gives the exit code.
func run(args []string) int {
	g := &global{}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	g.stop, g.back = interrupts(cancel)
	root := newRoot(g)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil || unread(err) {
		return 0
	}
	var usage *usageError
	if errors.As(err, &usage) {
		err = rollcall.Errorf(rollcall.KindInvalid, "%w", usage.error).WithHint("see rollcall %s--help", usage.command)
	}
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		err = cause
	}
	g.printer().Error(err)
	return rollcall.ExitCode(err)
}

// unread tells that nobody reads the results on. A broken pipe to a node is another thing.
func unread(err error) bool {
	var write *fs.PathError
	return errors.As(err, &write) && write.Path == os.Stdout.Name() && errors.Is(write, syscall.EPIPE)
}

// interrupts makes the first Ctrl-C ask for a pause at the next safe point, the second
// for the way back, and the third end everything at once: as it stands, to be taken up
// by resume or abort.
func interrupts(cancel context.CancelCauseFunc) (stop, back <-chan struct{}) {
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	first, second := make(chan struct{}), make(chan struct{})
	go func() {
		count := 0
		for range signals {
			switch count++; count {
			case 1:
				fmt.Fprintln(os.Stderr, "\npausing at the next safe point; once more takes the roll back")
				close(first)
			case 2:
				fmt.Fprintln(os.Stderr, "\ngoing back; once more ends at once, as it stands")
				close(second)
			default:
				cancel(rollcall.Errorf(rollcall.KindStopped, "ended by a third Ctrl-C"))
			}
		}
	}()
	return first, second
}

// untilStopped gives a context that ends with the first Ctrl-C, for commands that have
// no safe points to wait for.
func (g *global) untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-g.stop:
			cancel(rollcall.Errorf(rollcall.KindStopped, "stopped by you"))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// usageError is a command line that makes no sense.
type usageError struct {
	error
	command string
}

func newRoot(g *global) *cobra.Command {
	root := &cobra.Command{
		Use:   "rollcall",
		Short: "Roll code out of version control to fleets of ordinary servers",
		Long: "Rollcall takes changes out of version control to every server, in the right order,\n" +
			"without one visitor seeing a half-updated page, and keeps a record of what rolled,\n" +
			"whose it was, and where it is.",
		SilenceErrors: true, SilenceUsage: true, Version: version.String(),
	}
	flags := root.PersistentFlags()
	flags.StringVar(&g.site, "site", ".", "the folder with rollcall.yaml")
	flags.StringVar(&g.state, "state", os.Getenv("ROLLCALL_STATE"), "the state folder (default: .rollcall in the site, or $ROLLCALL_STATE)")
	flags.BoolVar(&g.json, "json", false, "JSON lines on standard output, the last one the result")
	flags.BoolVar(&g.plain, "plain", false, "no colour and no redrawing")
	flags.BoolVarP(&g.yes, "yes", "y", false, "do not ask")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &usageError{err, path(c)} })
	root.AddCommand(
		newAvail(g), newShow(g), newMerge(g), newResolve(g), newCheck(g), newCommit(g), newAbandon(g),
		newBackOut(g), newBlock(g), newUnblock(g), newLand(g), newSync(g), newDesk(g),
		newPlan(g), newRoll(g), newRollback(g), newResume(g), newAbort(g), newPause(g), newCatchUp(g), newReview(g),
		newDiff(g), newStatus(g), newNodes(g), newLog(g), newWhere(g), newDrain(g), newRestore(g),
		newAudit(g), newDoctor(g), newRecord(g),
		newHold(g), newUnhold(g), newAdopt(g), newInit(g), newValidate(g), newSchema(g), newDemo(g), newVersion(),
	)
	for _, c := range root.Commands() {
		if check := c.Args; check != nil {
			c.Args = func(c *cobra.Command, args []string) error {
				if err := check(c, args); err != nil {
					return &usageError{err, path(c)}
				}
				return nil
			}
		}
	}
	root.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		err := fmt.Errorf("there is no command %q", rollcall.Printable(args[0]))
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			err = fmt.Errorf("%w, did you mean %s?", err, strings.Join(near, " or "))
		}
		return &usageError{err, ""}
	}
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return root
}

func path(c *cobra.Command) string {
	if !c.HasParent() {
		return ""
	}
	return c.Name() + " "
}

// environmentNames completes the names of environments.
func environmentNames(g *global, more func(*rollcall.Site) []string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		control, err := g.control(c.Context())
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer control.Close()
		var names []string
		for name := range control.Site().Environments {
			names = append(names, name)
		}
		if more != nil {
			names = append(names, more(control.Site())...)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
