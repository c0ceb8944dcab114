package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/view"
)

// deskOptions are what the commands of a desk take.
type deskOptions struct {
	*global
	request rollcall.DeskRequest
	known   *rollcall.Site // as it was read
}

func (o *deskOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.request.Desk, "desk", "", "which desk, where a code has several (default main)")
	c.Flags().BoolVar(&o.request.TakeOver, "take-over", false, "also where the desk is somebody else's; that is recorded")
	c.ValidArgsFunction = codeNames(o.global)
}

// quietly does something that tells how far it is only where it takes long. do prints
// nothing itself.
func (o *deskOptions) quietly(ctx context.Context, do func(context.Context, rollcall.Control) error) error {
	progress := o.printer().Checks()
	defer progress.Stop()
	o.request.Note, o.request.Progress = progress.Note, progress.Progress
	return o.with(ctx, func(ctx context.Context, control rollcall.Control) error {
		o.known = control.Site()
		return do(ctx, control)
	})
}

// do opens control, shows how far checks are, and shows what came of it all.
func (o *deskOptions) do(ctx context.Context, event string, do func(context.Context, rollcall.Control) (*rollcall.DeskOutcome, error), next func(*view.Printer, *rollcall.DeskOutcome)) error {
	printer := o.printer()
	var outcome *rollcall.DeskOutcome
	err := o.quietly(ctx, func(ctx context.Context, control rollcall.Control) error {
		var err error
		outcome, err = do(ctx, control)
		return err
	})
	if shown := printer.DeskOutcome(event, outcome); err == nil {
		err = shown
	}
	if err == nil && next != nil && outcome != nil {
		next(printer, outcome)
	}
	return err
}

// codeNames completes the names of codes.
func codeNames(g *global) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		control, err := g.control(c.Context())
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer control.Close()
		var names []string
		for name := range control.Site().Codes {
			names = append(names, name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// onlyCode is the name of the site's only code, for commands that may leave it out.
func onlyCode(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return ""
}

// tryNext names what is done with a candidate.
func (o *deskOptions) tryNext(printer *view.Printer, outcome *rollcall.DeskOutcome) {
	if !outcome.Open() || !outcome.Clean() || outcome.Committed != nil {
		return
	}
	for _, env := range o.known.Environments {
		if env.From == rollcall.FromCandidate && env.Code.Name == outcome.Code && env.Desk == outcome.Desk {
			printer.Note("next: rollcall roll %s, try it there, then rollcall commit %s", env.Name, outcome.Code)
			return
		}
	}
	printer.Note("next: rollcall commit %s", outcome.Code)
}

func newDesk(g *global) *cobra.Command {
	c := &cobra.Command{
		Use: "desk [CODE]", Short: "Tell what is on the desks, and whose it is",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: codeNames(g),
		RunE: func(c *cobra.Command, args []string) error {
			return g.with(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				all, err := control.DeskStates(ctx, onlyCode(args))
				if err != nil {
					return err
				}
				return g.printer().Desks(all)
			})
		},
	}
	c.AddCommand(newDeskImport(g), newDeskForget(g))
	return c
}

func newAvail(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	request := rollcall.AvailRequest{}
	var states []string
	var all bool
	c := &cobra.Command{
		Use: "avail [CODE]", Short: "List what is on the trunk and not in production",
		Long: "Lists the changesets of the trunk, the newest first, with what would come of merging\n" +
			"each of the newest alone: which files conflict, and which other changesets it builds upon.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			for _, s := range states {
				state := rollcall.Standing(s)
				if strings.ContainsRune(s, os.PathSeparator) {
					g.state = s // the flag of all commands, which this one's hides
					continue
				}
				if !isStanding(state) {
					return &usageError{rollcall.Errorf(rollcall.KindInvalid, "--state: there is no state %q, there are %s", rollcall.Printable(s), standings()), "avail "}
				}
				request.States = append(request.States, state)
			}
			if all {
				request.Predict = -1
			}
			var available []rollcall.Available
			var code *rollcall.Code
			err := o.quietly(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				request.DeskRequest = o.request
				request.Code = onlyCode(args)
				var err error
				available, err = control.Avail(ctx, request)
				code = control.Site().Codes[request.Code]
				for _, one := range control.Site().Codes {
					if code == nil {
						code = one
					}
				}
				return err
			})
			if err != nil {
				return err
			}
			return g.printer().Available(code, available)
		},
	}
	o.flags(c)
	f := c.Flags()
	f.StringSliceVar(&states, "state", nil, "only those that stand so: "+standings()+" (a path with a / is the state folder, as everywhere)")
	f.StringSliceVar(&request.Authors, "author", nil, "only by this author")
	f.StringSliceVar(&request.Tickets, "ticket", nil, "only for this ticket")
	f.IntVar(&request.Predict, "predict-newest", 100, "for how many of the newest is told what they need and where they conflict")
	f.BoolVar(&all, "predict", false, "tell it for all")
	return c
}

