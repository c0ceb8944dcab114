package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/view"
)

// resolveOptions are what resolve takes.
type resolveOptions struct {
	deskOptions
	resolve    rollcall.ResolveRequest
	take, tool string
	edit       bool
}

func newResolve(g *global) *cobra.Command {
	o := &resolveOptions{deskOptions: deskOptions{global: g}}
	c := &cobra.Command{
		Use: "resolve CODE [FILE]", Short: "Show the conflicts on the desk, or decide one",
		Long: "Shows both sides of each conflict, or of that in FILE, and who last changed them. With FILE\n" +
			"and --take it decides: theirs is what the changeset brings, production what stands on the target,\n" +
			"anything else is a file with what is to stand there (./theirs for a file of that name).\n" +
			"When the last one is decided, what is left of the selection is merged. A file that was\n" +
			"decided is decided anew in the same way, and everything is merged again with that.",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			o.request.Code = args[0]
			if len(args) == 1 {
				if o.take != "" || o.edit || o.tool != "" {
					return &usageError{rollcall.Errorf(rollcall.KindInvalid, "which file?"), "resolve "}
				}
				return o.list(c.Context())
			}
			o.resolve.Path = args[1]
			if o.take == "" && !o.edit && o.tool == "" {
				return o.list(c.Context())
			}
			if err := o.decide(c.Context()); err != nil {
				return err
			}
			return o.do(c.Context(), "desk.merged", func(ctx context.Context, control rollcall.Control) (*rollcall.DeskOutcome, error) {
				o.resolve.DeskRequest = o.request
				return control.Resolve(ctx, o.resolve)
			}, o.next)
		},
	}
	o.flags(c)
	f := c.Flags()
	f.StringVar(&o.take, "take", "", "theirs, production, or a file")
	f.StringVar(&o.resolve.Property, "property", "", "the Subversion property that conflicts, instead of the file itself")
	f.BoolVar(&o.edit, "edit", false, "open both sides in $VISUAL or $EDITOR")
	f.StringVar(&o.tool, "tool", "", "a merge tool: a command with {base} {production} {theirs} {merged}")
	return c
}

func (o *resolveOptions) next(printer *view.Printer, outcome *rollcall.DeskOutcome) {
	if outcome.Clean() {
		o.tryNext(printer, outcome)
		return
	}
	printer.Note("%d more to decide: %s", len(outcome.Conflict), outcome.Command("resolve"))
}

// list shows the conflicts with both sides, or those of the file that is named.
func (o *resolveOptions) list(ctx context.Context) error {
	outcome, err := o.conflicts(ctx)
	if err != nil {
		return err
	}
	if o.resolve.Path != "" {
		outcome.Views = slices.DeleteFunc(outcome.Views, func(v rollcall.ConflictView) bool {
			return v.Path != o.resolve.Path || o.resolve.Property != "" && v.Property != o.resolve.Property
		})
		if len(outcome.Views) == 0 {
			return rollcall.Errorf(rollcall.KindNotFound, "%s has no conflict", rollcall.Printable(o.resolve.Path)).WithHint("see %s", outcome.Command("resolve"))
		}
	}
	printer := o.printer()
	if o.json {
		return printer.DeskOutcome("desk.conflicts", outcome)
	}
	if len(outcome.Views) == 0 {
		printer.Note("there are no conflicts on the desk %s of %s", outcome.Desk, outcome.Code)
		return nil
	}
	printer.Conflicts(outcome.Views, true)
	if together := outcome.Together(); together != "" {
		printer.Note("%s", together)
	}
	file := "FILE"
	if slices.ContainsFunc(outcome.Views, func(v rollcall.ConflictView) bool { return v.Property != "" }) {
		file = "FILE [--property NAME]"
	}
	printer.Note("decide with: %s --take theirs|production|PATH, or --edit", outcome.Command("resolve", file))
	return nil
}

func (o *resolveOptions) conflicts(ctx context.Context) (outcome *rollcall.DeskOutcome, err error) {
	err = o.quietly(ctx, func(ctx context.Context, control rollcall.Control) error {
		outcome, err = control.Resolve(ctx, rollcall.ResolveRequest{DeskRequest: o.request})
		return err
	})
	return outcome, err
}

