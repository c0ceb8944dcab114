package main

import (
	"context"
	"errors"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// standIn follows the recipe of docs by git commands.
type standIn struct{ h *history }

func (s standIn) Predict(ctx context.Context, base string, picks []string) (prediction, error) {
	g := s.h.git
	tree, err := g.line(ctx, "rev-parse", base+"^{tree}")
	if err != nil {
		return prediction{}, err
	}
	for _, id := range picks {
		o, err := g.line(ctx, "commit-tree", tree, "-p", s.h.parentOf(ctx, id), "-m", "o")
		if err != nil {
			return prediction{}, err
		}
		out, err := g.run(ctx, nil, "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", o, id)
		fields := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 1 {
			return prediction{Conflicts: fields[1:], At: id}, nil
		}
		if err != nil {
			return prediction{}, err
		}
		tree = fields[0]
	}
	return prediction{Tree: tree}, nil
}

var blamed = regexp.MustCompile(`(?m)^([0-9a-f]{40}) \d+ \d+ \d+`)
var trailer = regexp.MustCompile(`(?m)^Rollcall-Pick: ([0-9a-f]{40})$`)

func (s standIn) Needs(ctx context.Context, base, pick string) ([]string, error) {
	parent := s.h.parentOf(ctx, pick)
	ledger, err := s.h.git.run(ctx, nil, "log", "--first-parent", "--format=%B", s.h.fork+".."+base)
	if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, m := range trailer.FindAllStringSubmatch(ledger, -1) {
		have[m[1]] = true
	}
	var needs []string
	paths, err := s.h.differing(ctx, parent, pick, nil)
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		diff, err := s.h.git.run(ctx, nil, "diff", "-U0", "--no-renames", parent, pick, "--", p)
		if err != nil {
			return nil, err
		}
		args := []string{"blame", "--porcelain"}
		for _, m := range hunkLine.FindAllStringSubmatch(diff, -1) {
			count := 1
			if m[2] != "" {
				count, _ = strconv.Atoi(m[2])
			}
			if count > 0 {
				args = append(args, "-L", m[1]+",+"+strconv.Itoa(count))
			}
		}
		if len(args) == 2 {
			continue
		}
		out, err := s.h.git.run(ctx, nil, append(args, s.h.fork+".."+parent, "--", p)...)
		if err != nil {
			continue
		}
		for _, m := range blamed.FindAllStringSubmatch(out, -1) {
			if _, ok := s.h.order[m[1]]; ok && m[1] != s.h.fork && !have[m[1]] {
				have[m[1]] = true
				needs = append(needs, m[1])
			}
		}
	}
	return needs, nil
}

func newEngine(_ context.Context, h *history) (engine, error) { return standIn{h}, nil }
