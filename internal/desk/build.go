package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/rollcall-dev/rollcall"
)

// built is what came of merging steps one after the other.
type built struct {
	merged    int
	tree      string // after the merged ones
	unchanged []string
	conflicts []rollcall.Conflict // of the step behind the merged ones
}

// build merges steps on a bench that nothing is on, up to the first conflict.
func (d *Desk) build(ctx context.Context, bench rollcall.Bench, steps []rollcall.DeskStep, resolved []rollcall.StepResolution) (built, error) {
	var b built
	if err := bench.Reset(ctx); err != nil {
		return b, err
	}
	for i, step := range steps {
		decided, err := d.decided(step, resolved)
		if err != nil {
			return b, err
		}
		if len(steps) > 1 {
			d.note("merging %s (%d of %d)", rollcall.ShortRevision(step.ID), i+1, len(steps))
		}
		applied, err := bench.Apply(ctx, step, decided)
		if err != nil {
			return b, fmt.Errorf("merge %s: %w", rollcall.ShortRevision(step.ID), err)
		}
		if len(applied.Conflicts) > 0 {
			// The bench has more than what is merged; what is merged is made once more.
			b.conflicts = applied.Conflicts
			b.tree, err = d.treeOf(ctx, bench, steps[:i], resolved)
			return b, err
		}
		if !applied.Changed {
			b.unchanged = append(b.unchanged, step.ID)
		}
		b.merged++
	}
	var err error
	b.tree, err = bench.Freeze(ctx)
	return b, err
}

// treeOf makes the tree of steps that are known to merge.
func (d *Desk) treeOf(ctx context.Context, bench rollcall.Bench, steps []rollcall.DeskStep, resolved []rollcall.StepResolution) (string, error) {
	if err := bench.Reset(ctx); err != nil {
		return "", err
	}
	for _, step := range steps {
		decided, err := d.decided(step, resolved)
		if err != nil {
			return "", err
		}
		if _, err := bench.Apply(ctx, step, decided); err != nil {
			return "", err
		}
	}
	return bench.Freeze(ctx)
}

// decided gives what was decided for the conflicts of a step, with the contents. The last
// decision of a conflict counts.
func (d *Desk) decided(step rollcall.DeskStep, resolved []rollcall.StepResolution) ([]rollcall.Resolution, error) {
	var all []rollcall.Resolution
	for i := len(resolved) - 1; i >= 0; i-- {
		r := resolved[i]
		if r.Step != step.Key() {
			continue
		}
		if r.Hash != "" {
			content, err := d.readContent(r.Hash)
			if errors.Is(err, os.ErrNotExist) {
				continue // its conflict is open again
			}
			if err != nil {
				return nil, err
			}
			r.Content = content
		}
		all = append(all, r.Resolution)
	}
	return all, nil
}

func (d *Desk) contentFile(hash string) string { return filepath.Join(d.Dir, "contents", hash) }

func (d *Desk) readContent(hash string) ([]byte, error) { return os.ReadFile(d.contentFile(hash)) }

// keepContent keeps what a person decided on, before the record names it.
func (d *Desk) keepContent(content []byte) (string, error) {
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:])
	file := d.contentFile(hash)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", fmt.Errorf("keep a resolution: %w", err)
	}
	if err := renameio.WriteFile(file, content, 0o600); err != nil {
		return "", fmt.Errorf("keep a resolution: %w", err)
	}
	return hash, nil
}