// decide finds out what is to be taken.
func (o *resolveOptions) decide(ctx context.Context) error {
	switch {
	case o.edit || o.tool != "":
		if o.take != "" {
			return &usageError{rollcall.Errorf(rollcall.KindInvalid, "--take goes without --edit and --tool"), "resolve "}
		}
		return o.byHand(ctx)
	case o.take == string(rollcall.TakeTheirs), o.take == string(rollcall.TakeProduction):
		o.resolve.Take = rollcall.Take(o.take)
		return nil
	}
	content, err := os.ReadFile(o.take)
	if err != nil {
		return rollcall.Errorf(rollcall.KindInvalid, "read what is to be taken: %w", err).WithHint("take theirs, production, or a file that is there")
	}
	o.resolve.Take, o.resolve.Content = rollcall.TakeFile, content
	return nil
}

// byHand lets a person make the file in an editor or a merge tool.
func (o *resolveOptions) byHand(ctx context.Context) error {
	if !interactive() {
		return rollcall.Errorf(rollcall.KindInvalid, "an editor needs a terminal").WithHint("give a file with --take FILE")
	}
	outcome, err := o.conflicts(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(outcome.Views, func(v rollcall.ConflictView) bool {
		return v.Path == o.resolve.Path && v.Property == o.resolve.Property
	})
	if i < 0 {
		return rollcall.Errorf(rollcall.KindNotFound, "%s has no conflict", rollcall.Printable(o.resolve.Path)).WithHint("see %s", outcome.Command("resolve"))
	}
	one := outcome.Views[i]
	if one.Marked == nil {
		return rollcall.Errorf(rollcall.KindInvalid, "%s has no two texts to edit", rollcall.Printable(one.Path)).
			WithHint("take theirs, production, or a file: --take")
	}
	files, err := sides(one)
	if err != nil {
		return fmt.Errorf("write what is to be edited: %w", err)
	}
	args, err := o.editor(files)
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the person's own editor
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return rollcall.Errorf(rollcall.KindRefused, "%s: %w; nothing was decided", args[0], err).
			WithHint("what was saved is kept in %s: rollcall resolve %s %s --edit goes on from it", rollcall.Printable(one.Draft), outcome.Code, rollcall.Printable(one.Path))
	}
	o.resolve.Take, o.resolve.Edited = rollcall.TakeFile, true
	o.resolve.Content, err = os.ReadFile(one.Draft)
	return err
}

// sides writes what an editor or a merge tool is given: the sides beside the draft, and the
// draft, where none was begun. All at once, or a process that dies here would leave half a text.
func sides(one rollcall.ConflictView) (map[string]string, error) {
	dir, ext := filepath.Dir(one.Draft), filepath.Ext(one.Draft)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	files := map[string]string{"merged": one.Draft}
	for name, side := range map[string]*rollcall.ConflictSide{"base": one.Base, "production": one.Conflict.Production, "theirs": one.Theirs} {
		files[name] = filepath.Join(dir, name+ext)
		if err := os.WriteFile(files[name], sideContent(side), 0o600); err != nil {
			return nil, err
		}
	}
	if one.Begun {
		return files, nil
	}
	return files, renameio.WriteFile(one.Draft, one.Marked, 0o600)
}

// editor is the command that a person makes the merged file with.
func (o *resolveOptions) editor(files map[string]string) ([]string, error) {
	text := o.tool
	if text == "" {
		for _, name := range []string{"VISUAL", "EDITOR"} {
			if text = os.Getenv(name); text != "" {
				break
			}
		}
		if text == "" {
			return nil, rollcall.Errorf(rollcall.KindInvalid, "neither VISUAL nor EDITOR is set")
		}
		return append(strings.Fields(text), files["merged"]), nil
	}
	var args []string
	for _, word := range strings.Fields(text) {
		expanded, err := rollcall.Expand(word, files)
		if err != nil {
			return nil, rollcall.Errorf(rollcall.KindInvalid, "--tool: %w", err).WithHint("it knows {base} {production} {theirs} {merged}")
		}
		args = append(args, expanded)
	}
	return args, nil
}

func sideContent(side *rollcall.ConflictSide) []byte {
	if side == nil {
		return nil
	}
	return side.Content
}