func isStanding(s rollcall.Standing) bool {
	for _, one := range rollcall.Standings {
		if s == one {
			return true
		}
	}
	return false
}

func standings() string {
	var names []string
	for _, s := range rollcall.Standings {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func newShow(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	c := &cobra.Command{
		Use: "show CODE CHANGESET", Short: "Show a changeset: what it changes, how it stands, what it needs",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			var shown *rollcall.Shown
			err := o.quietly(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				o.request.Code = args[0]
				var err error
				shown, err = control.Show(ctx, o.request, args[1])
				return err
			})
			if err != nil {
				return err
			}
			return g.printer().Shown(shown)
		},
	}
	o.flags(c)
	return c
}

func newMerge(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	request := rollcall.MergeRequest{}
	c := &cobra.Command{
		Use: "merge CODE [CHANGESET|RANGE|all]...", Short: "Merge changesets of the trunk onto the desk",
		Long: "Merges changesets onto the desk, in the trunk's order whatever order is given, and runs\n" +
			"the checks. A range (r1041-r1050, 1a2b..3c4d) takes what is eligible in it, both ends with it.\n" +
			"Without changesets what is on the desk is merged again, on a production that has moved.\n" +
			"What conflicts leaves the desk open with what did merge, and exit 4.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			request.Selection.Texts = args[1:]
			return o.do(c.Context(), "desk.merged", func(ctx context.Context, control rollcall.Control) (*rollcall.DeskOutcome, error) {
				request.DeskRequest = o.request
				request.Code = args[0]
				return control.Merge(ctx, request)
			}, o.tryNext)
		},
	}
	o.flags(c)
	f := c.Flags()
	f.StringSliceVar(&request.Selection.Tickets, "ticket", nil, "what is eligible for this ticket")
	f.StringSliceVar(&request.Selection.Authors, "author", nil, "what is eligible by this author")
	f.BoolVar(&request.DryRun, "dry-run", false, "only tell what would come of it")
	return c
}

func newBackOut(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	request := rollcall.MergeRequest{}
	c := &cobra.Command{
		Use: "back-out CODE CHANGESET...", Short: "Take changesets back on the desk, and make them eligible again",
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			request.Selection.Texts = args[1:]
			return o.do(c.Context(), "desk.merged", func(ctx context.Context, control rollcall.Control) (*rollcall.DeskOutcome, error) {
				request.DeskRequest = o.request
				request.Code = args[0]
				return control.BackOut(ctx, request)
			}, o.tryNext)
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&request.DryRun, "dry-run", false, "only tell what would come of it")
	return c
}

func newLand(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	c := &cobra.Command{
		Use: "land CODE BRANCH", Short: "Merge a developer's branch into the trunk, on the desk",
		Long: "Merges a developer's branch into the trunk on the desk, to be checked, tried and then\n" +
			"committed. Of the production branch it brings the hotfixes that were made there.",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return o.do(c.Context(), "desk.merged", func(ctx context.Context, control rollcall.Control) (*rollcall.DeskOutcome, error) {
				o.request.Code = args[0]
				return control.Land(ctx, o.request, args[1])
			}, o.tryNext)
		},
	}
	o.flags(c)
	return c
}

func newSync(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	c := &cobra.Command{
		Use: "sync CODE BRANCH", Short: "Merge the trunk into a developer's branch, on the desk",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return o.do(c.Context(), "desk.merged", func(ctx context.Context, control rollcall.Control) (*rollcall.DeskOutcome, error) {
				o.request.Code = args[0]
				return control.Sync(ctx, o.request, args[1])
			}, o.tryNext)
		},
	}
	o.flags(c)
	return c
}

func newCheck(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	request := rollcall.CheckRequest{}
	c := &cobra.Command{
		Use: "check [CODE]", Short: "Run the checks on what is on the desk, or on the production branch",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var report *rollcall.CheckReport
			err := o.quietly(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				request.DeskRequest = o.request
				request.Code = onlyCode(args)
				var err error
				report, err = control.CheckCode(ctx, request)
				return err
			})
			if report != nil {
				err = firstError(err, g.printer().CheckReport(report))
			}
			return err
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&request.All, "all", false, "look for conflict markers in every file, not only in lines that changed")
	return c
}

func newCommit(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	var note string
	c := &cobra.Command{
		Use: "commit [CODE]", Short: "Commit what is on the desk to the production branch",
		Long: "Commits the very tree that was checked and tried. Refused while conflicts or failed checks\n" +
			"remain, or where the branch has moved since it was merged.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.do(c.Context(), "desk.committed", func(ctx context.Context, control rollcall.Control) (*rollcall.DeskOutcome, error) {
				o.request.Code = onlyCode(args)
				return control.CommitDesk(ctx, rollcall.CommitRequest{DeskRequest: o.request, Note: note})
			}, nil)
		},
	}
	o.flags(c)
	c.Flags().StringVarP(&note, "message", "m", "", "what is to be said about it, beside the changesets' own messages")
	return c
}

func newAbandon(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	c := &cobra.Command{
		Use: "abandon [CODE]", Short: "Leave the desk clean",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var outcome *rollcall.DeskOutcome
			err := o.quietly(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				o.request.Code = onlyCode(args)
				var err error
				outcome, err = control.Abandon(ctx, o.request)
				return err
			})
			if err != nil {
				return err
			}
			printer := g.printer()
			switch {
			case g.json:
				return printer.DeskOutcome("desk.abandoned", outcome)
			case !outcome.Open():
				printer.Note("there was nothing on the desk")
			default:
				printer.Line("the desk %s of %s is clean", outcome.Desk, outcome.Code)
			}
			return nil
		},
	}
	o.flags(c)
	return c
}

// newMark makes the commands that write the ledger.
func newMark(g *global, verb, short string, kind rollcall.MarkKind) *cobra.Command {
	o := &deskOptions{global: g}
	request := rollcall.MarkRequest{Kind: kind}
	c := &cobra.Command{
		Use: verb + " CODE CHANGESET... --why TEXT", Short: short,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			var marked []rollcall.Standee
			err := o.quietly(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				o.request.Code = args[0]
				request.DeskRequest, request.Changesets = o.request, args[1:]
				var err error
				marked, err = control.MarkChangesets(ctx, request)
				return err
			})
			printer := g.printer()
			for _, one := range marked {
				switch {
				case err != nil:
				case g.json:
					err = printer.Object(one)
				default:
					printer.Line("%s %s: %s", verb, one.Short(), one.Subject)
				}
			}
			return err
		},
	}
	o.flags(c)
	c.Flags().StringVar(&request.Why, "why", "", "the reason")
	return c
}

func newBlock(g *global) *cobra.Command {
	return newMark(g, "block", "Never offer a changeset", rollcall.MarkBlocked)
}

func newUnblock(g *global) *cobra.Command {
	return newMark(g, "unblock", "Offer a blocked changeset again", rollcall.MarkUnblocked)
}

func newDeskForget(g *global) *cobra.Command {
	return newMark(g, "forget", "Let nothing count that the ledger says of a changeset", rollcall.MarkForgotten)
}

func newDeskImport(g *global) *cobra.Command {
	o := &deskOptions{global: g}
	var dryRun bool
	c := &cobra.Command{
		Use: "import CODE", Short: "Bring what an older ledger says into today's",
		Long: "Shows what svnmerge.py wrote that Subversion's own mergeinfo lacks, and what only looks\n" +
			"integrated in git; then marks it as integrated or blocked, once you agree.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.request.Code, o.request.Note = args[0], g.note()
			printer := g.printer()
			return g.with(c.Context(), func(ctx context.Context, control rollcall.Control) error {
				stopped := rollcall.Errorf(rollcall.KindRefused, "nothing was written")
				imported, err := control.ImportLedger(ctx, o.request, func(i *rollcall.Imported) error {
					if err := printer.Imported(i); err != nil || dryRun {
						return firstError(err, stopped)
					}
					if g.yes {
						return nil
					}
					if !interactive() {
						return rollcall.Errorf(rollcall.KindInvalid, "there is nobody to ask whether to write this").WithHint("look with --dry-run, then give --yes")
					}
					if ok, err := ask(os.Stdin, printer, "Write this to the ledger?"); err != nil || !ok {
						return stopped
					}
					return nil
				})
				if dryRun && err == stopped { //nolint:errorlint // it is the very one from above
					return nil
				}
				if err == nil {
					printer.Note("%d changesets are marked", len(imported.Marks))
				}
				return err
			})
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only show it")
	return c
}
